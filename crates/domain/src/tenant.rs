//! Tenants: the unit of isolation.

use std::str::FromStr;

use serde::Serialize;
use uuid::Uuid;

use crate::clock::{Clock, Timestamp};
use crate::content::Content;
use crate::context::Context;
use crate::id::{ContextId, IdSource, TenantId};
use crate::tree::{Level, Place};

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
