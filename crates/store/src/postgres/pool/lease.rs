//! A lease: the use of a pooled connection for one call or one transaction.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::SemaphorePermit;
use tokio::time::timeout;
use tokio_postgres::Row;

use super::super::failure::Failure;
use super::super::statement::{Param, StatementKind};
use super::connection::Connection;
use super::load::SlotLoad;
use super::shares::Admission;
use super::slot::{PoolSlot, SlotGuard};

/// How long a call may run before its connection counts as stalled.
const STALL: Duration = Duration::from_millis(50);
/// The weight that a stalled call adds to its slot, so that other calls choose other slots.
const STALLED_WEIGHT: usize = 1_000;

/// The use of a pooled connection, from the moment at which the pool hands it out until the lease is dropped.
///
/// **Life cycle.** [`Pool`](super::Pool) makes a lease for each statement, and for each transaction, which
/// owns it. Dropping it gives back, in this order, the connection, the permits for writes and of the tenant's
/// share, the lock on the slot, the weight on the slot and the pool's permit; a connection that was retired
/// meanwhile is removed from its slot.
///
/// **Concurrency.** A shared lease is one of up to sixteen on its connection, whose statements are pipelined;
/// an exclusive lease is the only one. Which of the two it is was decided when the slot was locked.
///
/// **Failure.** A lease does not fail: [`Connection`] retires itself, and the next lease of the slot gets
/// another one.
pub(crate) struct Lease<'p> {
    pub(crate) connection: Arc<Connection>,
    slot: &'p PoolSlot,
    write: Option<SemaphorePermit<'p>>,
    admission: Option<Admission>,
    _guard: SlotGuard<'p>,
    load: SlotLoad,
    _permit: SemaphorePermit<'p>,
}

impl<'p> Lease<'p> {
    /// Makes a lease of `connection`, which is the one in `slot`.
    pub(super) fn new(
        connection: Arc<Connection>,
        (slot, guard): (&'p PoolSlot, SlotGuard<'p>),
        load: SlotLoad,
        permit: SemaphorePermit<'p>,
    ) -> Self {
        Self { connection, slot, write: None, admission: None, _guard: guard, load, _permit: permit }
    }

    /// Makes the lease hold these permits until it ends.
    pub(super) fn holding(
        mut self,
        write: Option<SemaphorePermit<'p>>,
        admission: Option<Admission>,
    ) -> Self {
        self.write = write;
        self.admission = admission;
        self
    }

    /// Sends one statement and returns its rows. If it takes long, the slot is marked as stalled.
    pub(super) async fn query(
        &mut self,
        kind: StatementKind,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let connection = Arc::clone(&self.connection);
        let mut response = pin!(connection.query(kind, sql, params));
        if let Ok(response) = timeout(STALL, &mut response).await {
            return response;
        }
        self.load.grow(STALLED_WEIGHT);
        response.await
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.slot.remove_retired(&self.connection);
    }
}
