//! Changes: the record of each write, which is history, audit and memory of idempotent requests in one.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::id::ContextId;
use crate::limits::MAX_IDEMPOTENCY_KEY_BYTES;

/// What a write did.
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
    /// Changed nothing; recorded because the request carried an idempotency key.
    None,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 5] = [Self::Create, Self::Update, Self::Delete, Self::Expire, Self::None];

    /// The name under which the operation is stored.
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
        [Self::Create, Self::Update, Self::Delete, Self::Expire, Self::None]
            .into_iter()
            .find(|operation| operation.as_str() == text)
            .ok_or_else(|| format!("'{text}' is not an operation"))
    }
}

/// The record of one write of one context.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The transaction that wrote it; later transactions of a tenant have greater numbers.
    pub revision: u64,
    /// The context written.
    pub context_id: ContextId,
    /// The context's version after the write; a delete counts as a change.
    pub version: u32,
    /// What the write did.
    pub operation: Operation,
    /// When.
    pub changed_at: Timestamp,
    /// The principal who wrote.
    pub changed_by: String,
    /// The request that wrote.
    pub request_id: String,
    /// The context after the write, as the API shows it; null after a removal.
    pub content: Value,
    /// The idempotency key that the request carried.
    pub idempotency: Option<Idempotency>,
}

impl Change {
    /// The change as the API shows it. Idempotency keys stay with those who sent them.
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

/// Who writes, when and on whose request: what each change record carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The moment of the write.
    pub at: Timestamp,
    /// The principal.
    pub by: String,
    /// The request.
    pub request_id: String,
}

/// An idempotency key with what it stands for. It is the principal's own: two principals may use the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The principal who sent it.
    pub principal: String,
    /// The key.
    pub key: IdempotencyKey,
    /// The request that it was first sent with.
    pub request: RequestHash,
}

/// A caller's name for one request: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key as text.
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

/// The SHA-256 of a request, in lower-case hexadecimal digits: tells whether a key was sent with the same request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHash(String);

impl RequestHash {
    /// The hash of a request's parts (method, path, conditions, body). Lengths are hashed too, so that parts cannot
    /// run into each other.
    pub fn from_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self(hex::encode(hasher.finalize()))
    }

    /// A hash as it was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for RequestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
