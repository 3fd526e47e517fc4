//! `control.db`: the tenants, the generation of each, and their keys.

use std::path::PathBuf;

use context_domain::clock::Timestamp;
use context_domain::id::TenantId;
use context_domain::tenant::Tenant;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior};

use super::connections::{IdleConnections, IfMissing, connect, use_wal};
use super::failure::Failure;
use super::rows;
use super::schema::{CONTROL, FileState};

/// The file that lists the tenants.
pub(super) struct ControlFile {
    path: PathBuf,
    idle: IdleConnections,
}

impl ControlFile {
    /// Opens the file. A new one is created with its tables in the transaction in which `first` fills it.
    pub(super) fn open(
        path: PathBuf,
        first: impl FnOnce(&Transaction<'_>) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        Self::open_or_create(path, first).map_err(Failure::of_control)
    }

    /// Runs `work` on one snapshot.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        self.transact(TransactionBehavior::Deferred, work).map_err(Failure::of_control)
    }

    /// Commits all that `work` writes, or nothing if it fails.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.transact(TransactionBehavior::Immediate, work).map_err(Failure::of_control)
    }

    fn open_or_create(
        path: PathBuf,
        first: impl FnOnce(&Transaction<'_>) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let mut connection = connect(&path, IfMissing::Create)?;
        match CONTROL.read_state(&connection)? {
            FileState::Current => {}
            FileState::Outdated(_) => CONTROL.upgrade(&mut connection, None)?,
            FileState::Empty => {
                use_wal(&connection)?;
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                // Another process may have created it while this one waited.
                let found = CONTROL.read_state(&transaction)?;
                CONTROL.complete(&transaction, found, None)?;
                if found == FileState::Empty {
                    first(&transaction)?;
                }
                transaction.commit()?;
            }
        }
        let control = Self { path, idle: IdleConnections::default() };
        control.idle.give_back(connection);
        Ok(control)
    }

    fn transact<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut connection = match self.idle.take() {
            Some(connection) => connection,
            None => connect(&self.path, IfMissing::Fail)?,
        };
        let transaction = connection.transaction_with_behavior(behavior)?;
        let value = work(&transaction)?;
        transaction.commit().map_err(Failure::of_commit)?;
        // A connection that failed before this point was closed with its transaction.
        self.idle.give_back(connection);
        Ok(value)
    }
}

/// Reads the tenant of that id.
pub(super) fn find(connection: &Connection, id: &TenantId) -> Result<Option<Tenant>, Failure> {
    rows::query_one(
        connection,
        "SELECT id, generation, created_at FROM tenants WHERE id = ?1",
        [id.as_str()],
        read_tenant,
    )
}

/// Reads the tenants with an id after `after`, by id in byte order.
pub(super) fn list_tenants(
    connection: &Connection,
    after: &str,
    limit: usize,
) -> Result<Vec<Tenant>, Failure> {
    rows::query_all(
        connection,
        "SELECT id, generation, created_at FROM tenants WHERE id > ?1 ORDER BY id LIMIT ?2",
        (after, rows::limit(limit)),
        read_tenant,
    )
}

/// Inserts a tenant.
pub(super) fn insert(connection: &Connection, tenant: &Tenant) -> Result<(), Failure> {
    rows::execute(
        connection,
        "INSERT INTO tenants (id, generation, created_at) VALUES (?1, ?2, ?3)",
        (tenant.id.as_str(), tenant.generation.as_str(), tenant.created_at.as_micros()),
    )?;
    Ok(())
}

/// Removes this generation of a tenant, and its keys by ON DELETE CASCADE; returns false if it is not there.
pub(super) fn delete(connection: &Connection, id: &TenantId, generation: &str) -> Result<bool, Failure> {
    let removed = rows::execute(
        connection,
        "DELETE FROM tenants WHERE id = ?1 AND generation = ?2",
        (id.as_str(), generation),
    )?;
    Ok(removed > 0)
}

fn read_tenant(row: &Row<'_>) -> Result<Tenant, Failure> {
    let unreadable = |_: String| Failure::damaged("a row of its table of tenants cannot be read");
    let id: TenantId = row.get::<_, String>(0)?.parse().map_err(unreadable)?;
    let generation = row.get::<_, String>(1)?.parse().map_err(unreadable)?;
    let created_at = Timestamp::from_micros(row.get(2)?).ok_or_else(|| unreadable(String::new()))?;
    Ok(Tenant { id, generation, created_at })
}
