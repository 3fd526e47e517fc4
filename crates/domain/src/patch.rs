//! Patches of a context's content: JSON merge patch (RFC 7396) and JSON patch (RFC 6902).

use json_patch::{PatchErrorKind, PatchOperation};
use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::json::{compact_len, depth};
use crate::limits::{MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH, MAX_ENVELOPE_DEPTH, MAX_PATCH_OPERATIONS};

/// A change of some members of the writable content.
#[derive(Debug, Clone, PartialEq)]
pub enum Patch {
    /// RFC 7396: members given replace, `null` removes.
    Merge(Map<String, Value>),
    /// RFC 6902: operations, applied in order, all or none.
    Operations(Vec<PatchOperation>),
}

/// Why a patch was not applied.
#[derive(Debug, PartialEq, Eq)]
pub enum PatchError {
    /// A `test` operation did not hold; the pointer is into the patch.
    TestFailed(String),
    /// The patch is malformed or does not fit what it is applied to; the pointer is into the patch.
    Invalid(Fault),
}

impl Patch {
    /// Reads a merge patch.
    ///
    /// # Errors
    /// A fault where it is no object: such a patch would replace the whole context by something that is none.
    pub fn merge(body: Value) -> Result<Self, Fault> {
        match body {
            Value::Object(members) => Ok(Self::Merge(members)),
            _ => Err(Fault::new("", "a merge patch of a context is a JSON object")),
        }
    }

    /// Reads a JSON patch.
    ///
    /// # Errors
    /// A fault at the first malformed operation, or where there are more than [`MAX_PATCH_OPERATIONS`].
    pub fn operations(body: Value) -> Result<Self, Fault> {
        let Value::Array(operations) = body else {
            return Err(Fault::new("", "a JSON patch is an array of operations"));
        };
        if operations.len() > MAX_PATCH_OPERATIONS {
            let rule = format!("{} operations; {MAX_PATCH_OPERATIONS} are the limit", operations.len());
            return Err(Fault::new("", rule));
        }
        let read = operations.into_iter().enumerate().map(|(index, operation)| {
            serde_json::from_value(operation).map_err(|error| {
                Fault::new(format!("/{index}"), format!("not an operation of RFC 6902: {error}"))
            })
        });
        Ok(Self::Operations(read.collect::<Result<_, _>>()?))
    }

    /// Applies the patch to `content` and answers the result; `content` itself stays as it is.
    ///
    /// # Errors
    /// [`PatchError`]; nothing was applied then.
    pub fn apply(&self, content: Map<String, Value>) -> Result<Map<String, Value>, PatchError> {
        let mut document = Value::Object(content);
        match self {
            Self::Merge(members) => json_patch::merge(&mut document, &Value::Object(members.clone())),
            Self::Operations(operations) => apply_operations(&mut document, operations)?,
        }
        match document {
            Value::Object(members) => Ok(members),
            _ => Err(PatchError::Invalid(Fault::new("", "the patch leaves something that is no object"))),
        }
    }
}

/// One operation at a time: a few `copy` operations could double a document beyond any memory, so that each result is
/// measured before the next one is applied.
fn apply_operations(document: &mut Value, operations: &[PatchOperation]) -> Result<(), PatchError> {
    for (index, operation) in operations.iter().enumerate() {
        let pointer = format!("/{index}");
        json_patch::patch(document, std::slice::from_ref(operation)).map_err(|error| match error.kind {
            PatchErrorKind::TestFailed => PatchError::TestFailed(pointer.clone()),
            kind => PatchError::Invalid(Fault::new(pointer.clone(), format!("{kind} ({})", error.path))),
        })?;
        let grows =
            matches!(operation, PatchOperation::Copy(_) | PatchOperation::Move(_) | PatchOperation::Add(_));
        if grows
            && (depth(document) > MAX_DOCUMENT_DEPTH + MAX_ENVELOPE_DEPTH
                || compact_len(document) > 2 * MAX_DOCUMENT_BYTES)
        {
            return Err(PatchError::Invalid(Fault::new(
                pointer,
                "the operation makes the context too large or too deep",
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn a_merge_patch_sets_and_removes() {
        let patch = Patch::merge(json!({"a": {"b": null, "c": 1}, "title": null})).unwrap();
        let patched = patch.apply(map(json!({"a": {"b": 1}, "title": "t", "k": 0}))).unwrap();
        assert_eq!(Value::Object(patched), json!({"a": {"c": 1}, "k": 0}));
        assert!(Patch::merge(json!([])).is_err());
    }

    #[test]
    fn a_json_patch_is_all_or_nothing_and_names_the_operation() {
        let patch = |operations| Patch::operations(operations).unwrap();
        let content = map(json!({"a": 1}));
        let set = patch(
            json!([{"op": "test", "path": "/a", "value": 1}, {"op": "add", "path": "/b", "value": null}]),
        );
        assert_eq!(Value::Object(set.apply(content.clone()).unwrap()), json!({"a": 1, "b": null}));
        let test =
            patch(json!([{"op": "add", "path": "/b", "value": 1}, {"op": "test", "path": "/a", "value": 2}]));
        assert_eq!(test.apply(content.clone()), Err(PatchError::TestFailed("/1".to_owned())));
        let missing = patch(json!([{"op": "remove", "path": "/x/y"}]));
        let Err(PatchError::Invalid(fault)) = missing.apply(content.clone()) else { panic!() };
        assert_eq!(fault.pointer, "/0");
        assert_eq!(
            Patch::operations(json!([{"op": "add", "path": "/a", "value": 1}, {"op": "jump"}]))
                .unwrap_err()
                .pointer,
            "/1"
        );
        let root = patch(json!([{"op": "replace", "path": "", "value": 3}]));
        assert!(root.apply(content).is_err());
    }

    #[test]
    fn a_patch_that_doubles_the_document_is_stopped() {
        let copies: Vec<_> =
            (0..60).map(|at| json!({"op": "copy", "from": "", "path": format!("/{at}")})).collect();
        let bomb = Patch::operations(Value::Array(copies)).unwrap();
        assert!(matches!(bomb.apply(map(json!({"a": "x"}))), Err(PatchError::Invalid(_))));
    }
}
