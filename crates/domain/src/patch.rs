//! Patches of a context's content: JSON merge patches (RFC 7396) and JSON patches (RFC 6902).

use json_patch::{PatchErrorKind, PatchOperation};
use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::json::{compact_len, depth};
use crate::limits::{MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH, MAX_ENVELOPE_DEPTH, MAX_PATCH_OPERATIONS};

/// A patch of a context's writable members.
#[derive(Debug, Clone, PartialEq)]
pub enum Patch {
    /// RFC 7396: objects are merged, any other value replaces the member of its name, and `null` removes it.
    Merge(Map<String, Value>),
    /// RFC 6902: operations that are applied in order, all or none.
    Operations(Vec<PatchOperation>),
}

/// The reason why a patch was not applied.
#[derive(Debug, PartialEq, Eq)]
pub enum PatchError {
    /// A `test` operation failed; the pointer into the patch names it.
    TestFailed(String),
    /// The patch cannot be applied to this content; the fault's pointer into the patch names the operation.
    Invalid(Fault),
}

impl Patch {
    /// Reads a merge patch.
    ///
    /// # Errors
    /// A fault if it is not an object: such a patch would replace the whole context with something else.
    pub fn merge(body: Value) -> Result<Self, Fault> {
        match body {
            Value::Object(members) => Ok(Self::Merge(members)),
            _ => Err(Fault::new("", "a merge patch of a context must be a JSON object")),
        }
    }

    /// Reads a JSON patch.
    ///
    /// # Errors
    /// A fault at the first malformed operation, or if there are more than [`MAX_PATCH_OPERATIONS`].
    pub fn operations(body: Value) -> Result<Self, Fault> {
        let Value::Array(operations) = body else {
            return Err(Fault::new("", "a JSON patch must be an array of operations"));
        };
        if operations.len() > MAX_PATCH_OPERATIONS {
            let rule = format!(
                "the patch has {} operations, more than the limit of {MAX_PATCH_OPERATIONS}: split it",
                operations.len()
            );
            return Err(Fault::new("", rule));
        }
        let read = operations.into_iter().enumerate().map(|(index, operation)| {
            serde_json::from_value(operation).map_err(|error| {
                Fault::new(format!("/{index}"), format!("this is not an operation of RFC 6902: {error}"))
            })
        });
        Ok(Self::Operations(read.collect::<Result<_, _>>()?))
    }

    /// Applies the patch to `content` and returns the result.
    ///
    /// # Errors
    /// [`PatchError`] if an operation fails; nothing is applied then.
    pub fn apply(&self, content: Map<String, Value>) -> Result<Map<String, Value>, PatchError> {
        let mut document = Value::Object(content);
        match self {
            Self::Merge(members) => json_patch::merge(&mut document, &Value::Object(members.clone())),
            Self::Operations(operations) => apply_operations(&mut document, operations)?,
        }
        let Value::Object(members) = document else {
            let rule = "the patch would replace the context with something that is not an object";
            return Err(PatchError::Invalid(Fault::new("", rule)));
        };
        Ok(members)
    }
}

/// Applies one operation at a time and measures each result before the next: a few `copy` operations, each
/// doubling the document, could exhaust the memory.
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
                "this operation makes the context too large or too deep",
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
    fn a_json_patch_applies_whole_or_reports_the_operation_that_failed() {
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
    fn a_patch_that_keeps_doubling_the_document_is_refused() {
        let copies: Vec<_> =
            (0..60).map(|at| json!({"op": "copy", "from": "", "path": format!("/{at}")})).collect();
        let bomb = Patch::operations(Value::Array(copies)).unwrap();
        assert!(matches!(bomb.apply(map(json!({"a": "x"}))), Err(PatchError::Invalid(_))));
    }
}
