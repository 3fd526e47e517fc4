//! Builds the explanation of a merge from its slots and notes.

use std::collections::BTreeMap;

use super::element::Element;
use super::notes::{BlockedNote, Notes};
use super::path::pointer_of;
use super::slot::{MergeSlot, Shadow, SlotValue};
use super::view::SlotView;
use crate::explain::{Blocked, Explanation, Leaf, NotApplicable, Origin, Shadowed, SourceElement, Unset};
use crate::inheritance::Strategy;
use crate::pointer;

/// Returns the explanation of a merge.
pub(crate) fn explain(root: Option<&MergeSlot<'_>>, notes: &Notes<'_>) -> Explanation {
    let mut leaves = BTreeMap::new();
    if let Some(root) = root {
        collect_leaves(root, &mut String::new(), &mut leaves);
    }
    let mut unset: Vec<Unset> = notes
        .unset
        .iter()
        .map(|note| Unset {
            pointer: note.pointer.clone(),
            by: note.by,
            from: origin(&note.value),
            value: note.value.to_json(),
        })
        .collect();
    unset.sort_by(|one, other| (one.by, &one.pointer).cmp(&(other.by, &other.pointer)));
    let mut not_applicable: Vec<NotApplicable> = notes
        .not_applicable
        .iter()
        .map(|note| NotApplicable {
            pointer: note.pointer.clone(),
            strategy: note.strategy.clone(),
            at: note.at,
        })
        .collect();
    not_applicable.sort_by(|one, other| (one.at, &one.pointer).cmp(&(other.at, &other.pointer)));
    Explanation { leaves, unset, blocked: blocked(&notes.blocked), not_applicable }
}

/// Returns the values that locks kept out and the refused `unset`s, sorted by node, then by pointer; at the
/// same pointer, a refused `unset` comes before a refused value.
pub(crate) fn blocked(notes: &[BlockedNote<'_>]) -> Vec<Blocked> {
    let report = |note: &BlockedNote<'_>| Blocked {
        pointer: note.pointer.clone(),
        at: note.at,
        locked_by: note.locked_by,
        value: note.value.cloned(),
    };
    let mut blocked: Vec<Blocked> = notes.iter().map(report).collect();
    blocked.sort_by(|one, other| {
        (one.at, &one.pointer, one.value.is_some()).cmp(&(other.at, &other.pointer, other.value.is_some()))
    });
    blocked
}

fn collect_leaves(slot: &MergeSlot<'_>, pointer: &mut String, leaves: &mut BTreeMap<String, Leaf>) {
    if slot.is_leaf() {
        let leaf = Leaf {
            from: origin(&slot.value),
            strategy: slot.strategy.cloned().unwrap_or(Strategy::Deep),
            shadowed: shadowed(&slot.past, pointer),
        };
        leaves.insert(pointer.clone(), leaf);
        return;
    }
    let length = pointer.len();
    for (name, member) in SlotView::Slot(slot).members() {
        pointer::push(pointer, name);
        match member {
            SlotView::Slot(member) => collect_leaves(member, pointer, leaves),
            SlotView::Value(value) => {
                let member =
                    MergeSlot { strategy: slot.strategy, ..MergeSlot::whole(slot.value.at(), value) };
                collect_leaves(&member, pointer, leaves);
            }
        }
        pointer.truncate(length);
    }
}

fn shadowed(past: &[Shadow<'_>], leaf_pointer: &str) -> Vec<Shadowed> {
    let mut past: Vec<(usize, Shadowed)> = past
        .iter()
        .map(|shadow| {
            let pointer = shadow.names.as_deref().map(pointer_of).filter(|pointer| pointer != leaf_pointer);
            let shadowed = Shadowed { from: origin(&shadow.value), value: shadow.value.to_json(), pointer };
            (shadow.value.at(), shadowed)
        })
        .collect();
    past.sort_by_cached_key(|(at, shadowed)| {
        (*at, shadowed.pointer.clone().unwrap_or_else(|| leaf_pointer.to_owned()))
    });
    past.into_iter().map(|(_, shadowed)| shadowed).collect()
}

fn origin(value: &SlotValue<'_>) -> Origin {
    let SlotValue::List { elements, .. } = value else { return Origin::Node(value.at()) };
    let sources = |element: &Element<'_>| {
        element.sources.iter().map(|source| SourceElement { at: source.at, index: source.index }).collect()
    };
    Origin::Elements(elements.iter().map(sources).collect())
}
