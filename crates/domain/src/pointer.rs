//! JSON pointers (RFC 6901): building and splitting them, and the patterns that `inheritance` uses.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::limits::MAX_POINTER_SEGMENTS;

/// The rule that a pointer breaks. `Display` states the rule and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// The pointer is empty: it would name the whole document.
    #[error(
        "the empty pointer names the whole document, which no rule may do: name a member, such as \"/a\""
    )]
    Empty,
    /// The pointer does not begin with a slash.
    #[error("a pointer (RFC 6901) begins with \"/\": write \"/a\" for the member \"a\"")]
    NoSlash,
    /// A tilde is followed by neither 0 nor 1.
    #[error(
        "in a pointer (RFC 6901), \"~\" is written \"~0\", and \"/\" in a name \"~1\": escape this \"~\""
    )]
    BadEscape,
    /// The pointer is deeper than any document.
    #[error(
        "a pointer has at most {MAX_POINTER_SEGMENTS} segments, because no document is deeper: shorten it"
    )]
    TooManySegments,
}

/// One segment of a [`Pattern`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// The member of this name.
    Member(String),
    /// Every member; written `*`.
    Any,
}

/// A pointer whose segments name one member or, with `*`, every member of an object.
///
/// A segment never names an element of an array, and a member whose name is `*` cannot be addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    segments: Vec<Segment>,
}

impl Pattern {
    /// Returns the segments, outermost first; there is at least one.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the key by which the patterns of one node are sorted. If two match the same member, the first
    /// applies: the one with fewer `*`, then the one whose literal segment is further left.
    pub(crate) fn precedence(&self) -> (usize, Vec<bool>) {
        let any: Vec<bool> = self.segments.iter().map(|segment| *segment == Segment::Any).collect();
        (any.iter().filter(|any| **any).count(), any)
    }
}

impl FromStr for Pattern {
    type Err = PointerError;

    fn from_str(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Err(PointerError::Empty);
        }
        let names = members(text)?;
        if names.len() > MAX_POINTER_SEGMENTS {
            return Err(PointerError::TooManySegments);
        }
        let segments = names
            .into_iter()
            .map(|name| if name == "*" { Segment::Any } else { Segment::Member(name.into_owned()) })
            .collect();
        Ok(Self { text: text.to_owned(), segments })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Returns the name of a member as it is written in a pointer.
pub fn escape(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) {
        return Cow::Owned(name.replace('~', "~0").replace('/', "~1"));
    }
    Cow::Borrowed(name)
}

/// Appends a segment to `pointer`, so that it names the member `name` of the value that it named before.
pub fn push(pointer: &mut String, name: &str) {
    pointer.push('/');
    pointer.push_str(&escape(name));
}

/// Returns the pointer to the member `name` of the root object.
pub fn to_member(name: &str) -> String {
    let mut pointer = String::new();
    push(&mut pointer, name);
    pointer
}

/// Splits a pointer into the unescaped names of its members, outermost first.
///
/// # Errors
///
/// [`PointerError`] if the text is not a pointer of RFC 6901.
pub fn members(pointer: &str) -> Result<Vec<Cow<'_, str>>, PointerError> {
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let rest = pointer.strip_prefix('/').ok_or(PointerError::NoSlash)?;
    rest.split('/').map(unescape).collect()
}

fn unescape(segment: &str) -> Result<Cow<'_, str>, PointerError> {
    if !segment.contains('~') {
        return Ok(Cow::Borrowed(segment));
    }
    // Each tilde must be followed by 0 or 1, so every piece after the first begins with one of them.
    let mut pieces = segment.split('~');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (escaped, rest) = match (piece.strip_prefix('0'), piece.strip_prefix('1')) {
            (Some(rest), _) => ('~', rest),
            (_, Some(rest)) => ('/', rest),
            _ => return Err(PointerError::BadEscape),
        };
        name.push(escaped);
        name.push_str(rest);
    }
    Ok(Cow::Owned(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(text: &str) -> Vec<Segment> {
        text.parse::<Pattern>().unwrap().segments().to_vec()
    }

    #[test]
    fn escaped_names_are_unescaped_again() {
        for name in ["", "a", "~", "/", "~1", "a/b~c", "*x", "世界"] {
            let mut pointer = String::new();
            push(&mut pointer, name);
            assert_eq!(members(&pointer).unwrap(), [name]);
            assert_eq!(segments(&pointer), [Segment::Member(name.to_owned())]);
        }
    }

    #[test]
    fn a_star_means_every_member_only_as_a_whole_segment() {
        assert_eq!(
            segments("/a/*/**"),
            [Segment::Member("a".into()), Segment::Any, Segment::Member("**".into())]
        );
    }

    #[test]
    fn the_last_segment_may_be_empty() {
        assert_eq!(segments("/"), [Segment::Member(String::new())]);
        assert_eq!(segments("/a/"), [Segment::Member("a".into()), Segment::Member(String::new())]);
    }

    #[test]
    fn malformed_pointers_are_refused() {
        for (text, error) in [
            ("", PointerError::Empty),
            ("a", PointerError::NoSlash),
            ("#/a", PointerError::NoSlash),
            ("/~", PointerError::BadEscape),
            ("/a~2", PointerError::BadEscape),
            ("/~0~", PointerError::BadEscape),
        ] {
            assert_eq!(text.parse::<Pattern>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn too_many_segments_are_refused() {
        assert!("/a".repeat(MAX_POINTER_SEGMENTS).parse::<Pattern>().is_ok());
        let longer = "/a".repeat(MAX_POINTER_SEGMENTS + 1);
        assert_eq!(longer.parse::<Pattern>(), Err(PointerError::TooManySegments));
    }

    #[test]
    fn a_pattern_is_displayed_as_it_was_written() {
        assert_eq!("/a~1b/*/~0".parse::<Pattern>().unwrap().to_string(), "/a~1b/*/~0");
    }
}
