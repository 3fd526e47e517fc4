//! The values that a merge works on. They borrow from the documents: nothing is copied until the result is
//! written.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::element::Element;
use super::members::SortedMembers;
use crate::inheritance::Strategy;

/// The members of an object during a merge.
pub(crate) type SlotMembers<'a> = SortedMembers<'a, MergeSlot<'a>>;

/// One value of the merged document, with its provenance.
pub(crate) struct MergeSlot<'a> {
    pub(crate) value: SlotValue<'a>,
    /// The strategy that put the value here; `None` if only rules 1 and 2 applied.
    pub(crate) strategy: Option<&'a Strategy>,
    /// The values that were replaced by this one. Only leaves have a past.
    pub(crate) past: Vec<Shadow<'a>>,
}

/// A value of the merged document.
pub(crate) enum SlotValue<'a> {
    /// A value as node `at` wrote it.
    Whole { at: usize, value: &'a Value },
    /// An object with members of several nodes, or from which members were removed; node `at` was the first
    /// to write it.
    Object { at: usize, members: SlotMembers<'a> },
    /// An array that a strategy merged; node `at` was the last to contribute.
    List { at: usize, elements: Vec<Element<'a>> },
}

/// A leaf that was replaced and is no longer part of the document.
pub(crate) struct Shadow<'a> {
    /// The names on the path to its former position; `None` if that is the position of the leaf that has it
    /// in its past.
    pub(crate) names: Option<Vec<&'a str>>,
    pub(crate) value: SlotValue<'a>,
}

/// A slot taken apart.
pub(crate) enum SlotParts<'a> {
    /// Anything but an object with members.
    Leaf(MergeSlot<'a>),
    /// An object with members.
    Object { at: usize, strategy: Option<&'a Strategy>, members: SlotMembers<'a> },
}

impl<'a> MergeSlot<'a> {
    /// Returns a slot with a value as node `at` wrote it.
    pub(crate) fn whole(at: usize, value: &'a Value) -> Self {
        Self::new(SlotValue::Whole { at, value })
    }

    /// Returns a slot without a strategy or a past.
    pub(crate) fn new(value: SlotValue<'a>) -> Self {
        Self { value, strategy: None, past: Vec::new() }
    }

    pub(crate) fn is_object(&self) -> bool {
        match &self.value {
            SlotValue::Whole { value, .. } => value.is_object(),
            SlotValue::Object { .. } => true,
            SlotValue::List { .. } => false,
        }
    }

    pub(crate) fn is_empty_object(&self) -> bool {
        match &self.value {
            SlotValue::Whole { value, .. } => value.as_object().is_some_and(Map::is_empty),
            SlotValue::Object { members, .. } => members.is_empty(),
            SlotValue::List { .. } => false,
        }
    }

    /// Whether this is anything but an object with members.
    pub(crate) fn is_leaf(&self) -> bool {
        !self.is_object() || self.is_empty_object()
    }

    /// Returns the members for modification; `None` if this is not an object.
    pub(crate) fn members_mut(&mut self) -> Option<&mut SlotMembers<'a>> {
        if let SlotValue::Whole { at, value: Value::Object(map) } = self.value {
            let strategy = self.strategy;
            let member = |value| MergeSlot { strategy, ..MergeSlot::whole(at, value) };
            let members =
                SortedMembers::from_sorted(map.iter().map(|(name, value)| (name.as_str(), member(value))));
            self.value = SlotValue::Object { at, members };
        }
        match &mut self.value {
            SlotValue::Object { members, .. } => Some(members),
            _ => None,
        }
    }

    /// Calls `each` with every member in order of names, without first building the members of an object that
    /// is still as one node wrote it.
    pub(crate) fn for_each_member(self, mut each: impl FnMut(&'a str, MergeSlot<'a>)) {
        match self.value {
            SlotValue::Whole { at, value: Value::Object(map) } => {
                for (name, value) in map {
                    each(name, MergeSlot { strategy: self.strategy, ..MergeSlot::whole(at, value) });
                }
            }
            SlotValue::Object { members, .. } => {
                for (name, slot) in members {
                    each(name, slot);
                }
            }
            SlotValue::Whole { .. } | SlotValue::List { .. } => {}
        }
    }

    /// Takes the slot apart.
    pub(crate) fn into_parts(mut self) -> SlotParts<'a> {
        if self.is_leaf() {
            return SlotParts::Leaf(self);
        }
        // This builds the members of an object that is still as one node wrote it.
        self.members_mut();
        match self.value {
            SlotValue::Object { at, members } => SlotParts::Object { at, strategy: self.strategy, members },
            value => SlotParts::Leaf(MergeSlot { value, ..self }),
        }
    }

    /// Returns the leaf at the end of this path, if there is one.
    pub(crate) fn leaf_at(&mut self, names: &[&'a str]) -> Option<&mut Self> {
        let Some((name, rest)) = names.split_first() else { return self.is_leaf().then_some(self) };
        self.members_mut()?.get_mut(name)?.leaf_at(rest)
    }

    /// Records for this slot and everything below it that `strategy` put it here.
    pub(crate) fn set_strategy(&mut self, strategy: &'a Strategy) {
        self.strategy = Some(strategy);
        if let SlotValue::Object { members, .. } = &mut self.value {
            for member in members.values_mut() {
                member.set_strategy(strategy);
            }
        }
    }
}

impl SlotValue<'_> {
    /// Returns the node that the value is attributed to.
    pub(crate) fn at(&self) -> usize {
        match self {
            Self::Whole { at, .. } | Self::Object { at, .. } | Self::List { at, .. } => *at,
        }
    }

    /// Returns the value as JSON.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Whole { value, .. } => (*value).clone(),
            Self::Object { members, .. } => {
                let member =
                    |(name, slot): &(&str, MergeSlot<'_>)| ((*name).to_owned(), slot.value.to_json());
                Value::Object(members.iter().map(member).collect())
            }
            Self::List { elements, .. } => {
                Value::Array(elements.iter().map(|element| element.value().into_owned()).collect())
            }
        }
    }
}

impl Serialize for SlotValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole { value, .. } => value.serialize(serializer),
            Self::Object { members, .. } => {
                serializer.collect_map(members.iter().map(|(name, slot)| (name, &slot.value)))
            }
            Self::List { elements, .. } => serializer.collect_seq(elements.iter().map(Element::value)),
        }
    }
}
