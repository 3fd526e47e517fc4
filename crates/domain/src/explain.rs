//! The explanation of a resolved document: where each value comes from, and what became of the values that
//! are not in it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::inheritance::Strategy;

/// The origin of each value of a resolved document, and what became of the values that are not in it.
///
/// Nodes are given by their index in the chain, the global node being 0. Lists are sorted by node, then by
/// pointer. Rules 1 and 2 are those of [`crate::merge`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The leaves of the document by their pointers. A leaf is a scalar, an array or an empty object.
    pub leaves: BTreeMap<String, Leaf>,
    /// The values that nodes removed from what they inherit.
    pub unset: Vec<Unset>,
    /// The values that locks kept out.
    pub blocked: Vec<Blocked>,
    /// The strategies that were declared but do not fit the values.
    pub not_applicable: Vec<NotApplicable>,
}

/// The origin of one leaf.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Leaf {
    /// The node that wrote it, or the sources of each element of a merged array.
    pub from: Origin,
    /// The strategy that put the value here; `deep` if only rules 1 and 2 applied.
    pub strategy: Strategy,
    /// The values that this one replaced, or that lost a `min` or `max`, global first.
    pub shadowed: Vec<Shadowed>,
}

/// The origin of a value, or of each element of a merged array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Origin {
    /// One node wrote it.
    Node(usize),
    /// A strategy merged the array: the sources of each element, global first. Several sources are merged by
    /// rule 1.
    Elements(Vec<Vec<SourceElement>>),
}

/// One element of one node's own array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SourceElement {
    /// The node.
    pub at: usize,
    /// The element's index in the node's own array at the same pointer.
    pub index: usize,
}

/// A value that another one replaced.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shadowed {
    /// The origin of the value.
    pub from: Origin,
    /// The value.
    pub value: Value,
    /// The pointer it was at, if not that of the leaf that lists it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

/// A value that a node removed from what it inherits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unset {
    /// The pointer it was at.
    pub pointer: String,
    /// The node that removed it.
    pub by: usize,
    /// The origin of the value.
    pub from: Origin,
    /// The value.
    pub value: Value,
}

/// A value that a lock kept out of the result, or a locked member that a node tried to unset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Blocked {
    /// The pointer to it.
    pub pointer: String,
    /// The node that wrote or tried to unset it.
    pub at: usize,
    /// The topmost node whose lock blocked it.
    pub locked_by: usize,
    /// The value that was kept out; `None` if it was an `unset` that was ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// A declared strategy that did not fit the two values, so that rules 1 and 2 applied instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotApplicable {
    /// The pointer of the two values.
    pub pointer: String,
    /// The strategy, as declared.
    pub strategy: Strategy,
    /// The node whose document was being merged.
    pub at: usize,
}
