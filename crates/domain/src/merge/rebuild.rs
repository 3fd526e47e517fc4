//! Rebuilding a resolved document from its explanation and the chain's documents.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::element::{Element, ElementSource};
use super::link::Link;
use crate::explain::{Explanation, Origin, SourceElement};
use crate::pointer;

/// The reason why an explanation does not belong to a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// The chain lacks a source of a leaf.
    #[error("node {at} of the chain has no value for {pointer:?}: explain this chain again")]
    NoSource {
        /// The leaf.
        pointer: String,
        /// The node that should have its value.
        at: usize,
    },
    /// A leaf contradicts the others.
    #[error(
        "the leaf {pointer:?} has no place in the document: it is not a pointer, or is inside another leaf"
    )]
    NoPlace {
        /// The leaf.
        pointer: String,
    },
}

impl Explanation {
    /// Rebuilds the resolved document from the explanation and the chain's documents alone. Tests use it to
    /// show that an explanation is complete.
    ///
    /// # Errors
    ///
    /// [`RebuildError`] if the explanation is not that of this chain.
    pub fn rebuild(&self, links: &[Link<'_>]) -> Result<Value, RebuildError> {
        let mut document = Map::new();
        for (pointer, leaf) in &self.leaves {
            let no_place = || RebuildError::NoPlace { pointer: pointer.clone() };
            let names = pointer::members(pointer).map_err(|_error| no_place())?;
            let Some((last, parents)) = names.split_last() else { continue };
            let value = leaf_value(&leaf.from, pointer, &names, links)?;
            let mut object = &mut document;
            for name in parents {
                let below = object.entry(name.as_ref()).or_insert_with(|| Value::Object(Map::new()));
                object = below.as_object_mut().ok_or_else(no_place)?;
            }
            object.insert(last.clone().into_owned(), value);
        }
        Ok(Value::Object(document))
    }
}

/// Returns the value of the leaf at `pointer`, whose members are `names`.
fn leaf_value(
    from: &Origin,
    pointer: &str,
    names: &[Cow<'_, str>],
    links: &[Link<'_>],
) -> Result<Value, RebuildError> {
    let elements = match from {
        Origin::Elements(elements) => elements,
        Origin::Node(at) => {
            return Ok(match own_value(*at, pointer, names, links)? {
                // An object is a leaf only if it is empty, so all members that its node wrote were blocked or
                // unset.
                Value::Object(_) => Value::Object(Map::new()),
                value => value.clone(),
            });
        }
    };
    let source = |source: &SourceElement| {
        let SourceElement { at, index } = *source;
        let value = own_value(at, pointer, names, links)?.get(index);
        let value = value.ok_or_else(|| RebuildError::NoSource { pointer: pointer.to_owned(), at })?;
        Ok(ElementSource { at, index, value })
    };
    let element = |sources: &Vec<SourceElement>| {
        let sources = sources.iter().map(source).collect::<Result<_, _>>()?;
        Ok(Element { sources }.value().into_owned())
    };
    elements.iter().map(element).collect()
}

/// Returns what node `at` itself wrote at `pointer`, whose members are `names`.
fn own_value<'a>(
    at: usize,
    pointer: &str,
    names: &[Cow<'_, str>],
    links: &[Link<'a>],
) -> Result<&'a Value, RebuildError> {
    let no_source = || RebuildError::NoSource { pointer: pointer.to_owned(), at };
    let (first, rest) = names.split_first().ok_or_else(no_source)?;
    let mut value = links.get(at).and_then(|link| link.data.get(first.as_ref())).ok_or_else(no_source)?;
    for name in rest {
        value = value.as_object().and_then(|object| object.get(name.as_ref())).ok_or_else(no_source)?;
    }
    Ok(value)
}
