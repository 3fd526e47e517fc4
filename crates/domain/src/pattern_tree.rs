//! The patterns of one node, as a tree by their segments.

use std::collections::BTreeMap;

use crate::pointer::{Pattern, Segment};

/// Patterns by their segments, so that a walk through a document only looks at patterns that can still match.
#[derive(Debug, Clone, Default)]
pub(crate) struct PatternTree {
    members: BTreeMap<String, PatternTree>,
    any: Option<Box<PatternTree>>,
    end: Option<usize>,
}

impl PatternTree {
    /// Returns the tree of these patterns. A pattern is identified by its index among them.
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

    /// Whether there are no patterns.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.any.is_none()
    }

    /// Returns the rest of the patterns that match the member `name`: of those that name it, and of those
    /// with a `*`.
    pub(crate) fn step(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.members.get(name).into_iter().chain(self.any.as_deref())
    }

    /// Returns the index of the pattern that ends here, if one does.
    pub(crate) fn end(&self) -> Option<usize> {
        self.end
    }
}
