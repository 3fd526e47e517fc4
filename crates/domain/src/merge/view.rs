//! Reading a value of the merged document, whether one document or several wrote it.

use serde_json::{Map, Value};

use super::slot::{MergeSlot, SlotMembers, SlotValue};
use crate::pointer;

/// A read-only view of a value of the merged document.
#[derive(Clone, Copy)]
pub(crate) enum SlotView<'s, 'a> {
    /// A part of a value that one node wrote.
    Value(&'a Value),
    /// A slot.
    Slot(&'s MergeSlot<'a>),
}

impl<'s, 'a> SlotView<'s, 'a> {
    pub(crate) fn is_object(self) -> bool {
        self.map().is_some() || self.object().is_some()
    }

    pub(crate) fn member(self, name: &str) -> Option<Self> {
        match (self.map(), self.object()) {
            (Some(map), _) => map.get(name).map(SlotView::Value),
            (None, Some(members)) => members.get(name).map(SlotView::Slot),
            (None, None) => None,
        }
    }

    /// Returns the members with their names; empty if this is not an object.
    pub(crate) fn members(self) -> Vec<(&'a str, Self)> {
        match (self.map(), self.object()) {
            (Some(map), _) => {
                map.iter().map(|(name, value)| (name.as_str(), SlotView::Value(value))).collect()
            }
            (None, Some(members)) => {
                members.iter().map(|(name, slot)| (*name, SlotView::Slot(slot))).collect()
            }
            (None, None) => Vec::new(),
        }
    }

    /// Whether this equals `value`; at least one of the two must not be an object.
    pub(crate) fn equals(self, value: &Value) -> bool {
        match self {
            SlotView::Value(mine) => mine == value,
            SlotView::Slot(slot) => match &slot.value {
                SlotValue::Whole { value: mine, .. } => *mine == value,
                SlotValue::List { elements, .. } => value.as_array().is_some_and(|array| {
                    array.len() == elements.len()
                        && elements.iter().zip(array).all(|(element, value)| *element.value() == *value)
                }),
                SlotValue::Object { .. } => false,
            },
        }
    }

    /// Returns the names on the path to the leaf whose pointer sorts first.
    pub(crate) fn first_leaf(self) -> Vec<&'a str> {
        let mut names = Vec::new();
        let mut view = self;
        while let Some((name, member)) = view.members().into_iter().min_by_key(sort_key) {
            names.push(name);
            view = member;
        }
        names
    }

    fn map(self) -> Option<&'a Map<String, Value>> {
        match self {
            SlotView::Value(value) => value.as_object(),
            SlotView::Slot(MergeSlot { value: SlotValue::Whole { value, .. }, .. }) => value.as_object(),
            SlotView::Slot(_) => None,
        }
    }

    fn object(self) -> Option<&'s SlotMembers<'a>> {
        match self {
            SlotView::Slot(MergeSlot { value: SlotValue::Object { members, .. }, .. }) => Some(members),
            _ => None,
        }
    }
}

/// Returns the beginning that the pointers of a member's leaves share. It is different for each member, and
/// so sufficient for sorting members by the pointers of their leaves.
fn sort_key((name, member): &(&str, SlotView<'_, '_>)) -> String {
    let mut text = pointer::escape(name).into_owned();
    if !member.members().is_empty() {
        text.push('/');
    }
    text
}
