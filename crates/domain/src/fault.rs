//! One thing that is wrong with an input, and where.

use serde_json::{Value, json};

/// One thing that is wrong with an input: where (an RFC 6901 pointer into the document that was sent; empty for
/// the whole of it) and what, as a sentence that names the rule and says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// RFC 6901 pointer to the member at fault.
    pub pointer: String,
    /// What is wrong, the rule, and what to do next.
    pub message: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }

    /// The same fault, seen from a document in which the faulty one stands at `prefix`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.pointer.insert_str(0, prefix);
        self
    }

    /// `{"pointer": …, "message": …}`.
    pub fn to_json(&self) -> Value {
        json!({"pointer": self.pointer, "message": self.message})
    }
}
