//! The path to a member, during a walk through a document.

use crate::pointer;

/// The path from the root of a document to a member, as a linked list on the stack of a recursive walk. A
/// pointer is only written where something is noted.
#[derive(Clone, Copy)]
pub(crate) enum MemberPath<'p, 'a> {
    /// The root of the document.
    Root,
    /// A member of the object at `object`.
    Member {
        /// The path to the object.
        object: &'p MemberPath<'p, 'a>,
        /// The member's name.
        name: &'a str,
    },
}

impl<'a> MemberPath<'_, 'a> {
    /// Returns the path to the member `name` of the object at this path.
    pub(crate) fn member<'q>(&'q self, name: &'a str) -> MemberPath<'q, 'a> {
        MemberPath::Member { object: self, name }
    }

    /// Returns the names on the path, outermost first.
    pub(crate) fn names(&self) -> Vec<&'a str> {
        let mut names = Vec::new();
        let mut path = self;
        while let MemberPath::Member { object, name } = path {
            names.push(*name);
            path = object;
        }
        names.reverse();
        names
    }

    /// Returns the path as a pointer.
    pub(crate) fn pointer(&self) -> String {
        pointer_of(&self.names())
    }
}

/// Returns the pointer through these members, outermost first.
pub(crate) fn pointer_of(names: &[&str]) -> String {
    let mut text = String::new();
    for name in names {
        pointer::push(&mut text, name);
    }
    text
}
