//! The connections to the database: how they are shared, and what happens when one is lost.
//!
//! A [`Pool`] has a fixed number of slots ([`slot`]), each with room for one [`connection`]. A call leases a
//! slot ([`lease`]): the tenant's share admits it ([`shares`]), the least busy slot is chosen ([`load`]), and
//! the slot's connection is opened if it has none. On a *direct* connection single statements are pipelined:
//! up to sixteen calls share it. A [`transaction`], and every call where a pooler may be in between, has its
//! connection alone.
//!
//! # The story of a lost connection
//!
//! This is the one place where it is written down; other files refer to it.
//!
//! **Who notices.** Each connection has a driver task (`connect/driver.rs`) that reads what the server sends.
//! It ends when the socket fails or closes, or with a FATAL message; every unanswered call of the connection
//! then gets an error at once. A silent peer is noticed by TCP keepalives (after about 90 s), or earlier by a
//! call: each waits at most 10 s for its response ([`connection`]). That is longer than the server's
//! `statement_timeout` of 8 s, so a statement that is merely slow ends with an error message on a connection
//! that stays. A call that times out retires its connection. When a driver task ends without its client
//! having closed the connection, the pool counts a *loss* ([`Pool::losses`]). A connection that was lost
//! while it was idle is noticed by the next lease of its slot, which opens another.
//!
//! **What a call returns.** A read, and a statement of a transaction before its COMMIT, fails with
//! `Unavailable`: nothing was written. A write or a COMMIT that was sent fails with `Unanswered`, which
//! callers see as `outcome_unknown`, if
//!
//! - its connection was lost, or the server ended it with a FATAL message, before the response;
//! - no response came within 10 s;
//! - it succeeded on a connection on which the server had been asked to cancel a statement: a COMMIT that
//!   waits for a synchronous standby ends successfully when it is cancelled, before the standby has it;
//! - the BEGIN that was sent with it failed, and it ran outside of a transaction.
//!
//! A write that the server refused with any other message was rolled back, and says so.
//!
//! **Who retries what.** The layers, from the outside in. A write is repeated only after the server has said
//! that nothing of it was written, and never after `Unanswered`: only its caller can repeat it, under its
//! idempotency key.
//!
//! | Layer | Repeats | At most |
//! |---|---|---|
//! | `Service` (`domain/service/write.rs`) | read, compute, commit ¹ | 99 times (from the third, queued) |
//! | `Store::carry_out` (`commit.rs`) | one commit ² | 5 times |
//! | `Directory::remove` (`directory.rs`) | dropping a tenant ³ | 4 times |
//! | `Store::chain_at` (`contexts.rs`) | reading a chain, without the memory ⁴ | once |
//! | [`Pool::query`] | a `Read` or `Scan`, on another lease ⁵ | once |
//! | [`Pool::lease_slot`] | choosing a slot ⁶ | until all slots are marked crowded |
//! | [`Connection::query`] | one statement, unnamed ⁷ | once |
//! | `connect` (`connect/hosts.rs`) | logging in ⁸ | each address twice, in `connect_timeout` |
//!
//! 1. Another write came first, and the caller named no version.
//! 2. It collided with another write: unique or foreign key violation, serialization failure, deadlock, or a
//!    prepared statement that went stale in its transaction.
//! 3. Deadlock or serialization failure: `DROP SCHEMA` locks the tables one after another, and can deadlock
//!    with a transaction of the tenant.
//! 4. A connection was lost while the chain was read.
//! 5. Its connection was lost before the response. Not if it took too long.
//! 6. The server has no connection left for the slot (`too_many_connections`).
//! 7. Its prepared statement is stale: the server refused it before it ran.
//! 8. A host or address did not answer or was refused; or, for the second try of an address, `sslmode`
//!    permits the other kind of connection.
//!
//! No layer can be removed. Switched off one at a time, each of the second to the seventh makes a test fail,
//! except dropping a tenant, because no test provokes that deadlock. No layer can do the work of another:
//! each knows a reason that repeating is safe which the layers above cannot see, and the layers below do not
//! have what has to be repeated. The pool's retry, for instance, cannot move into the connection, which is
//! the one that was lost, nor into the store, where `Unavailable` also means a timeout or a refused login.
//! The pool retries neither: that would only double the wait.
//!
//! **What the memory forgets.** Everything: a server that failed may have lost its last transactions and
//! reuse their numbers, so that the stamps of remembered documents prove nothing (`memory.rs`). The memory is
//! emptied before the first chain that is read after a loss, and a chain read during which a connection was
//! lost is repeated without it.
//!
//! **What is cancelled.** Only a call that waited 10 s: the server is asked, over a connection of its own and
//! for at most 3 s, to cancel what it runs on that call's connection. On a shared connection this may hit the
//! statement of another call, which then fails with `Unavailable`, nothing written. A call that its caller
//! drops cancels nothing: its statement completes and the response is discarded; a dropped transaction is
//! rolled back ([`transaction`]).
//!
//! **Behind a pooler.** Statements are unnamed, connections are not shared and not set up; a transaction
//! brings its settings with `SET LOCAL`. A server that fails behind the pooler is reported by the pooler as a
//! FATAL message on the connections whose statements it ran, and those are losses like any other. The pooler
//! may keep idle clients connected over a failure of the server, which then counts as no loss. A cancel
//! request keeps its connection open until the pooler has passed it on.

