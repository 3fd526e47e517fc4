//! Why a resolved document is what it is, value by value.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::inheritance::Strategy;
use crate::merge::{Element, Link, Source};
use crate::pointer;

/// Where each value of a resolved document comes from, and what became of the values that are not in it.
///
/// Nodes are told by their place in the chain, global 0. Lists are in the order of node, then pointer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Every leaf of the document by its pointer. A leaf is a scalar, an array, or an empty object.
    pub leaves: BTreeMap<String, Leaf>,
    /// What nodes removed from what they inherit.
    pub unset: Vec<Unset>,
    /// What locks kept out.
    pub blocked: Vec<Blocked>,
    /// Strategies that were declared but do not fit the values.
    pub not_applicable: Vec<NotApplicable>,
}

/// Where one value comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Leaf {
    /// The node, or the sources of each element of a merged array.
    pub from: Origin,
    /// What put the value here: `deep` where only rules 1 and 2 acted.
    pub strategy: Strategy,
    /// The values that stood here before, or were chosen against, global first.
    pub shadowed: Vec<Shadowed>,
}

/// Where a value, or each element of a merged array, comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Origin {
    /// One node wrote it.
    Node(usize),
    /// A strategy made the array: for each element its sources, global first. Several are merged by rule 1.
    Elements(Vec<Vec<SourceElement>>),
}

/// One element of one node's own array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SourceElement {
    /// The node.
    pub at: usize,
    /// The element's index in the array that this node has at the same pointer.
    pub index: usize,
}

/// A value that another took the place of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shadowed {
    /// Where it came from.
    pub from: Origin,
    /// The value.
    pub value: Value,
    /// Where it stood, if not where the leaf stands that it is listed at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

/// A value that a node removed from what it inherits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unset {
    /// Where it stood.
    pub pointer: String,
    /// The node that removed it.
    pub by: usize,
    /// Where it came from.
    pub from: Origin,
    /// The value.
    pub value: Value,
}

/// A value of a document that a lock kept out, or a locked place that a node wanted to unset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Blocked {
    /// Where.
    pub pointer: String,
    /// The node that wrote it.
    pub at: usize,
    /// The topmost node whose lock keeps it out.
    pub locked_by: usize,
    /// The value that was kept out; none where something was not unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// A declared strategy that did not fit, so that rules 1 and 2 applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotApplicable {
    /// Where the two values stood.
    pub pointer: String,
    /// The strategy, as declared.
    pub strategy: Strategy,
    /// The node whose document was being merged.
    pub at: usize,
}

/// Why an explanation and a chain do not belong together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// A source that the chain does not have.
    #[error("Node {at} of the chain has no value for {pointer:?}: explain this chain again.")]
    NoSource {
        /// The leaf.
        pointer: String,
        /// The node that should hold its value.
        at: usize,
    },
    /// A leaf that cannot stand beside the others.
    #[error(
        "The leaf {pointer:?} has no place in the document: it is no pointer, or stands inside another leaf."
    )]
    NoPlace {
        /// The leaf.
        pointer: String,
    },
}

impl Explanation {
    /// Makes the resolved document again, out of the explanation and the chain's documents alone.
    ///
    /// # Errors
    ///
    /// [`RebuildError`] when the explanation is not one of this chain.
    pub fn rebuild(&self, links: &[Link<'_>]) -> Result<Value, RebuildError> {
        let mut document = Map::new();
        for (pointer, leaf) in &self.leaves {
            let no_place = || RebuildError::NoPlace { pointer: pointer.clone() };
            let names = pointer::members(pointer).map_err(|_error| no_place())?;
            let Some((last, way)) = names.split_last() else { continue };
            let value = sourced(&leaf.from, pointer, &names, links)?;
            let mut object = &mut document;
            for name in way {
                let below = object.entry(name.as_ref()).or_insert_with(|| Value::Object(Map::new()));
                object = below.as_object_mut().ok_or_else(no_place)?;
            }
            object.insert(last.clone().into_owned(), value);
        }
        Ok(Value::Object(document))
    }
}

fn sourced(
    from: &Origin,
    pointer: &str,
    names: &[Cow<'_, str>],
    links: &[Link<'_>],
) -> Result<Value, RebuildError> {
    let elements = match from {
        Origin::Elements(elements) => elements,
        Origin::Node(at) => {
            return Ok(match written(*at, pointer, names, links)? {
                // An object is a leaf only when it is empty: what its node wrote into it was barred or unset.
                Value::Object(_) => Value::Object(Map::new()),
                value => value.clone(),
            });
        }
    };
    let source = |source: &SourceElement| {
        let SourceElement { at, index } = *source;
        let value = written(at, pointer, names, links)?.get(index);
        let value = value.ok_or_else(|| RebuildError::NoSource { pointer: pointer.to_owned(), at })?;
        Ok(Source { at, index, value })
    };
    let element = |sources: &Vec<SourceElement>| {
        let sources = sources.iter().map(source).collect::<Result<_, _>>()?;
        Ok(Element { sources }.value().into_owned())
    };
    elements.iter().map(element).collect()
}

/// What node `at` itself wrote at this place.
fn written<'a>(
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
