//! One node of a chain, as far as merging is concerned.

use serde_json::{Map, Value};

use crate::inheritance::Inheritance;

/// One node of a chain: its document and its rules.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// The node's own document.
    pub data: &'a Map<String, Value>,
    /// The node's rules.
    pub inheritance: Option<&'a Inheritance>,
}
