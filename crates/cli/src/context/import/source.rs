//! The nodes to import, as read from a folder or a repository.

use std::fmt;

use context_domain::fault::Fault;
use context_domain::tree::Scope;
use serde_json::{Value, json};

use crate::document::DocumentRefusal;

/// The nodes that a folder or a repository holds.
pub(super) struct ImportSource {
    pub(super) nodes: Vec<SourceNode>,
    /// The files that were ignored, and why.
    pub(super) ignored: Vec<String>,
}

/// A node of the tree as its files describe it.
pub(super) struct SourceNode {
    pub(super) scope: Scope,
    pub(super) files: SourceFiles,
    pub(super) wanted: Result<WantedContent, Vec<FileRefusal>>,
}

/// The files of a node, as paths below the source's folder.
#[derive(Debug, Clone)]
pub(super) struct SourceFiles {
    pub(super) document: String,
    pub(super) rules: Option<String>,
}

/// The content that a node should get.
pub(super) enum WantedContent {
    /// This document and these rules.
    Whole { document: Value, rules: Option<Value> },
    /// Its current content, with this member of the document set.
    Member { name: &'static str, value: Value },
}

/// A file that is refused, and why.
#[derive(Debug, Clone)]
pub(super) struct FileRefusal {
    pub(super) file: String,
    pub(super) refusal: DocumentRefusal,
}

impl FileRefusal {
    pub(super) fn new(file: &str, refusal: DocumentRefusal) -> Self {
        Self { file: file.to_owned(), refusal }
    }

    pub(super) fn whole(file: &str, message: impl Into<String>) -> Self {
        Self::new(file, DocumentRefusal::whole(message))
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "file": self.file,
            "line": self.refusal.position.map(|(line, _)| line),
            "column": self.refusal.position.map(|(_, column)| column),
            "pointer": self.refusal.pointer,
            "message": self.refusal.message,
        })
    }
}

impl fmt::Display for FileRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.file, self.refusal)
    }
}

impl SourceFiles {
    /// Attributes a fault in a context's content to a file, with the pointer in that file.
    pub(super) fn refusal(&self, fault: Fault) -> FileRefusal {
        let (file, pointer) = match (fault.pointer.strip_prefix("/inheritance"), &self.rules) {
            (Some(pointer), Some(rules)) => (rules, pointer),
            _ => (&self.document, fault.pointer.strip_prefix("/context_data").unwrap_or(&fault.pointer)),
        };
        let refusal = DocumentRefusal { position: None, pointer: pointer.to_owned(), message: fault.message };
        FileRefusal::new(file, refusal)
    }
}
