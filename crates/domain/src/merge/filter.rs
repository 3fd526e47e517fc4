//! What a document may not change: its values at, under and in the way of its ancestors' locks.

use serde_json::{Map, Value};

use super::members::Members;
use super::patterns::Locks;
use super::place::Place;
use super::slot::{Slot, Tree};
use super::view::View;

/// A value that a lock keeps out, or, without a value, a place that a lock keeps from being unset.
pub(crate) struct Barred<'a> {
    pub(crate) pointer: String,
    pub(crate) at: usize,
    pub(crate) locked_by: usize,
    pub(crate) value: Option<&'a Value>,
}

/// Takes out of node `at`'s document what the locks of its ancestors keep out.
pub(crate) struct Filter<'s, 'a> {
    pub(crate) at: usize,
    /// What was barred, and differs from what is inherited.
    pub(crate) barred: &'s mut Vec<Barred<'a>>,
}

impl<'a> Filter<'_, 'a> {
    /// The document without what is barred. The objects around that count as written.
    pub(crate) fn document(
        &mut self,
        data: &'a Map<String, Value>,
        inherited: Option<View<'_, 'a>>,
        locks: &Locks<'a>,
    ) -> Slot<'a> {
        self.object(data, inherited, locks, &Place::Root)
    }

    fn object(
        &mut self,
        map: &'a Map<String, Value>,
        inherited: Option<View<'_, 'a>>,
        locks: &Locks<'a>,
        place: &Place<'_, 'a>,
    ) -> Slot<'a> {
        let kept = map.iter().filter_map(|(name, value)| {
            let below = inherited.and_then(|inherited| inherited.member(name));
            Some((name.as_str(), self.value(value, below, &locks.step(name), &place.member(name))?))
        });
        let members = Members::from_sorted(kept);
        Slot::new(Tree::Object { at: self.at, members })
    }

    fn value(
        &mut self,
        value: &'a Value,
        inherited: Option<View<'_, 'a>>,
        locks: &Locks<'a>,
        place: &Place<'_, 'a>,
    ) -> Option<Slot<'a>> {
        if locks.is_free() {
            return Some(Slot::whole(self.at, value));
        }
        if locks.held().is_some() {
            self.compare(value, inherited, locks, place);
            return None;
        }
        if let Value::Object(map) = value {
            return Some(self.object(map, inherited, locks, place));
        }
        if let Some(locked_by) = inherited.and_then(|inherited| locks.held_below(inherited)) {
            self.bar(value, locked_by, place);
            return None;
        }
        Some(Slot::whole(self.at, value))
    }

    /// Reports where a locked value differs from what is inherited, as far down as both are objects.
    fn compare(
        &mut self,
        value: &'a Value,
        inherited: Option<View<'_, 'a>>,
        locks: &Locks<'a>,
        place: &Place<'_, 'a>,
    ) {
        if let (Value::Object(map), Some(inherited)) = (value, inherited.filter(|view| view.is_object())) {
            for (name, value) in map {
                self.compare(value, inherited.member(name), &locks.step(name), &place.member(name));
            }
            return;
        }
        if inherited.is_some_and(|inherited| inherited.equals(value)) {
            return;
        }
        let locked_by = match inherited {
            Some(inherited) => locks.held_at_or_below(inherited),
            None => locks.held(),
        };
        if let Some(locked_by) = locked_by {
            self.bar(value, locked_by, place);
        }
    }

    fn bar(&mut self, value: &'a Value, locked_by: usize, place: &Place<'_, 'a>) {
        self.barred.push(Barred { pointer: place.pointer(), at: self.at, locked_by, value: Some(value) });
    }
}
