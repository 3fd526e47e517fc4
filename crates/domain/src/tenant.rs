//! Tenants: the unit of isolation.

use std::str::FromStr;

use serde::Serialize;
use uuid::Uuid;

use crate::clock::{Clock, Timestamp};
use crate::content::Content;
use crate::context::Context;
use crate::id::{ContextId, IdSource, TenantId};
use crate::tree::{Level, Place};

/// The identity of one creation of a tenant. Each creation gets a new one, so that data cached for a dropped
/// tenant is never used for a later tenant of the same id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Generation(String);

impl Generation {
    /// Returns the generation named by `uuid`: its 32 hexadecimal digits.
    pub fn new(uuid: Uuid) -> Self {
        Self(uuid.simple().to_string())
    }

    /// Returns the generation as text.
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

/// A tenant as the directory lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Distinguishes it from earlier tenants of the same id.
    pub generation: Generation,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A tenant to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTenant {
    /// Its entry in the directory.
    pub tenant: Tenant,
    /// Its global node, at version 0: no caller has written it yet.
    pub global: Context,
}

impl NewTenant {
    /// Returns a tenant of this id, created now, with a new generation.
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
