//! Merging one value over another: rules 1 and 2, and the strategies that take precedence over them.

use std::cmp::Ordering;
use std::mem;

use serde_json::{Number, Value};

use super::lists::merge_arrays;
use super::notes::NotApplicableNote;
use super::past::{attach_shadows, detach_past, into_shadows, replace_leaf, replace_slot};
use super::path::MemberPath;
use super::patterns::{Locks, PatternCursor};
use super::removal::retain_locked;
use super::slot::{MergeSlot, Shadow, SlotValue};
use crate::inheritance::{Inheritance, Strategy};

/// Merges the document of one node over the inherited one.
pub(crate) struct NodeJoin<'s, 'a> {
    pub(crate) at: usize,
    /// The rules of each node of the chain.
    pub(crate) declared: &'s [Option<&'a Inheritance>],
    /// The locks of the node's ancestors, at the root.
    pub(crate) locks: &'s Locks<'a>,
    /// Receives the strategies that did not fit.
    pub(crate) not_applicable: &'s mut Vec<NotApplicableNote<'a>>,
}

impl<'a> NodeJoin<'_, 'a> {
    /// Merges `own` over `slot`, which is at `path`, by rules 1 and 2, and by the strategies declared for
    /// members below.
    pub(crate) fn join_by_rules(
        &mut self,
        slot: &mut MergeSlot<'a>,
        own: MergeSlot<'a>,
        strategies: &PatternCursor<'a>,
        path: &MemberPath<'_, 'a>,
    ) {
        if slot.is_object() && own.is_object() {
            self.join_members(slot, own, strategies, path);
        } else {
            replace_slot(slot, own, path);
        }
    }

    fn join_members(
        &mut self,
        slot: &mut MergeSlot<'a>,
        own: MergeSlot<'a>,
        strategies: &PatternCursor<'a>,
        path: &MemberPath<'_, 'a>,
    ) {
        if own.is_empty_object() {
            return;
        }
        // Once an empty object gets members it is no longer a leaf: its past moves to one of them.
        let past = mem::take(&mut slot.past);
        if let Some(members) = slot.members_mut() {
            let (mut from, mut added) = (0, Vec::new());
            own.for_each_member(|name, value| match members.seek(&mut from, name) {
                Some(slot) => self.join_value(slot, value, &strategies.step(name), &path.member(name)),
                None => added.push((name, value)),
            });
            members.extend(added);
        }
        if !past.is_empty() {
            attach_shadows(detach_past(past, &path.names()), slot, path);
        }
    }

    fn join_value(
        &mut self,
        slot: &mut MergeSlot<'a>,
        own: MergeSlot<'a>,
        strategies: &PatternCursor<'a>,
        path: &MemberPath<'_, 'a>,
    ) {
        let Some(strategy) = self.strategy(strategies) else {
            return self.join_by_rules(slot, own, strategies, path);
        };
        match strategy {
            Strategy::Deep if slot.is_object() && own.is_object() => {
                return self.join_by_rules(slot, own, strategies, path);
            }
            Strategy::Replace => return self.replace(slot, own, strategy, path),
            Strategy::Min | Strategy::Max => {
                if let Some(winner) = winner(strategy, slot, &own) {
                    return keep_winner(&winner, slot, own, strategy);
                }
            }
            // Deep fits two objects only.
            Strategy::Deep => {}
            Strategy::Append | Strategy::Prepend | Strategy::Union | Strategy::ByKey(_) => {
                if let Some(elements) = merge_arrays(strategy, slot, &own) {
                    slot.value = SlotValue::List { at: self.at, elements };
                    slot.strategy = Some(strategy);
                    return;
                }
            }
        }
        self.not_applicable.push(NotApplicableNote { pointer: path.pointer(), strategy, at: self.at });
        self.join_by_rules(slot, own, strategies, path);
    }

    /// Returns the strategy that applies: that of the nearest node that declares one, and of its patterns the
    /// most specific.
    fn strategy(&self, strategies: &PatternCursor<'a>) -> Option<&'a Strategy> {
        let nearest = strategies
            .matches()
            .max_by(|(at, index), (other_at, other_index)| at.cmp(other_at).then(other_index.cmp(index)));
        let (at, index) = nearest?;
        let declared = self.declared.get(at).copied().flatten()?;
        declared.strategies().get(index).map(|(_, strategy)| strategy)
    }

    fn replace(
        &mut self,
        slot: &mut MergeSlot<'a>,
        mut own: MergeSlot<'a>,
        strategy: &'a Strategy,
        path: &MemberPath<'_, 'a>,
    ) {
        own.set_strategy(strategy);
        if slot.is_leaf() {
            return replace_slot(slot, own, path);
        }
        let locks = path.names().iter().fold(self.locks.clone(), |locks, name| locks.step(name));
        let mut lost = Vec::new();
        let old = mem::replace(slot, own);
        let kept = retain_locked(old, &locks, path, &mut lost);
        // The shadows go to the new value. Only if it has no leaf that could take them do they go to the
        // locked values.
        let shadows = into_shadows(lost);
        match kept {
            Some(kept) if slot.is_empty_object() => {
                *slot = kept;
                attach_shadows(shadows, slot, path);
            }
            Some(kept) => {
                attach_shadows(shadows, slot, path);
                self.join_members(slot, kept, &PatternCursor::default(), path);
            }
            None => attach_shadows(shadows, slot, path),
        }
    }
}

enum Winner {
    Inherited,
    Own,
}

/// Returns which of two numbers the strategy keeps; `None` if one of the values is not a number.
fn winner(strategy: &Strategy, inherited: &MergeSlot<'_>, own: &MergeSlot<'_>) -> Option<Winner> {
    let order = compare_numbers(number_of(inherited)?, number_of(own)?);
    let wanted = if *strategy == Strategy::Min { Ordering::Greater } else { Ordering::Less };
    Some(if order == wanted { Winner::Own } else { Winner::Inherited })
}

fn keep_winner<'a>(winner: &Winner, slot: &mut MergeSlot<'a>, own: MergeSlot<'a>, strategy: &'a Strategy) {
    match winner {
        Winner::Own => replace_leaf(slot, own),
        Winner::Inherited => slot.past.push(Shadow { names: None, value: own.value }),
    }
    slot.strategy = Some(strategy);
}

fn number_of<'a>(slot: &MergeSlot<'a>) -> Option<&'a Number> {
    match slot.value {
        SlotValue::Whole { value: Value::Number(number), .. } => Some(number),
        _ => None,
    }
}

fn compare_numbers(one: &Number, other: &Number) -> Ordering {
    if let (Some(one), Some(other)) = (one.as_i128(), other.as_i128()) {
        return one.cmp(&other);
    }
    // One of them is not a 64-bit integer. As f64 they are ordered correctly, except for integers that round
    // to 2^64, which compare as equal to it.
    one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal)
}
