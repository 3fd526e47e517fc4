//! The merge law: how the documents of a chain become one, and what can be told about how they did.
//!
//! A [`Fold`] takes the nodes one by one, global first. For each it takes out of the node's document what ancestors
//! have locked, takes away from what is inherited what the node unsets (or, where it starts afresh, all that is not
//! locked), and merges the one over the other. There is one implementation, explained or not: explaining only reads
//! out what the merge has kept.

mod clear;
mod filter;
mod join;
mod lists;
mod members;
mod past;
pub(crate) mod patterns;
mod place;
mod provenance;
mod slot;
mod view;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use self::clear::{Removed, Unset, split};
use self::filter::{Barred, Filter};
use self::join::{Join, Unfit};
use self::patterns::{Cursor, Locks};
use self::place::Place;
use self::slot::Slot;
use self::view::View;
use crate::explain::{Blocked, Explanation};
use crate::inheritance::Inheritance;
use crate::pointer::push;

pub(crate) use self::slot::{Element, Source};

/// One node of a chain, as far as merging goes.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// The node's own document.
    pub data: &'a Map<String, Value>,
    /// The node's rules.
    pub inheritance: Option<&'a Inheritance>,
}

/// Merges a chain, global first.
pub fn merge<'a>(links: &[Link<'a>]) -> Merged<'a> {
    fold(links).finish()
}

/// The values of a document that the locks of its ancestors (global first) keep out of the result, by pointer.
/// Values equal to what is inherited are not among them.
pub fn blocked<'a>(ancestors: &[Link<'a>], data: &'a Map<String, Value>) -> Vec<Blocked> {
    fold(ancestors).blocked(data)
}

/// Of the values that are blocked in `new` those that a write adds or changes: what is not, equal and at the same
/// pointer, blocked in `old` too. Where an object is blocked in both, that is told member by member.
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

/// Adds `blocked`, or of an object whose like was blocked before the members that are new or another.
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

/// A merge under way: what the nodes so far make together, and what they declare for those below.
#[derive(Default)]
pub struct Fold<'a> {
    root: Option<Slot<'a>>,
    declared: Vec<Option<&'a Inheritance>>,
    /// The first node whose strategies apply: the last one that started afresh.
    first: usize,
    notes: Notes<'a>,
}

/// What happened that the merged document does not show.
#[derive(Default)]
pub(crate) struct Notes<'a> {
    removed: Vec<Removed<'a>>,
    barred: Vec<Barred<'a>>,
    unfit: Vec<Unfit<'a>>,
}

impl<'a> Fold<'a> {
    /// A merge of no nodes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Merges the next node over those so far.
    pub fn push(&mut self, link: Link<'a>) {
        let at = self.declared.len();
        let locks = self.locks();
        let inherited = self.root.as_ref().map(View::Slot);
        let own = Filter { at, barred: &mut self.notes.barred }.document(link.data, inherited, &locks);
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
        let mut join = Join { at, declared: &self.declared, locks: &locks, unfit: &mut self.notes.unfit };
        join.rules(&mut root, own, &strategies, &Place::Root);
        self.root = Some(root);
    }

    /// The result.
    pub fn finish(self) -> Merged<'a> {
        Merged { root: self.root, notes: self.notes }
    }

    /// What the locks so far keep out of a document of the next node.
    pub fn blocked(&self, data: &'a Map<String, Value>) -> Vec<Blocked> {
        let mut barred = Vec::new();
        let inherited = self.root.as_ref().map(View::Slot);
        Filter { at: self.declared.len(), barred: &mut barred }.document(data, inherited, &self.locks());
        provenance::blocked(&barred)
    }

    /// What the newest node takes over, by its own rules.
    fn inherited(
        &mut self,
        root: Option<Slot<'a>>,
        rules: &'a Inheritance,
        locks: &Locks<'a>,
    ) -> Option<Slot<'a>> {
        let by = self.declared.len().saturating_sub(1);
        let mut root = root?;
        if !rules.inherit() {
            self.first = by;
            root = split(root, locks, &Place::Root, &mut Vec::new())?;
        }
        let unset = Cursor::new(std::iter::once((by, rules.unset_tree())));
        let mut unsetting = Unset { by, removed: &mut self.notes.removed, barred: &mut self.notes.barred };
        unsetting.apply(root, &unset, locks, &Place::Root)
    }

    fn locks(&self) -> Locks<'a> {
        Locks::new(self.rules().map(|(at, rules)| (at, rules.locked_tree())))
    }

    fn strategies(&self) -> Cursor<'a> {
        Cursor::new(
            self.rules()
                .skip_while(|(at, _)| *at < self.first)
                .map(|(at, rules)| (at, rules.strategy_tree())),
        )
    }

    fn rules(&self) -> impl Iterator<Item = (usize, &'a Inheritance)> {
        self.declared.iter().enumerate().filter_map(|(at, rules)| Some((at, (*rules)?)))
    }
}

/// What a chain resolves to. It borrows from the documents, and can be serialized without being copied first.
pub struct Merged<'a> {
    root: Option<Slot<'a>>,
    notes: Notes<'a>,
}

impl Merged<'_> {
    /// The resolved document.
    pub fn to_value(&self) -> Value {
        self.root.as_ref().map_or_else(|| Value::Object(Map::new()), |root| root.tree.to_value())
    }

    /// Where every value of it comes from, and what became of the others.
    pub fn explain(&self) -> Explanation {
        provenance::explain(self.root.as_ref(), &self.notes)
    }
}

impl Serialize for Merged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.root {
            Some(root) => root.tree.serialize(serializer),
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
