//! Where the values go that a newer value replaced: into the past of the leaf that now stands for them.

use std::mem;

use super::clear::{Lost, split};
use super::patterns::Locks;
use super::place::Place;
use super::slot::{Shadow, Slot};
use super::view::View;

/// Puts the leaf `own` where the leaf `slot` stands, which becomes part of its past.
pub(crate) fn supersede<'a>(slot: &mut Slot<'a>, own: Slot<'a>) {
    let old = mem::replace(slot, own);
    // Most values are replaced once or twice: a vector's first growth would take four times the room.
    slot.past.reserve_exact(old.past.len() + 1);
    slot.past.extend(old.past);
    slot.past.push(Shadow { stood: None, tree: old.tree });
}

/// Puts `own` where `slot` stands, at `place`, which becomes part of the past of its leaves.
pub(crate) fn bury<'a>(slot: &mut Slot<'a>, own: Slot<'a>, place: &Place<'_, 'a>) {
    if slot.is_leaf() && own.is_leaf() {
        return supersede(slot, own);
    }
    let mut lost = Vec::new();
    split(mem::replace(slot, own), &Locks::default(), place, &mut lost);
    settle(shadows(lost), slot, place);
}

/// Every value that leaves which are gone stand for: their own, and those in their pasts.
pub(crate) fn shadows(lost: Vec<Lost<'_>>) -> Vec<Shadow<'_>> {
    let mut shadows = Vec::new();
    for Lost { stood, slot } in lost {
        shadows.extend(moved(slot.past, &stood));
        shadows.push(Shadow { stood: Some(stood), tree: slot.tree });
    }
    shadows
}

/// The past of a leaf that stood at `names`, for use elsewhere.
pub(crate) fn moved<'a>(past: Vec<Shadow<'a>>, names: &[&'a str]) -> Vec<Shadow<'a>> {
    let elsewhere = |shadow: Shadow<'a>| Shadow {
        stood: Some(shadow.stood.unwrap_or_else(|| names.to_vec())),
        tree: shadow.tree,
    };
    past.into_iter().map(elsewhere).collect()
}

/// Gives each shadow to the leaf at the same pointer, else to the first leaf of `slot`, which stands at `place`.
pub(crate) fn settle<'a>(shadows: Vec<Shadow<'a>>, slot: &mut Slot<'a>, place: &Place<'_, 'a>) {
    let base = place.names();
    let mut homeless = Vec::new();
    for shadow in shadows {
        let within = shadow.stood.as_deref().and_then(|stood| stood.strip_prefix(base.as_slice()));
        match within.and_then(|names| slot.leaf_at(names)) {
            Some(leaf) => leaf.past.push(Shadow { stood: None, tree: shadow.tree }),
            None => homeless.push(shadow),
        }
    }
    if homeless.is_empty() {
        return;
    }
    let first = View::Slot(slot).first_leaf();
    if let Some(leaf) = slot.leaf_at(&first) {
        leaf.past.extend(homeless);
    }
}