mod connection;
mod lease;
mod load;
mod prepared;
mod shares;
mod slot;
mod transaction;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use context_domain::id::TenantId;
use tokio::sync::{AcquireError, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_postgres::Row;

use super::connect::{ConnectionEnd, ConnectionMode, PostgresUrl, Session, SessionMode};
use super::failure::Failure;
use super::statement::{Param, StatementKind};
use load::SlotWeights;
use shares::{Admission, TenantShares};
use slot::PoolSlot;

pub(super) use connection::Connection;
pub(super) use lease::Lease;
pub(super) use shares::Borrower;
pub(super) use slot::Sharing;
pub(super) use transaction::Transaction;
#[cfg(test)]
pub(super) use {
    connection::{MAX_STATEMENTS, MAX_TENANTS, SETTINGS},
    prepared::RedactedParam,
    transaction::COMMIT,
};

/// Calls that may share one connection.
const MAX_PIPELINED: u32 = 16;
/// How long a call waits for a connection, unless connecting may take longer ([`WAIT_MARGIN`]).
const WAIT_LIMIT: Duration = Duration::from_secs(5);
/// A call waits at least this much longer than connecting may take, so that it fails with the reason why that
/// failed.
const WAIT_MARGIN: Duration = Duration::from_secs(1);
/// The weight of a call that has its connection alone.
const EXCLUSIVE_WEIGHT: usize = 1_000;
/// The weight of a call that may take long: statements that are sent after it on its connection wait for it.
const LONG_WEIGHT: usize = 8;

/// The connections of one role to one database.
///
/// **Life cycle.** A pool is made without connecting. Connections are opened when calls need them, up to the
/// limit, and stay open until they are lost, retired, or the pool is dropped. A tenant's calls go to the same
/// two connections while these are not busy, so that each server process caches the tables of few tenants.
///
/// **Concurrency.** All methods take `&self`. A call waits for a connection at most five seconds, or one
/// second longer than `connect_timeout`. Tokio's semaphores are fair, so no call is overtaken forever. One
/// tenant uses at most half of the connections, and one connection is left free of writes, which may wait for
/// row locks.
///
/// **Failure.** See [the story of a lost connection](self#the-story-of-a-lost-connection).
pub(super) struct Pool {
    url: PostgresUrl,
    mode: ConnectionMode,
    wait_limit: Duration,
    slots: Vec<PoolSlot>,
    /// A shared call takes one permit, an exclusive call as many as fit on one connection: a call that has
    /// its permits finds a connection with room.
    admission: Semaphore,
    /// Permits for writes and transactions, one fewer than connections: one is left to calls that wait for no
    /// locks.
    writes: Semaphore,
    shares: TenantShares,
    weights: SlotWeights,
    session_mode: Mutex<Option<SessionMode>>,
    losses: Arc<AtomicU64>,
}

impl Pool {
    /// Makes a pool that opens at most `max_connections` connections, and at least one.
    pub(super) fn new(url: PostgresUrl, mode: ConnectionMode, max_connections: usize) -> Self {
        let count = max_connections.max(1);
        let permits = count.saturating_mul(MAX_PIPELINED as usize).min(Semaphore::MAX_PERMITS);
        Self {
            wait_limit: WAIT_LIMIT.max(url.connecting.limit + WAIT_MARGIN),
            url,
            mode,
            slots: (0..count).map(|_| PoolSlot::default()).collect(),
            admission: Semaphore::new(permits),
            writes: Semaphore::new(count.saturating_sub(1).max(1)),
            shares: TenantShares::new(count, MAX_PIPELINED),
            weights: SlotWeights::new(count),
            session_mode: Mutex::new(None),
            losses: Arc::default(),
        }
    }

    /// Makes another pool for the same URL, for work that must not use this pool's connections. It logs the
    /// session mode only if that differs from this pool's.
    pub(super) fn sibling(&self, max_connections: usize) -> Self {
        let sibling = Self::new(self.url.clone(), self.mode, max_connections);
        *sibling.session_mode() = self.mode();
        sibling
    }

    /// Returns the URL of the database.
    pub(super) fn url(&self) -> &PostgresUrl {
        &self.url
    }

    /// Returns how statements are sent on the connection that was opened last; `None` before the first.
    pub(super) fn mode(&self) -> Option<SessionMode> {
        *self.session_mode()
    }

    /// Returns how many connections were lost: ended by the server or the network.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }

    /// Sends one statement, in a transaction of its own and in one round trip, and returns its rows. `tenant`
    /// is the tenant whose data it is about.
    pub(super) async fn query(
        &self,
        tenant: Option<&TenantId>,
        kind: StatementKind,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let mut lease = self.lease(tenant, kind, Sharing::Shared).await?;
        let rows = lease.query(kind, sql, params).await;
        drop(lease);
        match rows {
            // Only a read is `Unavailable` with a source; `Elapsed` means that it took too long. The
            // connection may have been lost while it was idle, before anybody could notice.
            Err(Failure::Unavailable { source: Some(source), .. }) if !source.is::<Elapsed>() => {
                let mut lease = self.lease(tenant, kind, Sharing::Shared).await?;
                lease.query(kind, sql, params).await
            }
            other => other,
        }
    }

    /// Begins a transaction, which has its connection alone.
    pub(super) async fn begin(&self, tenant: Option<&TenantId>) -> Result<Transaction<'_>, Failure> {
        let lease = self.lease(tenant, StatementKind::Write, Sharing::Exclusive).await?;
        Ok(Transaction::new(lease))
    }

    /// Leases a connection for a call of that weight. If the server has fewer connections for this role than
    /// the pool has slots, the slots that have one are used.
    pub(super) async fn lease_slot(
        &self,
        borrower: Borrower<'_>,
        weight: usize,
        sharing: Sharing,
    ) -> Result<Lease<'_>, Failure> {
        loop {
            match self.try_lease_slot(borrower, weight, sharing).await {
                Err(failure) if failure.is_crowd() && self.weights.has_uncrowded() => {}
                other => return other,
            }
        }
    }

    /// Leases a connection for a call, or fails when it has waited long enough.
    async fn lease(
        &self,
        tenant: Option<&TenantId>,
        kind: StatementKind,
        sharing: Sharing,
    ) -> Result<Lease<'_>, Failure> {
        let leased = async {
            let may_share = sharing == Sharing::Shared && self.mode() == Some(SessionMode::Direct);
            let permits = if may_share { 1 } else { MAX_PIPELINED };
            let admission = self.admit(tenant, permits, kind).await?;
            let share = admission.as_ref().map(|admission| Arc::clone(&admission.share));
            let borrower = Borrower { tenant, share: share.as_ref() };
            let write = match kind {
                StatementKind::Read | StatementKind::Scan => None,
                StatementKind::Write => Some(self.writes.acquire().await.map_err(|error| closed(&error))?),
            };
            if may_share {
                let weight = if kind == StatementKind::Read { 1 } else { LONG_WEIGHT };
                let lease = self.lease_slot(borrower, weight, Sharing::Shared).await?;
                // The pool's mode is that of the connection opened last. This one may differ: it is checked
                // before it is shared.
                if lease.connection.mode() == SessionMode::Direct {
                    return Ok(lease.holding(write, admission));
                }
            }
            let lease = self.lease_slot(borrower, EXCLUSIVE_WEIGHT, Sharing::Exclusive).await?;
            Ok(lease.holding(write, admission))
        };
        timeout(self.wait_limit, leased).await.unwrap_or_else(|elapsed| {
            let detail = format!(
                "all {} connections to the database are busy; try again, or allow more connections",
                self.slots.len()
            );
            Err(Failure::unavailable(detail, elapsed))
        })
    }

    /// Waits until the tenant uses less than its share.
    async fn admit(
        &self,
        tenant: Option<&TenantId>,
        permits: u32,
        kind: StatementKind,
    ) -> Result<Option<Admission>, Failure> {
        let Some(tenant) = tenant else { return Ok(None) };
        let admission = self.shares.share_of(tenant).admit(permits, kind).await;
        admission.map(Some).map_err(|error| closed(&error))
    }

    async fn try_lease_slot(
        &self,
        borrower: Borrower<'_>,
        weight: usize,
        sharing: Sharing,
    ) -> Result<Lease<'_>, Failure> {
        let permits = if sharing == Sharing::Exclusive { MAX_PIPELINED } else { 1 };
        let permit = self.admission.acquire_many(permits).await.map_err(|error| closed(&error))?;
        let load = self.weights.choose(borrower, weight);
        let slot = self.slots.get(load.slot()).ok_or_else(|| Failure::Misuse("no such slot".to_owned()))?;
        let guard = slot.lock(sharing).await;
        let connection = slot.connection(borrower.tenant, self.open()).await;
        let connection = connection.inspect_err(|failure| {
            if failure.is_crowd() {
                load.mark_crowded();
            }
        })?;
        Ok(Lease::new(connection, (slot, guard), load, permit))
    }

    async fn open(&self) -> Result<Connection, Failure> {
        let mut session = Session::connect(&self.url, self.mode).await?;
        if let Some(end) = session.take_end() {
            self.count_loss(end);
        }
        let mode = session.mode();
        let before = self.session_mode().replace(mode);
        if before != Some(mode) {
            tracing::info!(
                ?mode,
                hosts = self.url.hosts(),
                database = self.url.database(),
                "PostgreSQL is reached"
            );
        }
        Connection::new(session).await
    }

    /// Waits in a task for the end of a connection, and counts it if it is a loss.
    fn count_loss(&self, end: JoinHandle<ConnectionEnd>) {
        let losses = Arc::clone(&self.losses);
        drop(tokio::spawn(async move {
            if end.await.is_ok_and(|end| end == ConnectionEnd::Lost) {
                losses.fetch_add(1, Ordering::Release);
            }
        }));
    }

    fn session_mode(&self) -> MutexGuard<'_, Option<SessionMode>> {
        self.session_mode.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed(error: &AcquireError) -> Failure {
    Failure::Misuse(error.to_string())
}
