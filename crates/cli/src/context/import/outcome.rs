//! The outcome of an import for each node.

use context_domain::tree::Scope;

use super::source::{FileRefusal, SourceFiles};

/// A node and its outcome.
pub(super) struct ImportItem {
    pub(super) scope: Scope,
    pub(super) files: SourceFiles,
    pub(super) outcome: ImportOutcome,
}

pub(super) enum ImportOutcome {
    Created,
    Replaced,
    Unchanged,
    Refused(Vec<FileRefusal>),
    /// Not tried, because another node failed.
    HeldBack,
    /// Written, and undone.
    Undone,
    /// Written, and could not be undone for this reason.
    Left(String),
}

impl ImportOutcome {
    /// Returns the outcome's name in a report.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
            Self::Refused(_) => "refused",
            Self::HeldBack => "held_back",
            Self::Undone => "undone",
            Self::Left(_) => "left",
        }
    }
}
