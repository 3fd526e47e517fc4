//! Ids, made by an injected source so that tests are deterministic.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::error::Error;
use crate::key::SECRET_BYTES;

/// The id of a context: `ctx_` and a lower-case hyphenated UUID. Ids made later sort later (UUID version 7, RFC 9562).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContextId(String);

const PREFIX: &str = "ctx_";

impl ContextId {
    /// The id that holds `uuid`.
    pub fn new(uuid: Uuid) -> Self {
        Self(format!("{PREFIX}{}", uuid.hyphenated()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ContextId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uuid = text.strip_prefix(PREFIX).and_then(|rest| Uuid::try_parse(rest).ok());
        // Uuid reads several spellings; only the one that we write is the id.
        uuid.map(Self::new)
            .filter(|id| id.0 == text)
            .ok_or_else(|| format!("'{text}' is not a context id: it is {PREFIX} and a lower-case UUID"))
    }
}

impl Serialize for ContextId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Makes ids.
pub trait IdSource: Send + Sync {
    /// A UUID that was never given out before, of version 7.
    fn uuid(&self) -> Uuid;

    /// 256 random bits that nobody can guess.
    ///
    /// # Errors
    /// [`Error::Internal`] where the machine has no randomness to give.
    fn secret(&self) -> Result<[u8; SECRET_BYTES], Error>;
}

/// Ids from this machine's clock and randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "the one place that makes random ids")]
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn secret(&self) -> Result<[u8; SECRET_BYTES], Error> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret)
            .map_err(|error| Error::Internal { detail: format!("no randomness is to be had: {error}") })?;
        Ok(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_the_spelling_it_writes() {
        let id = ContextId::new(RandomIds.uuid());
        assert_eq!(id.as_str().parse::<ContextId>().unwrap(), id);
        let upper = id.as_str().to_uppercase().replace("CTX", "ctx");
        let bare = id.as_str().trim_start_matches(PREFIX);
        for text in ["", "ctx_", "ctx_1", upper.as_str(), &format!("{id} "), bare] {
            assert!(text.parse::<ContextId>().is_err(), "{text} was taken");
        }
    }
}
