//! The merge law: how the documents of a chain become one, and how the result is explained.
//!
//! # The law
//! A chain is folded from the global node down. For each node:
//!
//! 1. Values of its document that its ancestors have locked are removed, and noted as blocked unless they
//!    equal what is inherited.
//! 2. What it inherits is reduced: with `inherit: false` to what is locked, and then by its `unset`, which
//!    does not remove locked values.
//! 3. Its document is merged over the rest. Objects are merged member by member (rule 1); any other value of
//!    the document replaces the inherited one (rule 2). A declared [`Strategy`](crate::inheritance::Strategy)
//!    takes precedence over both rules where both sides have the member and their types fit.
//!
//! Locks apply to all descendants of the node that declares them, whatever these declare. The whole law with
//! its reasons is decision record 3, and `tests/merge` holds this implementation to a second, simpler one.
//!
//! # Data structures
//! The merged document is a tree of slots that borrow from the documents. An object that one node wrote stays
//! a reference to it until another node's document reaches inside it; nothing is copied until the result is
//! serialized. Each slot carries its provenance: the node, the strategy, and for a leaf the values that it
//! replaced. A merge records them whether or not it is explained: [`Merged::explain`] only formats what was
//! recorded. The patterns of `unset`, `strategies` and `locked` are trees that are walked together with
//! the document, so that a pattern costs nothing where it cannot match.
//!
//! # Cost
//! Time and memory are proportional to the documents of the chain, times the number of patterns that can
//! match at the same member; both have limits, see [`crate::limits`]. The two sides of an object are sorted,
//! so merging them is one pass. A merge cannot fail: documents and rules are checked when they are written.

mod element;
mod filter;
mod join;
mod link;
mod lists;
mod members;
mod notes;
mod past;
mod path;
mod patterns;
mod provenance;
mod rebuild;
mod removal;
mod slot;
mod view;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use self::filter::LockFilter;
use self::join::NodeJoin;
use self::notes::Notes;
use self::path::MemberPath;
use self::patterns::{Locks, PatternCursor};
use self::removal::{UnsetWalk, retain_locked};
use self::slot::MergeSlot;
use self::view::SlotView;
use crate::explain::{Blocked, Explanation};
use crate::inheritance::Inheritance;
use crate::pointer::push;

pub use self::link::Link;
pub use self::rebuild::RebuildError;

/// Merges a chain, global first.
pub fn merge<'a>(links: &[Link<'a>]) -> Merged<'a> {
    fold(links).finish()
}

/// Returns the values of a document that the locks of its ancestors (global first) keep out of the result.
/// Values that equal what is inherited are not included.
pub fn blocked<'a>(ancestors: &[Link<'a>], data: &'a Map<String, Value>) -> Vec<Blocked> {
    fold(ancestors).blocked(data)
}

/// Returns the blocked values of `new` that a write adds or changes: those that are not blocked at the same
/// pointer, with an equal value, in `old` too. If an object is blocked in both, its members are compared one
/// by one.
pub fn newly_blocked<'a>(
    ancestors: &[Link<'a>],
    old: Option<&'a Map<String, Value>>,
    new: &'a Map<String, Value>,
) -> Vec<Blocked> {
    let fold = fold(ancestors);
    let found = fold.blocked(new);
    if found.is_empty() {
        return found;
    }
    let stored = old.map(|old| fold.blocked(old)).unwrap_or_default();
    let stored: BTreeMap<_, _> =
        stored.iter().map(|old| (old.pointer.as_str(), old.value.as_ref())).collect();
    let mut added = Vec::new();
    for blocked in found {
        let old = stored.get(blocked.pointer.as_str()).copied().flatten();
        add_changed(blocked, old, &mut added);
    }
    added
}

/// Adds `blocked` if its value differs from `old`; of two objects, only the members that differ.
fn add_changed(blocked: Blocked, old: Option<&Value>, added: &mut Vec<Blocked>) {
    match (&blocked.value, old) {
        (Some(Value::Object(members)), Some(Value::Object(old))) => {
            for (name, value) in members {
                let mut pointer = blocked.pointer.clone();
                push(&mut pointer, name);
                let member = Blocked { pointer, value: Some(value.clone()), ..blocked };
                add_changed(member, old.get(name), added);
            }
        }
        (value, old) if value.as_ref() == old => {}
        _ => added.push(blocked),
    }
}

