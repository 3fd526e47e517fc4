//! PostgreSQL: the production store, one schema a tenant; and the connections that the fleet works on.
//!
//! The store makes and changes no tables: that is the fleet's, as the owner. A call on a tenant is one statement or one
//! transaction; every statement names the tenant's schema and carries its id (`statements`). What is missing or
//! damaged in a schema makes that tenant unhealthy, and leaves the others working.

mod cancel;
mod changes;
mod clock;
mod columns;
mod commit;
pub mod completeness;
mod connect;
mod connection;
mod contexts;
mod create;
mod delete;
mod directory;
mod failure;
mod keys;
mod memory;
mod names;
mod parameters;
mod pool;
mod refusal;
mod rows;
mod search;
mod session;
mod shares;
mod statement;
mod statements;
mod tls;
mod transaction;
mod upkeep;
mod url;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use context_domain::clock::Clock;
use context_domain::error::Error;
use context_domain::id::TenantId;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

pub use names::{identifier, literal, schema_of};
pub use session::{ConnectionMode, Mode, Session};
pub use url::PostgresUrl;

use crate::StoreOptions;
use clock::DatabaseClock;
use completeness::Fault;
use failure::Failure;
use memory::Memory;
use pool::{Access, Pool};
use statement::Param;

/// The revision of the control schema that this version works on.
pub const CONTROL_REVISION: i32 = 1;
/// The revision of a tenant's schema that this version works on.
pub const TENANT_REVISION: i32 = 5;

/// Connections of the owner at the most: tenants are seldom made, and one that is dropped may have to wait for its readers.
const MAX_OWNER_CONNECTIONS: usize = 4;

/// The store in one database.
pub(crate) struct Store {
    pool: Arc<Pool>,
    /// The same database as its owner sees it.
    owner: Option<Pool>,
    memory: Memory,
    /// The tenants whose calls have failed because their area is damaged.
    suspects: Mutex<BTreeSet<TenantId>>,
}

impl Store {
    /// Opens the store that a bootstrap has made, and with it the database's time.
    pub(crate) async fn open(
        url: &PostgresUrl,
        options: &StoreOptions,
    ) -> Result<(Self, Arc<dyn Clock>), Error> {
        let mode = options.connection_mode;
        let owner = options.admin.as_ref().map(|admin| Pool::new(admin.clone(), mode, MAX_OWNER_CONNECTIONS));
        let pool = Arc::new(Pool::new(url.clone(), mode, options.max_connections));
        let memory = Memory::default();
        let store = Self { pool: Arc::clone(&pool), owner, memory, suspects: Mutex::default() };
        store.control_schema_is_usable().await?;
        let clock = DatabaseClock::open(pool).await.map_err(Failure::in_store)?;
        Ok((store, Arc::new(clock)))
    }

    /// Carries out one statement that reads the tenant's tables.
    async fn read(
        &self,
        tenant: &TenantId,
        template: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Failure> {
        self.pool.query(Some(tenant), Access::Read, &statements::of_tenant(template, tenant), params).await
    }

    /// The answer to a call on a tenant. Why it failed is looked for, if it may be that there is no such tenant.
    async fn answered<T>(&self, tenant: &TenantId, result: Result<T, Failure>) -> Result<T, Error> {
        let failure = match result {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        let error = if failure.is_undefined() || failure.is_denied() || failure.is_internal() {
            self.blamed(tenant, failure).await
        } else {
            failure.in_tenant(tenant)
        };
        if matches!(error, Error::TenantUnhealthy { .. }) {
            self.suspects().insert(tenant.clone());
        }
        Err(error)
    }

    /// What a call failed for that met no tables.
    async fn blamed(&self, tenant: &TenantId, failure: Failure) -> Error {
        match self.find(tenant).await {
            Ok(None) => Error::TenantNotFound { tenant: tenant.clone() },
            Ok(Some(_)) if failure.is_undefined() => match self.faults(std::slice::from_ref(tenant)).await {
                Ok(faults) => match faults.into_values().next() {
                    Some(faults) => Failure::damaged(unhealthy(tenant, &faults)).in_tenant(tenant),
                    None => failure.in_tenant(tenant),
                },
                Err(other) => other.in_store(),
            },
            Ok(Some(_)) => failure.in_tenant(tenant),
            Err(other) => other.in_store(),
        }
    }

    /// What is wrong with the schemas of these tenants.
    async fn faults(&self, tenants: &[TenantId]) -> Result<completeness::Faults, Failure> {
        let schemas: Vec<_> = tenants.iter().map(schema_of).collect();
        let tables = completeness::table_names();
        let params: [Param<'_>; 2] = [(&schemas, Type::TEXT_ARRAY), (&tables, Type::TEXT_ARRAY)];
        let rows = self.pool.query(None, Access::Scan, completeness::CATALOG, &params).await?;
        Ok(completeness::read(&rows)?)
    }

    fn suspects(&self) -> MutexGuard<'_, BTreeSet<TenantId>> {
        // The set is whole between any two statements that hold the lock.
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong with a tenant that lacks this, and what to do.
fn missing(tenant: &TenantId, lacks: &[String]) -> String {
    let verb = if lacks.len() == 1 { "is" } else { "are" };
    format!("{} {verb} missing: run `context-service bootstrap --tenant-id {tenant}`", named(lacks))
}

/// What is wrong with a tenant of which this was found, and what to do.
fn unhealthy(tenant: &TenantId, faults: &[Fault]) -> String {
    let lacks = faults.iter().filter_map(|fault| match fault {
        Fault::Missing(object) => Some(object.clone()),
        Fault::Open(_) | Fault::Changed { .. } => None,
    });
    let lacks: Vec<_> = lacks.collect();
    if !lacks.is_empty() {
        return missing(tenant, &lacks);
    }
    let words: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let advice = if faults.iter().all(|fault| matches!(fault, Fault::Open(_))) {
        format!("run `context-service bootstrap --tenant-id {tenant}`")
    } else {
        "that was changed by hand, and must be put back by hand".to_owned()
    };
    format!("{}: {advice}", named(&words))
}

/// The first of these, and how many there are besides.
fn named(things: &[String]) -> String {
    let (named, more) = things.split_at_checked(MAX_NAMED).unwrap_or((things, &[]));
    let more = if more.is_empty() { String::new() } else { format!(" and {} things more", more.len()) };
    format!("{}{more}", named.join(", "))
}

/// Things that are named before they are only counted.
const MAX_NAMED: usize = 5;

#[cfg(test)]
mod tests;
