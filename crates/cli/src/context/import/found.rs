//! What there is to import, before the store is asked.

use std::fmt;

use context_domain::fault::Fault;
use context_domain::tree::Scope;
use serde_json::{Value, json};

use crate::document::Refusal;

/// What a source holds.
pub(super) struct Found {
    pub(super) nodes: Vec<Node>,
    /// What was left alone, and why.
    pub(super) ignored: Vec<String>,
}

/// A node of the tree as the source has it.
pub(super) struct Node {
    pub(super) scope: Scope,
    pub(super) files: Files,
    pub(super) wanted: Result<Wanted, Vec<Wrong>>,
}

/// Where a node comes from, below the source's folder.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) document: String,
    pub(super) rules: Option<String>,
}

/// What a node is to be.
pub(super) enum Wanted {
    /// This document with these rules.
    Whole { document: Value, rules: Option<Value> },
    /// What it is, with this member of the document.
    Member { name: &'static str, value: Value },
}

/// What is wrong with a file.
#[derive(Debug, Clone)]
pub(super) struct Wrong {
    pub(super) file: String,
    pub(super) refusal: Refusal,
}

impl Wrong {
    pub(super) fn new(file: &str, refusal: Refusal) -> Self {
        Self { file: file.to_owned(), refusal }
    }

    pub(super) fn whole(file: &str, message: impl Into<String>) -> Self {
        Self::new(file, Refusal::whole(message))
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "file": self.file,
            "line": self.refusal.place.map(|(line, _)| line),
            "column": self.refusal.place.map(|(_, column)| column),
            "pointer": self.refusal.pointer,
            "message": self.refusal.message,
        })
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.file, self.refusal)
    }
}

impl Files {
    /// The file that a fault in a context's content is about, with the pointer in that file.
    pub(super) fn wrong(&self, fault: Fault) -> Wrong {
        let (file, pointer) = match (fault.pointer.strip_prefix("/inheritance"), &self.rules) {
            (Some(pointer), Some(rules)) => (rules, pointer),
            _ => (&self.document, fault.pointer.strip_prefix("/context_data").unwrap_or(&fault.pointer)),
        };
        let refusal = Refusal { place: None, pointer: pointer.to_owned(), message: fault.message };
        Wrong::new(file, refusal)
    }
}
