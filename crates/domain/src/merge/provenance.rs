//! Reads out of a merged tree where its values come from.

use std::collections::BTreeMap;

use super::Notes;
use super::filter::Barred;
use super::place::written;
use super::slot::{Shadow, Slot, Tree};
use super::view::View;
use crate::explain::{Blocked, Explanation, Leaf, NotApplicable, Origin, Shadowed, SourceElement, Unset};
use crate::inheritance::Strategy;
use crate::pointer;

/// All that can be told about a merge.
pub(crate) fn explain(root: Option<&Slot<'_>>, notes: &Notes<'_>) -> Explanation {
    let mut leaves = BTreeMap::new();
    if let Some(root) = root {
        collect(root, &mut String::new(), &mut leaves);
    }
    let mut unset: Vec<Unset> = notes
        .removed
        .iter()
        .map(|removed| Unset {
            pointer: removed.pointer.clone(),
            by: removed.by,
            from: origin(&removed.tree),
            value: removed.tree.to_value(),
        })
        .collect();
    unset.sort_by(|one, other| (one.by, &one.pointer).cmp(&(other.by, &other.pointer)));
    let mut not_applicable: Vec<NotApplicable> = notes
        .unfit
        .iter()
        .map(|unfit| NotApplicable {
            pointer: unfit.pointer.clone(),
            strategy: unfit.strategy.clone(),
            at: unfit.at,
        })
        .collect();
    not_applicable.sort_by(|one, other| (one.at, &one.pointer).cmp(&(other.at, &other.pointer)));
    Explanation { leaves, unset, blocked: blocked(&notes.barred), not_applicable }
}

/// What was barred, by node and pointer; what was not unset before what was not written.
pub(crate) fn blocked(barred: &[Barred<'_>]) -> Vec<Blocked> {
    let report = |barred: &Barred<'_>| Blocked {
        pointer: barred.pointer.clone(),
        at: barred.at,
        locked_by: barred.locked_by,
        value: barred.value.cloned(),
    };
    let mut blocked: Vec<Blocked> = barred.iter().map(report).collect();
    blocked.sort_by(|one, other| {
        (one.at, &one.pointer, one.value.is_some()).cmp(&(other.at, &other.pointer, other.value.is_some()))
    });
    blocked
}

fn collect(slot: &Slot<'_>, pointer: &mut String, leaves: &mut BTreeMap<String, Leaf>) {
    if slot.is_leaf() {
        let leaf = Leaf {
            from: origin(&slot.tree),
            strategy: slot.strategy.cloned().unwrap_or(Strategy::Deep),
            shadowed: shadowed(&slot.past, pointer),
        };
        leaves.insert(pointer.clone(), leaf);
        return;
    }
    let length = pointer.len();
    for (name, member) in View::Slot(slot).members() {
        pointer::push(pointer, name);
        match member {
            View::Slot(member) => collect(member, pointer, leaves),
            View::Value(value) => {
                let member = Slot { strategy: slot.strategy, ..Slot::whole(slot.tree.at(), value) };
                collect(&member, pointer, leaves);
            }
        }
        pointer.truncate(length);
    }
}

fn shadowed(past: &[Shadow<'_>], pointer: &str) -> Vec<Shadowed> {
    let mut past: Vec<(usize, Shadowed)> = past
        .iter()
        .map(|shadow| {
            let stood = shadow.stood.as_deref().map(written).filter(|stood| stood != pointer);
            let shadowed =
                Shadowed { from: origin(&shadow.tree), value: shadow.tree.to_value(), pointer: stood };
            (shadow.tree.at(), shadowed)
        })
        .collect();
    let place = |shadowed: &Shadowed| shadowed.pointer.clone().unwrap_or_else(|| pointer.to_owned());
    past.sort_by_cached_key(|(at, shadowed)| (*at, place(shadowed)));
    past.into_iter().map(|(_, shadowed)| shadowed).collect()
}

fn origin(tree: &Tree<'_>) -> Origin {
    let Tree::List { elements, .. } = tree else { return Origin::Node(tree.at()) };
    let sources = |element: &super::Element<'_>| {
        element.sources.iter().map(|source| SourceElement { at: source.at, index: source.index }).collect()
    };
    Origin::Elements(elements.iter().map(sources).collect())
}
