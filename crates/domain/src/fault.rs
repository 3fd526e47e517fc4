//! One thing that is wrong with an input, and where.

use serde_json::{Value, json};

/// One thing that is wrong with an input: where, and what, as a sentence that states the rule and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// RFC 6901 pointer into the input to the faulty member; empty for the whole input.
    pub pointer: String,
    /// What is wrong, the rule, and what to do next.
    pub message: String,
}

impl Fault {
    /// Returns a fault at `pointer`.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }

    /// Returns the fault as seen from a document that holds the input at the pointer `prefix`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.pointer.insert_str(0, prefix);
        self
    }

    /// Returns `{"pointer": …, "message": …}`.
    pub fn to_json(&self) -> Value {
        json!({"pointer": self.pointer, "message": self.message})
    }
}

/// Returns names as a list for a message: `a, b or c`.
pub(crate) fn one_of<S: AsRef<str>>(names: &[S]) -> String {
    let last = names.len().saturating_sub(1);
    let mut text = String::new();
    for (index, name) in names.iter().enumerate() {
        text.push_str(match index {
            0 => "",
            _ if index == last => " or ",
            _ => ", ",
        });
        text.push_str(name.as_ref());
    }
    text
}