/// A merge in progress: the document and the rules of the nodes merged so far.
#[derive(Default)]
pub struct Fold<'a> {
    root: Option<MergeSlot<'a>>,
    declared: Vec<Option<&'a Inheritance>>,
    /// The first node whose strategies apply: the last one with `inherit: false`.
    first: usize,
    notes: Notes<'a>,
}

impl<'a> Fold<'a> {
    /// Returns a merge of no nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Merges the next node over those so far.
    pub fn push(&mut self, link: Link<'a>) {
        let at = self.declared.len();
        let locks = self.locks();
        let inherited = self.root.as_ref().map(SlotView::Slot);
        let mut filter = LockFilter { at, blocked: &mut self.notes.blocked };
        let own = filter.filter(link.data, inherited, &locks);
        let root = self.root.take();
        self.declared.push(link.inheritance);
        let root = match link.inheritance {
            Some(rules) => self.inherited(root, rules, &locks),
            None => root,
        };
        let Some(mut root) = root else {
            self.root = Some(own);
            return;
        };
        let strategies = self.strategies();
        let not_applicable = &mut self.notes.not_applicable;
        let mut join = NodeJoin { at, declared: &self.declared, locks: &locks, not_applicable };
        join.join_by_rules(&mut root, own, &strategies, &MemberPath::Root);
        self.root = Some(root);
    }

    /// Returns the result.
    pub fn finish(self) -> Merged<'a> {
        Merged { root: self.root, notes: self.notes }
    }

    /// Returns the values of `data`, the next node's document, that the locks of the nodes so far would keep
    /// out.
    pub fn blocked(&self, data: &'a Map<String, Value>) -> Vec<Blocked> {
        let mut blocked = Vec::new();
        let inherited = self.root.as_ref().map(SlotView::Slot);
        LockFilter { at: self.declared.len(), blocked: &mut blocked }.filter(data, inherited, &self.locks());
        provenance::blocked(&blocked)
    }

    /// Returns the document that the newest node inherits, reduced by the node's own rules.
    fn inherited(
        &mut self,
        root: Option<MergeSlot<'a>>,
        rules: &'a Inheritance,
        locks: &Locks<'a>,
    ) -> Option<MergeSlot<'a>> {
        let by = self.declared.len().saturating_sub(1);
        let mut root = root?;
        if !rules.inherit() {
            self.first = by;
            root = retain_locked(root, locks, &MemberPath::Root, &mut Vec::new())?;
        }
        let patterns = PatternCursor::new(std::iter::once((by, rules.unset_tree())));
        let mut walk = UnsetWalk { by, unset: &mut self.notes.unset, blocked: &mut self.notes.blocked };
        walk.apply(root, &patterns, locks, &MemberPath::Root)
    }

    fn locks(&self) -> Locks<'a> {
        Locks::new(self.rules().map(|(at, rules)| (at, rules.locked_tree())))
    }

    fn strategies(&self) -> PatternCursor<'a> {
        PatternCursor::new(
            self.rules()
                .skip_while(|(at, _)| *at < self.first)
                .map(|(at, rules)| (at, rules.strategy_tree())),
        )
    }

    fn rules(&self) -> impl Iterator<Item = (usize, &'a Inheritance)> {
        self.declared.iter().enumerate().filter_map(|(at, rules)| Some((at, (*rules)?)))
    }
}

/// The result of merging a chain. It borrows from the documents and is serialized without copying them.
pub struct Merged<'a> {
    root: Option<MergeSlot<'a>>,
    notes: Notes<'a>,
}

impl Merged<'_> {
    /// Returns the resolved document.
    pub fn to_value(&self) -> Value {
        self.root.as_ref().map_or_else(|| Value::Object(Map::new()), |root| root.value.to_json())
    }

    /// Returns where each value comes from, and what became of the values that are not in the result.
    pub fn explain(&self) -> Explanation {
        provenance::explain(self.root.as_ref(), &self.notes)
    }
}

impl Serialize for Merged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.root {
            Some(root) => root.value.serialize(serializer),
            None => Map::new().serialize(serializer),
        }
    }
}

fn fold<'a>(links: &[Link<'a>]) -> Fold<'a> {
    let mut fold = Fold::new();
    for link in links {
        fold.push(*link);
    }
    fold
}
