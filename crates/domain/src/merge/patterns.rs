//! The patterns of a chain's nodes, walked together with a document.

use super::view::SlotView;
use crate::pattern_tree::PatternTree;

/// The patterns of several nodes that can still match at one member of a document or below it.
#[derive(Clone, Default)]
pub(crate) struct PatternCursor<'a> {
    /// The node that declares the patterns, and what is left of them.
    live: Vec<(usize, &'a PatternTree)>,
}

impl<'a> PatternCursor<'a> {
    /// Returns the cursor at the root of a document, for the patterns of these nodes.
    pub(crate) fn new(trees: impl Iterator<Item = (usize, &'a PatternTree)>) -> Self {
        Self { live: trees.filter(|(_, tree)| !tree.is_empty()).collect() }
    }

    /// Returns the cursor at the member `name`.
    pub(crate) fn step(&self, name: &str) -> Self {
        let live = self.live.iter().flat_map(|(at, tree)| tree.step(name).map(|below| (*at, below)));
        Self { live: live.collect() }
    }

    /// Returns the patterns that match this member: the node that declares each, and its index there.
    pub(crate) fn matches(&self) -> impl Iterator<Item = (usize, usize)> {
        self.live.iter().filter_map(|(at, tree)| Some((*at, tree.end()?)))
    }

    /// Whether a pattern matches this member.
    pub(crate) fn is_match(&self) -> bool {
        self.matches().next().is_some()
    }

    /// Whether no pattern can match this member or anything below it.
    pub(crate) fn is_spent(&self) -> bool {
        self.live.is_empty()
    }
}

/// The locks of the ancestors, at one member of a document.
#[derive(Clone, Default)]
pub(crate) struct Locks<'a> {
    cursor: PatternCursor<'a>,
    holder: Option<usize>,
}

impl<'a> Locks<'a> {
    /// Returns the locks at the root of a document.
    pub(crate) fn new(trees: impl Iterator<Item = (usize, &'a PatternTree)>) -> Self {
        Self { cursor: PatternCursor::new(trees), holder: None }
    }

    /// Returns the locks at the member `name`.
    pub(crate) fn step(&self, name: &str) -> Self {
        let cursor = self.cursor.step(name);
        let holder = topmost(self.holder, cursor.matches().map(|(at, _)| at).min());
        Self { cursor, holder }
    }

    /// Returns the topmost node that locks this member or an object around it.
    pub(crate) fn holder(&self) -> Option<usize> {
        self.holder
    }

    /// Whether this member is locked, itself or by an object around it.
    pub(crate) fn is_held(&self) -> bool {
        self.holder.is_some()
    }

    /// Whether neither this member nor anything that could be below it is locked.
    pub(crate) fn is_free(&self) -> bool {
        self.holder.is_none() && self.cursor.is_spent()
    }

    /// Returns the topmost node that locks something present below `view`.
    pub(crate) fn holder_below(&self, view: SlotView<'_, 'a>) -> Option<usize> {
        if self.cursor.is_spent() {
            return None;
        }
        let below = view.members().into_iter().filter_map(|(name, member)| {
            let locks = self.step(name);
            topmost(locks.holder, locks.holder_below(member))
        });
        below.min()
    }

    /// Returns the topmost node whose lock forbids another value in place of `view`.
    pub(crate) fn holder_at_or_below(&self, view: SlotView<'_, 'a>) -> Option<usize> {
        topmost(self.holder, self.holder_below(view))
    }
}

fn topmost(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    one.into_iter().chain(other).min()
}
