//! Refusals of documents, with the position in the text.

use std::fmt;

use context_domain::fault::Fault;
use context_domain::json::depth_rule;

/// The reason why a document was refused, and the position of the fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DocumentRefusal {
    /// Line and column, both counted from 1, if they are known.
    pub(crate) position: Option<(usize, usize)>,
    /// RFC 6901 pointer to the value at fault; empty for the whole document.
    pub(crate) pointer: String,
    /// The rule that is broken, and what to do.
    pub(crate) message: String,
}

impl DocumentRefusal {
    /// Returns a refusal of the whole document.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self { position: None, pointer: String::new(), message: message.into() }
    }

    /// Returns a refusal of the value at this line and column.
    pub(super) fn at(position: (usize, usize), message: impl Into<String>) -> Self {
        Self { position: Some(position), pointer: String::new(), message: message.into() }
    }

    /// Returns a refusal of a container that is nested more deeply than the limit allows.
    pub(super) fn too_deep(position: (usize, usize)) -> Self {
        Self::at(position, depth_rule())
    }

    /// Prefixes the pointer with that of the container around the value.
    pub(super) fn under(mut self, pointer: &str) -> Self {
        self.pointer.insert_str(0, pointer);
        self
    }
}

/// Writes `line 3, column 5, at '/a/b': …`, as far as the position is known.
impl fmt::Display for DocumentRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.position.map(|(line, column)| format!("line {line}, column {column}"));
        let pointer = (!self.pointer.is_empty()).then(|| format!("at '{}'", self.pointer));
        let place: Vec<_> = line.into_iter().chain(pointer).collect();
        if !place.is_empty() {
            write!(f, "{}: ", place.join(", "))?;
        }
        f.write_str(&self.message)
    }
}

impl From<Fault> for DocumentRefusal {
    fn from(fault: Fault) -> Self {
        Self { position: None, pointer: fault.pointer, message: fault.message }
    }
}

/// Returns line and column of the character that follows `before`.
pub(super) fn position_after(before: &str) -> (usize, usize) {
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}
