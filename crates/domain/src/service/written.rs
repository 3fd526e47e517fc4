//! The result of a write.

use serde_json::Value;

use crate::context::{Context, Etag};

/// The effect of a write, and the context after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The effect of the write.
    pub effect: Effect,
    /// The version after the write; after a deletion, the version that the deletion made.
    pub etag: Etag,
    /// The context as the API shows it; null after a deletion.
    pub context: Value,
    /// Whether an earlier request with the same idempotency key did it.
    pub replayed: bool,
}

/// The effect of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Wrote a context for the first time.
    Created,
    /// Changed a context, or found it already as requested.
    Updated,
    /// Deleted a context.
    Deleted,
}

impl Written {
    /// Returns the result of a write; `context` is the context after it, or before it if it was deleted.
    pub(super) fn from_context(effect: Effect, context: &Context) -> Self {
        if effect == Effect::Deleted {
            let etag = Etag { id: context.id.clone(), version: context.version.saturating_add(1) };
            return Self { effect, etag, context: Value::Null, replayed: false };
        }
        Self { effect, etag: context.etag(), context: context.to_json(), replayed: false }
    }
}
