//! Tenants: the unit of isolation.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::clock::{Clock, Timestamp};
use crate::content::Content;
use crate::context::Context;
use crate::id::{ContextId, IdSource};
use crate::limits::MAX_TENANT_ID_BYTES;
use crate::tree::{Level, Place};

/// The id of a tenant: `^[a-z0-9][a-z0-9_-]{0,47}$`. Nothing is folded, trimmed or cut, so that one id is one tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(String);

impl TenantId {
    /// The id as text.
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
            return Err(format!(
                "'{}' is not a tenant id: 1 to {MAX_TENANT_ID_BYTES} of a-z, 0-9, '_' and '-', \
                 beginning with a letter or a digit",
                text.escape_debug()
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Serialize for TenantId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// One life of a tenant: new at each creation, so that what is remembered of a dropped tenant never serves its
/// successor of the same id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Generation(String);

impl Generation {
    /// The generation named by `uuid`: its 32 hexadecimal digits.
    pub fn new(uuid: Uuid) -> Self {
        Self(uuid.simple().to_string())
    }

    /// The generation as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Generation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uuid = Uuid::try_parse(text).map_err(|error| format!("'{text}' is not a generation: {error}"))?;
        Ok(Self::new(uuid))
    }
}

/// A tenant as the directory knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Which life of that id this is.
    pub generation: Generation,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A tenant that is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTenant {
    /// What the directory is to know.
    pub tenant: Tenant,
    /// Its global node, which nobody wrote yet.
    pub global: Context,
}

impl NewTenant {
    /// A tenant of this id, made now.
    pub fn new(id: TenantId, clock: &dyn Clock, ids: &dyn IdSource) -> Self {
        let created_at = clock.now();
        let global = Context {
            id: ContextId::new(ids.uuid()),
            tenant_id: id.clone(),
            content: Content::empty_node(Level::Global),
            place: Some(Place { level: Level::Global, parent_id: None, node_key: None }),
            created_at,
            updated_at: created_at,
            version: 0,
        };
        Self { tenant: Tenant { id, generation: Generation::new(ids.uuid()), created_at }, global }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_exact_or_refused() {
        let longest = "a".repeat(48);
        for text in ["default", "my-tenant", "my_tenant", "0", longest.as_str()] {
            assert_eq!(text.parse::<TenantId>().unwrap().as_str(), text);
        }
        let long = "a".repeat(49);
        for text in ["", "A", "-a", "_a", "a b", "a\"", "a.b", "a/b", "ａ", "a\n", " a", long.as_str(), "é"]
        {
            assert!(text.parse::<TenantId>().is_err(), "{text:?} was taken");
        }
    }
}
