//! Removes values from the document that a node inherits, except those that its ancestors have locked.

use super::members::SortedMembers;
use super::notes::{BlockedNote, UnsetNote};
use super::path::{MemberPath, pointer_of};
use super::patterns::{Locks, PatternCursor};
use super::slot::{MergeSlot, SlotParts, SlotValue};
use super::view::SlotView;

/// A leaf that was removed from the merged document, and the names on the path to it.
pub(crate) struct LostLeaf<'a> {
    pub(crate) names: Vec<&'a str>,
    pub(crate) slot: MergeSlot<'a>,
}

/// Removes everything except locked values and the objects around them. The removed leaves are added to
/// `lost`.
pub(crate) fn retain_locked<'a>(
    slot: MergeSlot<'a>,
    locks: &Locks<'a>,
    path: &MemberPath<'_, 'a>,
    lost: &mut Vec<LostLeaf<'a>>,
) -> Option<MergeSlot<'a>> {
    if locks.is_held() {
        return Some(slot);
    }
    let (at, strategy, members) = match slot.into_parts() {
        SlotParts::Object { at, strategy, members } => (at, strategy, members),
        SlotParts::Leaf(slot) => {
            lost.push(LostLeaf { names: path.names(), slot });
            return None;
        }
    };
    let kept = members.into_iter().filter_map(|(name, member)| {
        Some((name, retain_locked(member, &locks.step(name), &path.member(name), lost)?))
    });
    let members = SortedMembers::from_sorted(kept);
    (!members.is_empty()).then(|| MergeSlot { strategy, ..MergeSlot::new(SlotValue::Object { at, members }) })
}

/// Removes what node `by` unsets.
pub(crate) struct UnsetWalk<'s, 'a> {
    pub(crate) by: usize,
    /// Receives the leaves that were removed.
    pub(crate) unset: &'s mut Vec<UnsetNote<'a>>,
    /// Receives the locked members that were not removed.
    pub(crate) blocked: &'s mut Vec<BlockedNote<'a>>,
}

/// Whether a pattern of `unset` matches a member or an object around it, so that the member should be
/// removed.
#[derive(Clone, Copy, PartialEq)]
enum Coverage {
    Outside,
    Inside,
}

impl<'a> UnsetWalk<'_, 'a> {
    /// Returns what is left of the value at `path`. An object that loses all its members stays, as an empty
    /// object.
    pub(crate) fn apply(
        &mut self,
        slot: MergeSlot<'a>,
        unset: &PatternCursor<'a>,
        locks: &Locks<'a>,
        path: &MemberPath<'_, 'a>,
    ) -> Option<MergeSlot<'a>> {
        if unset.is_spent() {
            return Some(slot);
        }
        if locks.is_held() {
            self.note_locked(SlotView::Slot(&slot), unset, locks, path, Coverage::Outside);
            return Some(slot);
        }
        if unset.is_match() {
            return self.remove(slot, unset, locks, path);
        }
        let (at, strategy, members) = match slot.into_parts() {
            SlotParts::Object { at, strategy, members } => (at, strategy, members),
            SlotParts::Leaf(slot) => return Some(slot),
        };
        let kept = members.into_iter().filter_map(|(name, member)| {
            Some((name, self.apply(member, &unset.step(name), &locks.step(name), &path.member(name))?))
        });
        let members = SortedMembers::from_sorted(kept);
        Some(MergeSlot { strategy, ..MergeSlot::new(SlotValue::Object { at, members }) })
    }

    fn remove(
        &mut self,
        slot: MergeSlot<'a>,
        unset: &PatternCursor<'a>,
        locks: &Locks<'a>,
        path: &MemberPath<'_, 'a>,
    ) -> Option<MergeSlot<'a>> {
        let mut lost = Vec::new();
        let kept = retain_locked(slot, locks, path, &mut lost);
        for LostLeaf { names, slot } in lost {
            self.unset.push(UnsetNote { pointer: pointer_of(&names), by: self.by, value: slot.value });
        }
        if let Some(kept) = &kept {
            self.note_locked(SlotView::Slot(kept), unset, locks, path, Coverage::Inside);
        }
        kept
    }

    /// Notes the locked members that a pattern of `unset` matches, or that are inside an object that one
    /// matches.
    fn note_locked(
        &mut self,
        view: SlotView<'_, 'a>,
        unset: &PatternCursor<'a>,
        locks: &Locks<'a>,
        path: &MemberPath<'_, 'a>,
        coverage: Coverage,
    ) {
        let coverage = if unset.is_match() { Coverage::Inside } else { coverage };
        if unset.is_spent() && coverage == Coverage::Outside {
            return;
        }
        let below = match locks.holder() {
            None => coverage,
            Some(locked_by) => {
                if coverage == Coverage::Inside {
                    let pointer = path.pointer();
                    self.blocked.push(BlockedNote { pointer, at: self.by, locked_by, value: None });
                }
                // The note covers the members of a locked object too, since they are locked with it.
                Coverage::Outside
            }
        };
        for (name, member) in view.members() {
            self.note_locked(member, &unset.step(name), &locks.step(name), &path.member(name), below);
        }
    }
}
