//! Two values that stand at the same place become one: rules 1 and 2, and the strategies that come before them.

use std::cmp::Ordering;
use std::mem;

use serde_json::{Number, Value};

use super::clear::split;
use super::lists;
use super::past::{bury, moved, settle, shadows, supersede};
use super::patterns::{Cursor, Locks};
use super::place::Place;
use super::slot::{Shadow, Slot, Tree};
use crate::inheritance::{Inheritance, Strategy};

/// A declared strategy that did not fit the values it was declared for.
pub(crate) struct Unfit<'a> {
    pub(crate) pointer: String,
    pub(crate) strategy: &'a Strategy,
    pub(crate) at: usize,
}

/// Merges the document of one node over what it inherits.
pub(crate) struct Join<'s, 'a> {
    pub(crate) at: usize,
    /// What each node of the chain declares.
    pub(crate) declared: &'s [Option<&'a Inheritance>],
    /// The locks of the node's ancestors, at the root.
    pub(crate) locks: &'s Locks<'a>,
    pub(crate) unfit: &'s mut Vec<Unfit<'a>>,
}

/// Merges without strategies and locks, and leaves the result in `slot`.
pub(crate) fn by_rules<'a>(slot: &mut Slot<'a>, own: Slot<'a>) {
    let mut unfit = Vec::new();
    let mut join = Join { at: 0, declared: &[], locks: &Locks::default(), unfit: &mut unfit };
    join.rules(slot, own, &Cursor::default(), &Place::Root);
}

impl<'a> Join<'_, 'a> {
    /// Merges `own` over `slot` by rules 1 and 2, and by the strategies that are declared further down.
    pub(crate) fn rules(
        &mut self,
        slot: &mut Slot<'a>,
        own: Slot<'a>,
        strategies: &Cursor<'a>,
        place: &Place<'_, 'a>,
    ) {
        if slot.is_object() && own.is_object() {
            self.members(slot, own, strategies, place);
        } else {
            bury(slot, own, place);
        }
    }

    fn members(
        &mut self,
        slot: &mut Slot<'a>,
        own: Slot<'a>,
        strategies: &Cursor<'a>,
        place: &Place<'_, 'a>,
    ) {
        if own.is_empty_object() {
            return;
        }
        // An empty object that gets members is a leaf no more: what it stood for goes to one of them.
        let past = mem::take(&mut slot.past);
        if let Some(members) = slot.members_mut() {
            let (mut from, mut added) = (0, Vec::new());
            own.for_each_member(|name, value| match members.seek(&mut from, name) {
                Some(slot) => self.value(slot, value, &strategies.step(name), &place.member(name)),
                None => added.push((name, value)),
            });
            members.extend(added);
        }
        if !past.is_empty() {
            settle(moved(past, &place.names()), slot, place);
        }
    }

    fn value(&mut self, slot: &mut Slot<'a>, own: Slot<'a>, strategies: &Cursor<'a>, place: &Place<'_, 'a>) {
        let Some(strategy) = self.strategy(strategies) else {
            return self.rules(slot, own, strategies, place);
        };
        match strategy {
            Strategy::Deep if slot.is_object() && own.is_object() => {
                return self.rules(slot, own, strategies, place);
            }
            Strategy::Replace => return self.replace(slot, own, strategy, place),
            Strategy::Min | Strategy::Max => {
                if let Some(winner) = winner(strategy, slot, &own) {
                    return choose(&winner, slot, own, strategy);
                }
            }
            _ => {
                if let Some(elements) = lists::combine(strategy, slot, &own) {
                    slot.tree = Tree::List { at: self.at, elements };
                    slot.strategy = Some(strategy);
                    return;
                }
            }
        }
        self.unfit.push(Unfit { pointer: place.pointer(), strategy, at: self.at });
        self.rules(slot, own, strategies, place);
    }

    /// The strategy for a place: of the nearest node that declares one, and of its patterns the most exact.
    fn strategy(&self, strategies: &Cursor<'a>) -> Option<&'a Strategy> {
        let nearest = strategies
            .ends()
            .max_by(|(at, index), (other_at, other_index)| at.cmp(other_at).then(other_index.cmp(index)));
        let (at, index) = nearest?;
        let declared = self.declared.get(at).copied().flatten()?;
        declared.strategies().get(index).map(|(_, strategy)| strategy)
    }

    fn replace(
        &mut self,
        slot: &mut Slot<'a>,
        mut own: Slot<'a>,
        strategy: &'a Strategy,
        place: &Place<'_, 'a>,
    ) {
        own.mark(strategy);
        if slot.is_leaf() {
            return bury(slot, own, place);
        }
        let locks = place.names().iter().fold(self.locks.clone(), |locks, name| locks.step(name));
        let mut lost = Vec::new();
        let old = mem::replace(slot, own);
        let kept = split(old, &locks, place, &mut lost);
        // Shadows belong to what replaces, and to what was locked only where nothing else is left to carry them.
        let lost = shadows(lost);
        match kept {
            Some(kept) if slot.is_empty_object() => {
                *slot = kept;
                settle(lost, slot, place);
            }
            Some(kept) => {
                settle(lost, slot, place);
                self.members(slot, kept, &Cursor::default(), place);
            }
            None => settle(lost, slot, place),
        }
    }
}

enum Winner {
    Inherited,
    Own,
}

/// Which of two numbers stays; none where one of the two is no number.
fn winner(strategy: &Strategy, inherited: &Slot<'_>, own: &Slot<'_>) -> Option<Winner> {
    let order = compare(number(inherited)?, number(own)?);
    let wanted = if *strategy == Strategy::Min { Ordering::Greater } else { Ordering::Less };
    Some(if order == wanted { Winner::Own } else { Winner::Inherited })
}

fn choose<'a>(winner: &Winner, slot: &mut Slot<'a>, own: Slot<'a>, strategy: &'a Strategy) {
    match winner {
        Winner::Own => supersede(slot, own),
        Winner::Inherited => slot.past.push(Shadow { stood: None, tree: own.tree }),
    }
    slot.strategy = Some(strategy);
}

fn number<'a>(slot: &Slot<'a>) -> Option<&'a Number> {
    match slot.tree {
        Tree::Whole { value: Value::Number(number), .. } => Some(number),
        _ => None,
    }
}

fn compare(one: &Number, other: &Number) -> Ordering {
    if let (Some(one), Some(other)) = (one.as_i128(), other.as_i128()) {
        return one.cmp(&other);
    }
    // One is no integer of 64 bits, so that its distance to the other is more than a rounding.
    one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal)
}
