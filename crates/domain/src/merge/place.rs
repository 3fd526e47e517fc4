//! Where a walk through a document stands.

use crate::pointer;

/// A place in a document, as the chain of members that leads to it.
///
/// It lives on the stack of the walk: a pointer is only written out where something is reported.
#[derive(Clone, Copy)]
pub(crate) enum Place<'p, 'a> {
    /// The whole document.
    Root,
    /// A member of the object that stands at `above`.
    Member {
        /// Where the object stands.
        above: &'p Place<'p, 'a>,
        /// The member's name.
        name: &'a str,
    },
}

impl<'a> Place<'_, 'a> {
    pub(crate) fn member<'q>(&'q self, name: &'a str) -> Place<'q, 'a> {
        Place::Member { above: self, name }
    }

    /// The names that lead here, outermost first.
    pub(crate) fn names(&self) -> Vec<&'a str> {
        let mut names = Vec::new();
        let mut place = self;
        while let Place::Member { above, name } = place {
            names.push(*name);
            place = above;
        }
        names.reverse();
        names
    }

    pub(crate) fn pointer(&self) -> String {
        written(&self.names())
    }
}

/// The pointer that leads through these members.
pub(crate) fn written(names: &[&str]) -> String {
    let mut text = String::new();
    for name in names {
        pointer::push(&mut text, name);
    }
    text
}
