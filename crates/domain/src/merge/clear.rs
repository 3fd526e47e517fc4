//! What a node takes away from what it inherits, and what the locks of its ancestors leave of that.

use super::filter::Barred;
use super::members::Members;
use super::patterns::{Cursor, Locks};
use super::place::{Place, written};
use super::slot::{Shape, Slot, Tree};
use super::view::View;

/// A leaf that was part of the merged document, and the way to it.
pub(crate) struct Lost<'a> {
    pub(crate) stood: Vec<&'a str>,
    pub(crate) slot: Slot<'a>,
}

/// A leaf that a node unset.
pub(crate) struct Removed<'a> {
    pub(crate) pointer: String,
    pub(crate) by: usize,
    pub(crate) tree: Tree<'a>,
}

/// Takes everything away but what is locked, with the objects on the way to it.
pub(crate) fn split<'a>(
    slot: Slot<'a>,
    locks: &Locks<'a>,
    place: &Place<'_, 'a>,
    lost: &mut Vec<Lost<'a>>,
) -> Option<Slot<'a>> {
    if locks.held().is_some() {
        return Some(slot);
    }
    let (at, strategy, members) = match slot.into_shape() {
        Shape::Object { at, strategy, members } => (at, strategy, members),
        Shape::Leaf(slot) => {
            lost.push(Lost { stood: place.names(), slot });
            return None;
        }
    };
    let kept = members.into_iter().filter_map(|(name, member)| {
        Some((name, split(member, &locks.step(name), &place.member(name), lost)?))
    });
    let members = Members::from_sorted(kept);
    (!members.is_empty()).then(|| Slot { strategy, ..Slot::new(Tree::Object { at, members }) })
}

/// Removes what node `by` unsets.
pub(crate) struct Unset<'s, 'a> {
    pub(crate) by: usize,
    pub(crate) removed: &'s mut Vec<Removed<'a>>,
    /// Locked places that should have been removed.
    pub(crate) barred: &'s mut Vec<Barred<'a>>,
}

/// What `unset` wants of a place because of where the walk comes from.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Stays,
    Goes,
}

impl<'a> Unset<'_, 'a> {
    /// What is left of the value at `place`. An object that loses all its members stays.
    pub(crate) fn apply(
        &mut self,
        slot: Slot<'a>,
        unset: &Cursor<'a>,
        locks: &Locks<'a>,
        place: &Place<'_, 'a>,
    ) -> Option<Slot<'a>> {
        if unset.is_spent() {
            return Some(slot);
        }
        if locks.held().is_some() {
            self.report(View::Slot(&slot), unset, locks, place, Fate::Stays);
            return Some(slot);
        }
        if unset.is_hit() {
            return self.remove(slot, unset, locks, place);
        }
        let (at, strategy, members) = match slot.into_shape() {
            Shape::Object { at, strategy, members } => (at, strategy, members),
            Shape::Leaf(slot) => return Some(slot),
        };
        let kept = members.into_iter().filter_map(|(name, member)| {
            Some((name, self.apply(member, &unset.step(name), &locks.step(name), &place.member(name))?))
        });
        let members = Members::from_sorted(kept);
        Some(Slot { strategy, ..Slot::new(Tree::Object { at, members }) })
    }

    fn remove(
        &mut self,
        slot: Slot<'a>,
        unset: &Cursor<'a>,
        locks: &Locks<'a>,
        place: &Place<'_, 'a>,
    ) -> Option<Slot<'a>> {
        let mut lost = Vec::new();
        let kept = split(slot, locks, place, &mut lost);
        for Lost { stood, slot } in lost {
            self.removed.push(Removed { pointer: written(&stood), by: self.by, tree: slot.tree });
        }
        if let Some(kept) = &kept {
            self.report(View::Slot(kept), unset, locks, place, Fate::Goes);
        }
        kept
    }

    /// Reports the locked places that a pattern names, or that an object encloses which a pattern names.
    fn report(
        &mut self,
        view: View<'_, 'a>,
        unset: &Cursor<'a>,
        locks: &Locks<'a>,
        place: &Place<'_, 'a>,
        fate: Fate,
    ) {
        let fate = if unset.is_hit() { Fate::Goes } else { fate };
        if unset.is_spent() && fate == Fate::Stays {
            return;
        }
        let below = match locks.held() {
            None => fate,
            Some(locked_by) => {
                if fate == Fate::Goes {
                    let pointer = place.pointer();
                    self.barred.push(Barred { pointer, at: self.by, locked_by, value: None });
                }
                // The members of a locked place are locked with it: one report names them all.
                Fate::Stays
            }
        };
        for (name, member) in view.members() {
            self.report(member, &unset.step(name), &locks.step(name), &place.member(name), below);
        }
    }
}
