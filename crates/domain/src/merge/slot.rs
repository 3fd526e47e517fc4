//! The tree that a merge works on. It borrows from the documents: nothing is copied until the result is written.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::join;
use super::members::Members;
use super::view::View;
use crate::inheritance::Strategy;

/// One value of the merged document, with what is known of how it came to stand here.
pub(crate) struct Slot<'a> {
    pub(crate) tree: Tree<'a>,
    /// The strategy that put the value here; none where only rules 1 and 2 acted.
    pub(crate) strategy: Option<&'a Strategy>,
    /// What stood here before. Only leaves have a past.
    pub(crate) past: Vec<Shadow<'a>>,
}

/// A value of the merged document.
pub(crate) enum Tree<'a> {
    /// A value as node `at` wrote it.
    Whole { at: usize, value: &'a Value },
    /// An object that is not, or not only, as one node wrote it; `at` wrote it first.
    Object { at: usize, members: Members<'a> },
    /// An array that a strategy merged, at node `at` for the last time.
    List { at: usize, elements: Vec<Element<'a>> },
}

/// A leaf that is no longer part of the document.
pub(crate) struct Shadow<'a> {
    /// Where it stood, unless that is where the leaf stands that it belongs to.
    pub(crate) stood: Option<Vec<&'a str>>,
    pub(crate) tree: Tree<'a>,
}

/// An element of a merged array: one source, or several objects that are merged by rule 1, global first.
#[derive(Clone)]
pub(crate) struct Element<'a> {
    pub(crate) sources: Vec<Source<'a>>,
}

/// An element of the array that node `at` wrote.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) at: usize,
    pub(crate) index: usize,
    pub(crate) value: &'a Value,
}

/// A slot taken apart.
pub(crate) enum Shape<'a> {
    /// Anything but an object that has members.
    Leaf(Slot<'a>),
    /// An object that has members.
    Object { at: usize, strategy: Option<&'a Strategy>, members: Members<'a> },
}

impl<'a> Slot<'a> {
    pub(crate) fn whole(at: usize, value: &'a Value) -> Self {
        Self::new(Tree::Whole { at, value })
    }

    pub(crate) fn new(tree: Tree<'a>) -> Self {
        Self { tree, strategy: None, past: Vec::new() }
    }

    pub(crate) fn is_object(&self) -> bool {
        View::Slot(self).is_object()
    }

    pub(crate) fn is_empty_object(&self) -> bool {
        match &self.tree {
            Tree::Whole { value, .. } => value.as_object().is_some_and(Map::is_empty),
            Tree::Object { members, .. } => members.is_empty(),
            Tree::List { .. } => false,
        }
    }

    /// Whether this is anything but an object that has members.
    pub(crate) fn is_leaf(&self) -> bool {
        !self.is_object() || self.is_empty_object()
    }

    /// The members, to be changed; none where there is no object.
    pub(crate) fn members_mut(&mut self) -> Option<&mut Members<'a>> {
        if let Tree::Whole { at, value: Value::Object(map) } = self.tree {
            let strategy = self.strategy;
            let member = |value| Slot { strategy, ..Slot::whole(at, value) };
            let members =
                Members::from_sorted(map.iter().map(|(name, value)| (name.as_str(), member(value))));
            self.tree = Tree::Object { at, members };
        }
        match &mut self.tree {
            Tree::Object { members, .. } => Some(members),
            _ => None,
        }
    }

    /// Gives away the members in order; an object that one node wrote is not made a tree for that.
    pub(crate) fn for_each_member(self, mut each: impl FnMut(&'a str, Slot<'a>)) {
        match self.tree {
            Tree::Whole { at, value: Value::Object(map) } => {
                for (name, value) in map {
                    each(name, Slot { strategy: self.strategy, ..Slot::whole(at, value) });
                }
            }
            Tree::Object { members, .. } => {
                for (name, slot) in members {
                    each(name, slot);
                }
            }
            Tree::Whole { .. } | Tree::List { .. } => {}
        }
    }

    pub(crate) fn into_shape(mut self) -> Shape<'a> {
        if self.is_leaf() {
            return Shape::Leaf(self);
        }
        // The members are asked for only to make them: an untouched object has none of its own yet.
        self.members_mut();
        match self.tree {
            Tree::Object { at, members } => Shape::Object { at, strategy: self.strategy, members },
            tree => Shape::Leaf(Slot { tree, ..self }),
        }
    }

    /// The leaf at the end of these members, if there is one.
    pub(crate) fn leaf_at(&mut self, names: &[&'a str]) -> Option<&mut Self> {
        let Some((name, rest)) = names.split_first() else { return self.is_leaf().then_some(self) };
        self.members_mut()?.get_mut(name)?.leaf_at(rest)
    }

    /// Says of the whole subtree which strategy put it here.
    pub(crate) fn mark(&mut self, strategy: &'a Strategy) {
        self.strategy = Some(strategy);
        if let Tree::Object { members, .. } = &mut self.tree {
            for member in members.slots_mut() {
                member.mark(strategy);
            }
        }
    }
}

impl<'a> Tree<'a> {
    /// The node that last decided about this value.
    pub(crate) fn at(&self) -> usize {
        match self {
            Self::Whole { at, .. } | Self::Object { at, .. } | Self::List { at, .. } => *at,
        }
    }

    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Whole { value, .. } => (*value).clone(),
            Self::Object { members, .. } => {
                let member = |(name, slot): &(&str, Slot<'a>)| ((*name).to_owned(), slot.tree.to_value());
                Value::Object(members.iter().map(member).collect())
            }
            Self::List { elements, .. } => {
                Value::Array(elements.iter().map(|element| element.value().into_owned()).collect())
            }
        }
    }
}

impl Serialize for Tree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole { value, .. } => value.serialize(serializer),
            Self::Object { members, .. } => {
                serializer.collect_map(members.iter().map(|(name, slot)| (name, &slot.tree)))
            }
            Self::List { elements, .. } => serializer.collect_seq(elements.iter().map(Element::value)),
        }
    }
}

impl<'a> Element<'a> {
    pub(crate) fn value(&self) -> Cow<'a, Value> {
        match self.sources.as_slice() {
            [] => Cow::Owned(Value::Null),
            [only] => Cow::Borrowed(only.value),
            [first, rest @ ..] => {
                let mut merged = Slot::whole(first.at, first.value);
                for source in rest {
                    join::by_rules(&mut merged, Slot::whole(source.at, source.value));
                }
                Cow::Owned(merged.tree.to_value())
            }
        }
    }
}
