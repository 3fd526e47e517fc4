//! Removes the values that ancestors have locked from a node's document.

use serde_json::{Map, Value};

use super::members::SortedMembers;
use super::notes::BlockedNote;
use super::path::MemberPath;
use super::patterns::Locks;
use super::slot::{MergeSlot, SlotValue};
use super::view::SlotView;

/// Removes the values that ancestors have locked from the document of node `at`: values at or under a
/// locked pointer, and values that are not objects where an object around a locked value must be.
pub(crate) struct LockFilter<'s, 'a> {
    pub(crate) at: usize,
    /// Receives the removed values, except those that equal what is inherited.
    pub(crate) blocked: &'s mut Vec<BlockedNote<'a>>,
}

impl<'a> LockFilter<'_, 'a> {
    /// Returns the document without the blocked values. The objects around them stay.
    pub(crate) fn filter(
        &mut self,
        data: &'a Map<String, Value>,
        inherited: Option<SlotView<'_, 'a>>,
        locks: &Locks<'a>,
    ) -> MergeSlot<'a> {
        self.filter_object(data, inherited, locks, &MemberPath::Root)
    }

    fn filter_object(
        &mut self,
        map: &'a Map<String, Value>,
        inherited: Option<SlotView<'_, 'a>>,
        locks: &Locks<'a>,
        path: &MemberPath<'_, 'a>,
    ) -> MergeSlot<'a> {
        let kept = map.iter().filter_map(|(name, value)| {
            let below = inherited.and_then(|inherited| inherited.member(name));
            Some((name.as_str(), self.filter_value(value, below, &locks.step(name), &path.member(name))?))
        });
        let members = SortedMembers::from_sorted(kept);
        MergeSlot::new(SlotValue::Object { at: self.at, members })
    }

    fn filter_value(
        &mut self,
        value: &'a Value,
        inherited: Option<SlotView<'_, 'a>>,
        locks: &Locks<'a>,
        path: &MemberPath<'_, 'a>,
    ) -> Option<MergeSlot<'a>> {
        if locks.is_free() {
            return Some(MergeSlot::whole(self.at, value));
        }
        if locks.is_held() {
            self.note_differences(value, inherited, locks, path);
            return None;
        }
        if let Value::Object(map) = value {
            return Some(self.filter_object(map, inherited, locks, path));
        }
        if let Some(locked_by) = inherited.and_then(|inherited| locks.holder_below(inherited)) {
            self.note(value, locked_by, path);
            return None;
        }
        Some(MergeSlot::whole(self.at, value))
    }

    /// Notes where a locked value differs from what is inherited, as far down as both are objects.
    fn note_differences(
        &mut self,
        value: &'a Value,
        inherited: Option<SlotView<'_, 'a>>,
        locks: &Locks<'a>,
        path: &MemberPath<'_, 'a>,
    ) {
        if let (Value::Object(map), Some(inherited)) = (value, inherited.filter(|view| view.is_object())) {
            for (name, value) in map {
                self.note_differences(value, inherited.member(name), &locks.step(name), &path.member(name));
            }
            return;
        }
        if inherited.is_some_and(|inherited| inherited.equals(value)) {
            return;
        }
        let locked_by = match inherited {
            Some(inherited) => locks.holder_at_or_below(inherited),
            None => locks.holder(),
        };
        if let Some(locked_by) = locked_by {
            self.note(value, locked_by, path);
        }
    }

    fn note(&mut self, value: &'a Value, locked_by: usize, path: &MemberPath<'_, 'a>) {
        let note = BlockedNote { pointer: path.pointer(), at: self.at, locked_by, value: Some(value) };
        self.blocked.push(note);
    }
}
