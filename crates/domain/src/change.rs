//! Changes: one record per write, used as history, as audit trail, and to recognise repeated requests.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::id::ContextId;
use crate::limits::MAX_IDEMPOTENCY_KEY_BYTES;

/// The kind of change that a write made to a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Wrote a context for the first time.
    Create,
    /// Changed a context.
    Update,
    /// Removed a context.
    Delete,
    /// Removed a context that had expired.
    Expire,
    /// Changed nothing; recorded because the request had an idempotency key.
    None,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 5] = [Self::Create, Self::Update, Self::Delete, Self::Expire, Self::None];

    /// Returns the operation's name, as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Expire => "expire",
            Self::None => "none",
        }
    }
}

impl FromStr for Operation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|operation| operation.as_str() == text);
        found.ok_or_else(|| format!("'{text}' is not an operation"))
    }
}

/// The record of one write of one context.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The number of the transaction that wrote it; later transactions of a tenant have greater numbers.
    pub revision: u64,
    /// The context that was written.
    pub context_id: ContextId,
    /// The context's version after the write; a deletion increments it too.
    pub version: u32,
    /// The kind of change that the write made.
    pub operation: Operation,
    /// When it was written.
    pub changed_at: Timestamp,
    /// The name of the principal that wrote.
    pub changed_by: String,
    /// The id of the request that wrote.
    pub request_id: String,
    /// The context after the write, as the API shows it; null after a deletion.
    pub content: Value,
    /// The idempotency key of the request, if it had one.
    pub idempotency: Option<Idempotency>,
}

impl Change {
    /// Returns the change as the API shows it. Idempotency keys are private to their senders and left out.
    pub fn to_json(&self) -> Value {
        json!({
            "revision": self.revision,
            "context_id": self.context_id.as_str(),
            "version": self.version,
            "operation": self.operation.as_str(),
            "changed_at": self.changed_at.to_string(),
            "changed_by": self.changed_by,
            "request_id": self.request_id,
            "content": self.content,
        })
    }
}

/// The part of a change record that describes the request: who wrote, when, and in which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The moment of the write.
    pub at: Timestamp,
    /// The principal's name.
    pub by: String,
    /// The request's id.
    pub request_id: String,
}

/// An idempotency key with the request it was sent with. Keys belong to a principal: two principals may use
/// the same key for different requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The name of the principal that sent it.
    pub principal: String,
    /// The key.
    pub key: IdempotencyKey,
    /// The hash of the request that it was sent with.
    pub request: RequestHash,
}

/// A caller's name for one request: 1 to [`MAX_IDEMPOTENCY_KEY_BYTES`] visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&text.len());
        if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "an idempotency key is 1 to {MAX_IDEMPOTENCY_KEY_BYTES} visible ASCII characters"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The SHA-256 of a request, in lower-case hexadecimal digits. Two requests with the same idempotency
/// key are the same request if their hashes are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHash(String);

impl RequestHash {
    /// Returns the hash of a request's parts (method, path, conditions, body). Lengths are hashed too, so
    /// that moving bytes from one part to the next changes the hash.
    pub fn from_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self(hex::encode(hasher.finalize()))
    }

    /// Returns a hash that was read from a store.
    pub fn stored(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for RequestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
