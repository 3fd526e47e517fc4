//! Replacing values while keeping them, for the explanation, in the past of the leaves that replaced them.

use std::mem;

use super::path::MemberPath;
use super::patterns::Locks;
use super::removal::{LostLeaf, retain_locked};
use super::slot::{MergeSlot, Shadow};
use super::view::SlotView;

/// Replaces the leaf `slot` with the leaf `own`, and keeps the old one in its past.
pub(crate) fn replace_leaf<'a>(slot: &mut MergeSlot<'a>, own: MergeSlot<'a>) {
    let old = mem::replace(slot, own);
    // Most values are replaced once or twice: the default growth of a vector would reserve four times as
    // much.
    slot.past.reserve_exact(old.past.len() + 1);
    slot.past.extend(old.past);
    slot.past.push(Shadow { names: None, value: old.value });
}

/// Replaces `slot`, which is at `path`, with `own`, and keeps the old leaves in the past of the new ones.
pub(crate) fn replace_slot<'a>(slot: &mut MergeSlot<'a>, own: MergeSlot<'a>, path: &MemberPath<'_, 'a>) {
    if slot.is_leaf() && own.is_leaf() {
        return replace_leaf(slot, own);
    }
    let mut lost = Vec::new();
    retain_locked(mem::replace(slot, own), &Locks::default(), path, &mut lost);
    attach_shadows(into_shadows(lost), slot, path);
}

/// Returns the removed leaves as shadows, together with those in their pasts.
pub(crate) fn into_shadows(lost: Vec<LostLeaf<'_>>) -> Vec<Shadow<'_>> {
    let mut shadows = Vec::new();
    for LostLeaf { names, slot } in lost {
        shadows.extend(detach_past(slot.past, &names));
        shadows.push(Shadow { names: Some(names), value: slot.value });
    }
    shadows
}

/// Returns the past of a leaf that was at `names`, so that it can be attached to another leaf.
pub(crate) fn detach_past<'a>(past: Vec<Shadow<'a>>, names: &[&'a str]) -> Vec<Shadow<'a>> {
    let detached = |shadow: Shadow<'a>| Shadow {
        names: Some(shadow.names.unwrap_or_else(|| names.to_vec())),
        value: shadow.value,
    };
    past.into_iter().map(detached).collect()
}

/// Adds each shadow to the past of the leaf at the same pointer, or else of the first leaf of `slot`, which
/// is at `path`.
pub(crate) fn attach_shadows<'a>(
    shadows: Vec<Shadow<'a>>,
    slot: &mut MergeSlot<'a>,
    path: &MemberPath<'_, 'a>,
) {
    let base = path.names();
    let mut unmatched = Vec::new();
    for shadow in shadows {
        let below = shadow.names.as_deref().and_then(|names| names.strip_prefix(base.as_slice()));
        match below.and_then(|names| slot.leaf_at(names)) {
            Some(leaf) => leaf.past.push(Shadow { names: None, value: shadow.value }),
            None => unmatched.push(shadow),
        }
    }
    if unmatched.is_empty() {
        return;
    }
    let first = SlotView::Slot(slot).first_leaf();
    if let Some(leaf) = slot.leaf_at(&first) {
        leaf.past.extend(unmatched);
    }
}
