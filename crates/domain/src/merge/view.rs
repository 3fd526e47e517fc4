//! Reading a value of the merged document, whether or not more than one document wrote it.

use serde_json::{Map, Value};

use super::members::Members;
use super::slot::{Slot, Tree};
use crate::pointer;

/// A value of the merged document, only to be read.
#[derive(Clone, Copy)]
pub(crate) enum View<'s, 'a> {
    /// Part of what one node wrote.
    Value(&'a Value),
    /// A slot of the tree.
    Slot(&'s Slot<'a>),
}

impl<'s, 'a> View<'s, 'a> {
    pub(crate) fn is_object(self) -> bool {
        self.map().is_some() || self.object().is_some()
    }

    pub(crate) fn member(self, name: &str) -> Option<Self> {
        match (self.map(), self.object()) {
            (Some(map), _) => map.get(name).map(View::Value),
            (None, Some(members)) => members.get(name).map(View::Slot),
            (None, None) => None,
        }
    }

    /// The members by name; none where there is no object.
    pub(crate) fn members(self) -> Vec<(&'a str, Self)> {
        match (self.map(), self.object()) {
            (Some(map), _) => map.iter().map(|(name, value)| (name.as_str(), View::Value(value))).collect(),
            (None, Some(members)) => members.iter().map(|(name, slot)| (*name, View::Slot(slot))).collect(),
            (None, None) => Vec::new(),
        }
    }

    /// Whether this is the same value as one that is no object.
    pub(crate) fn equals(self, value: &Value) -> bool {
        match self {
            View::Value(mine) => mine == value,
            View::Slot(Slot { tree: Tree::Whole { value: mine, .. }, .. }) => *mine == value,
            View::Slot(Slot { tree: Tree::List { elements, .. }, .. }) => {
                value.as_array().is_some_and(|array| {
                    array.len() == elements.len()
                        && elements.iter().zip(array).all(|(element, value)| *element.value() == *value)
                })
            }
            View::Slot(Slot { tree: Tree::Object { .. }, .. }) => false,
        }
    }

    /// The way to the leaf whose pointer sorts before those of all others.
    pub(crate) fn first_leaf(self) -> Vec<&'a str> {
        let mut names = Vec::new();
        let mut view = self;
        while let Some((name, member)) = view.members().into_iter().min_by_key(sorting) {
            names.push(name);
            view = member;
        }
        names
    }

    fn map(self) -> Option<&'a Map<String, Value>> {
        match self {
            View::Value(value) => value.as_object(),
            View::Slot(Slot { tree: Tree::Whole { value, .. }, .. }) => value.as_object(),
            View::Slot(_) => None,
        }
    }

    fn object(self) -> Option<&'s Members<'a>> {
        match self {
            View::Slot(Slot { tree: Tree::Object { members, .. }, .. }) => Some(members),
            _ => None,
        }
    }
}

/// What the pointers of a member's leaves begin with: no two members' begin alike, so this is enough to sort them.
fn sorting((name, member): &(&str, View<'_, '_>)) -> String {
    let mut text = pointer::escape(name).into_owned();
    if !member.members().is_empty() {
        text.push('/');
    }
    text
}
