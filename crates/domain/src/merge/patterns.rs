//! The patterns of a chain, walked together with a document.

use std::collections::BTreeMap;

use super::view::View;
use crate::pointer::{Pattern, Segment};

/// Patterns by their segments, so that a walk looks at none that cannot match where it stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct PatternTree {
    members: BTreeMap<String, PatternTree>,
    any: Option<Box<PatternTree>>,
    end: Option<usize>,
}

impl PatternTree {
    /// The tree of patterns that are told apart by their index.
    pub(crate) fn new<'p>(patterns: impl IntoIterator<Item = &'p Pattern>) -> Self {
        let mut root = Self::default();
        for (index, pattern) in patterns.into_iter().enumerate() {
            let mut branch = &mut root;
            for segment in pattern.segments() {
                branch = match segment {
                    Segment::Any => branch.any.get_or_insert_default(),
                    Segment::Member(name) => branch.members.entry(name.clone()).or_default(),
                };
            }
            branch.end = Some(index);
        }
        root
    }

    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.any.is_none()
    }
}

/// What is left of the patterns of several nodes at one place of a document.
#[derive(Clone, Default)]
pub(crate) struct Cursor<'a> {
    live: Vec<(usize, &'a PatternTree)>,
}

impl<'a> Cursor<'a> {
    /// The whole patterns of these nodes, at the root of a document.
    pub(crate) fn new(trees: impl Iterator<Item = (usize, &'a PatternTree)>) -> Self {
        Self { live: trees.filter(|(_, tree)| !tree.is_empty()).collect() }
    }

    pub(crate) fn step(&self, name: &str) -> Self {
        let mut live = Vec::new();
        for (at, tree) in &self.live {
            live.extend(tree.members.get(name).map(|below| (*at, below)));
            live.extend(tree.any.as_deref().map(|below| (*at, below)));
        }
        Self { live }
    }

    /// The patterns that match this place: the node that declares it, and its index there.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (usize, usize)> {
        self.live.iter().filter_map(|(at, tree)| Some((*at, tree.end?)))
    }

    pub(crate) fn is_hit(&self) -> bool {
        self.ends().next().is_some()
    }

    /// Whether no pattern can match here or below.
    pub(crate) fn is_spent(&self) -> bool {
        self.live.is_empty()
    }
}

/// What the locks of ancestors mean at one place of a document.
#[derive(Clone, Default)]
pub(crate) struct Locks<'a> {
    cursor: Cursor<'a>,
    held: Option<usize>,
}

impl<'a> Locks<'a> {
    pub(crate) fn new(trees: impl Iterator<Item = (usize, &'a PatternTree)>) -> Self {
        Self { cursor: Cursor::new(trees), held: None }
    }

    pub(crate) fn step(&self, name: &str) -> Self {
        let cursor = self.cursor.step(name);
        let held = smaller(self.held, cursor.ends().map(|(at, _)| at).min());
        Self { cursor, held }
    }

    /// The topmost node whose lock stands here or above.
    pub(crate) fn held(&self) -> Option<usize> {
        self.held
    }

    /// Whether no lock concerns this place or anything below it.
    pub(crate) fn is_free(&self) -> bool {
        self.held.is_none() && self.cursor.is_spent()
    }

    /// The topmost node with a lock on something that is present below `view`.
    pub(crate) fn held_below(&self, view: View<'_, 'a>) -> Option<usize> {
        if self.cursor.is_spent() {
            return None;
        }
        let below = view.members().into_iter().filter_map(|(name, member)| {
            let locks = self.step(name);
            smaller(locks.held, locks.held_below(member))
        });
        below.min()
    }

    /// The topmost node that keeps a value from standing here in place of `view`.
    pub(crate) fn held_at_or_below(&self, view: View<'_, 'a>) -> Option<usize> {
        smaller(self.held, self.held_below(view))
    }
}

fn smaller(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    one.into_iter().chain(other).min()
}
