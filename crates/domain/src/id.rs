//! Ids and secrets, and the source of them that is passed in so that tests are deterministic.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::limits::MAX_TENANT_ID_BYTES;

/// The id of a context: `ctx_` followed by a lower-case hyphenated UUID. Later ids sort after earlier ones
/// (UUID version 7, RFC 9562).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContextId(String);

const PREFIX: &str = "ctx_";

impl ContextId {
    /// Returns the id that holds `uuid`.
    pub fn new(uuid: Uuid) -> Self {
        Self(format!("{PREFIX}{}", uuid.hyphenated()))
    }

    /// Returns the id as text.
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
        // Uuid accepts several spellings; only the one that is written here is an id.
        uuid.map(Self::new)
            .filter(|id| id.0 == text)
            .ok_or_else(|| format!("'{text}' is not a context id: use {PREFIX} and a lower-case UUID"))
    }
}

impl Serialize for ContextId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The rule for a tenant's id as a regular expression; a test compares it with [`MAX_TENANT_ID_BYTES`].
pub const TENANT_ID_PATTERN: &str = "^[a-z0-9][a-z0-9_-]{0,47}$";

/// The rule for a tenant's id in words, for messages and help texts; [`TENANT_ID_PATTERN`] is the same rule.
pub const TENANT_ID_RULE: &str = "1 to 48 of a-z, 0-9, '_' and '-', beginning with a letter or a digit";

/// The id of a tenant, which matches [`TENANT_ID_PATTERN`]. Upper case is not folded and spaces are not
/// trimmed, so that one tenant has one id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(String);

impl TenantId {
    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TenantId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let well_formed = text.bytes().next().is_some_and(plain)
            && text.bytes().all(|byte| plain(byte) || byte == b'_' || byte == b'-')
            && text.len() <= MAX_TENANT_ID_BYTES;
        if !well_formed {
            return Err(format!("'{}' is not a tenant id: {TENANT_ID_RULE}", text.escape_debug()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Serialize for TenantId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The id of an API key: 32 lower-case hexadecimal digits. It is not secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// Returns the id that holds `uuid`.
    pub fn new(uuid: Uuid) -> Self {
        Self(uuid.simple().to_string())
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = Uuid::try_parse(text).ok().map(Self::new).filter(|id| id.0 == text);
        id.ok_or_else(|| {
            format!("'{}' is not the id of a key: an id has 32 hexadecimal digits", text.escape_debug())
        })
    }
}

/// Number of bytes in an API key's secret.
pub const SECRET_BYTES: usize = 32;

/// A failure of the operating system to return random bytes, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes: {0}")]
pub struct NoRandomness(pub String);

/// A source of ids and secrets.
pub trait IdSource: Send + Sync {
    /// Returns a UUID of version 7 that was never returned before.
    fn uuid(&self) -> Uuid;

    /// Returns 256 random bits that cannot be guessed.
    ///
    /// # Errors
    /// [`NoRandomness`] if the operating system gives no random bytes.
    fn secret(&self) -> Result<[u8; SECRET_BYTES], NoRandomness>;
}

/// Ids from the machine's clock and the operating system's random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "the one place that makes random ids")]
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn secret(&self) -> Result<[u8; SECRET_BYTES], NoRandomness> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(|error| NoRandomness(error.to_string()))?;
        Ok(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_id_has_one_spelling() {
        let id = ContextId::new(RandomIds.uuid());
        assert_eq!(id.as_str().parse::<ContextId>().unwrap(), id);
        let upper = id.as_str().to_uppercase().replace("CTX", "ctx");
        let bare = id.as_str().trim_start_matches(PREFIX);
        for text in ["", "ctx_", "ctx_1", upper.as_str(), &format!("{id} "), bare] {
            assert!(text.parse::<ContextId>().is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn a_tenants_id_is_accepted_unchanged_or_refused() {
        let longest = "a".repeat(48);
        for text in ["default", "my-tenant", "my_tenant", "0", longest.as_str()] {
            assert_eq!(text.parse::<TenantId>().unwrap().as_str(), text);
        }
        let long = "a".repeat(49);
        for text in ["", "A", "-a", "_a", "a b", "a\"", "a.b", "a/b", "ａ", "a\n", " a", long.as_str(), "é"]
        {
            assert!(text.parse::<TenantId>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn the_rule_of_a_tenants_id_names_its_limit() {
        let pattern = format!("^[a-z0-9][a-z0-9_-]{{0,{}}}$", MAX_TENANT_ID_BYTES - 1);
        assert_eq!(TENANT_ID_PATTERN, pattern);
        assert!(TENANT_ID_RULE.starts_with(&format!("1 to {MAX_TENANT_ID_BYTES} of ")));
    }
}
