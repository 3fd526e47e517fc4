//! PostgreSQL: the production store, one schema per tenant; and the connections that the fleet uses.
//!
//! The store creates and changes no tables: the fleet does, as the owner. A call on a tenant is one statement
//! or one transaction, and every statement names the tenant's schema and carries the tenant's id
//! (`statements`). If something in a schema is missing or damaged, that tenant is unhealthy and the others go
//! on. What happens when a connection is lost is described in `pool`.

mod changes;
mod clock;
mod columns;
mod commit;
pub mod completeness;
pub(crate) mod connect;
mod contexts;
mod create;
mod delete;
mod diagnosis;
mod directory;
mod failure;
mod keys;
mod memory;
mod names;
mod pool;
mod rows;
mod search;
mod statement;
mod statements;
mod upkeep;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use context_domain::clock::Clock;
use context_domain::error::Error;
use context_domain::id::TenantId;
use tokio_postgres::Row;

pub use connect::{ConnectionMode, PostgresUrl, Session, SessionMode};
pub use names::{identifier, literal, schema_of};

use clock::DatabaseClock;
use failure::Failure;
use memory::Memory;
use pool::Pool;
use statement::{Param, StatementKind};

/// The revision of the control schema that this version needs.
pub const CONTROL_REVISION: i32 = 1;
/// The revision of a tenant's schema that this version needs.
pub const TENANT_REVISION: i32 = 5;

/// The maximum number of the owner's connections: tenants are rarely created, but dropping one may have to
/// wait for its readers.
const MAX_OWNER_CONNECTIONS: usize = 4;

/// The store in one PostgreSQL database: it implements the ports of `context-domain`.
///
/// **Life cycle.** [`Store::open`] connects, checks that a bootstrap of this version has been run, and
/// measures the database's clock. The store keeps no state that must survive: the [`Memory`] of documents is
/// a cache that the database validates at each read, and the suspects are only a hint for the health check.
///
/// **Concurrency.** All methods take `&self`. Any number of servers can work on one database; rows are
/// protected by the database's constraints and transactions alone.
///
/// **Failure.** Steps fail with [`Failure`], which [`Store::answered`] turns into the domain's error. If the
/// reason may be that the tenant does not exist or that its schema is damaged, it looks that up first. Which
/// failures are retried, and by which layer, is described in [`pool`].
pub(crate) struct Store {
    pool: Arc<Pool>,
    /// Connections of the role that owns the database, if it was given.
    owner: Option<Pool>,
    memory: Memory,
    /// The tenants that a call has found damaged. The health check reads all of their rows.
    suspects: Mutex<BTreeSet<TenantId>>,
}

impl Store {
    /// Opens the store that a bootstrap has created, and returns it with the database's clock. `owner` is the
    /// URL of the role that creates and drops tenants.
    pub(crate) async fn open(
        url: &PostgresUrl,
        owner: Option<&PostgresUrl>,
        mode: ConnectionMode,
        max_connections: usize,
    ) -> Result<(Self, Arc<dyn Clock>), Error> {
        let owner = owner.map(|owner| Pool::new(owner.clone(), mode, MAX_OWNER_CONNECTIONS));
        let pool = Arc::new(Pool::new(url.clone(), mode, max_connections));
        let memory = Memory::default();
        let store = Self { pool: Arc::clone(&pool), owner, memory, suspects: Mutex::default() };
        store.control_schema_is_usable().await?;
        let clock = DatabaseClock::open(pool).await.map_err(Failure::in_store)?;
        Ok((store, Arc::new(clock)))
    }

    /// Sends one statement that reads the tenant's tables, and returns its rows.
    async fn query_tenant(
        &self,
        tenant: &TenantId,
        template: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let sql = statements::of_tenant(template, tenant);
        self.pool.query(Some(tenant), StatementKind::Read, &sql, params).await
    }

    /// Turns a failure of a call on a tenant into the domain's error. A tenant whose stored data is damaged
    /// becomes a suspect.
    async fn answered<T>(&self, tenant: &TenantId, result: Result<T, Failure>) -> Result<T, Error> {
        let failure = match result {
            Ok(value) => return Ok(value),
            Err(failure) => failure,
        };
        let error = if failure.is_undefined() || failure.is_denied() || failure.is_internal() {
            self.diagnose(tenant, failure).await
        } else {
            failure.in_tenant(tenant)
        };
        if matches!(error, Error::TenantUnhealthy { .. }) {
            self.suspects().insert(tenant.clone());
        }
        Err(error)
    }

    fn suspects(&self) -> MutexGuard<'_, BTreeSet<TenantId>> {
        // A panic cannot leave the set half changed.
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
