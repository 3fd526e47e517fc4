//! A pooled connection: its session, the statements that it keeps, and the tenants that it has served.

use std::collections::HashSet;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use context_domain::id::TenantId;
use tokio::time::timeout;
use tokio_postgres::{Client, Row};

use super::failure::{Failure, is_stale};
use super::pool::Access;
use super::session::{Mode, Session};
use super::statement::{Param, Sending, Statements, Unseen};

/// How long a call may take, from the moment at which it is sent. It is longer than what the server grants a statement,
/// so that what is too slow ends with an answer and not with a broken connection.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// Statements that a connection keeps prepared.
pub(super) const MAX_STATEMENTS: usize = 192;
/// Tenants that a connection serves before another takes its place: the server's process remembers the tables of
/// each, and forgets none.
pub(super) const MAX_TENANTS: usize = 300;
/// What a connection of our own is set to. A prepared statement would be planned anew five times before its plan is
/// kept; and one that was made for an empty table would read the table from end to end until somebody has counted it,
/// if it might. Machine code takes a second to make, which no statement of ours takes to run. A statement ends after eight
/// seconds, a transaction whose program has stopped after a minute.
pub(super) const SETTINGS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
     SET jit = off; SET statement_timeout = '8s'; SET idle_in_transaction_session_timeout = '60s'";

/// A connection of the pool.
pub(super) struct Connection {
    session: Session,
    statements: Statements,
    tenants: Mutex<HashSet<TenantId>>,
    is_retired: AtomicBool,
    /// Whether the server was asked to end a statement of it.
    was_cancelled: AtomicBool,
}

impl Connection {
    /// Takes a session into the pool.
    pub(super) async fn new(session: Session) -> Result<Self, Failure> {
        if session.mode() == Mode::Direct {
            let set = timeout(CALL_LIMIT, session.client().batch_execute(SETTINGS)).await;
            let set = set.map_err(|elapsed| Failure::late(elapsed, CALL_LIMIT, Access::Read))?;
            set.map_err(|error| Failure::of_call(error, Access::Read))?;
        }
        Ok(Self {
            session,
            statements: Statements::new(MAX_STATEMENTS),
            tenants: Mutex::default(),
            is_retired: AtomicBool::new(false),
            was_cancelled: AtomicBool::new(false),
        })
    }

    /// How statements are sent on it.
    pub(super) fn mode(&self) -> Mode {
        self.session.mode()
    }

    /// The driver's half.
    pub(super) fn client(&self) -> &Client {
        self.session.client()
    }

    /// Whether a call for `home` may use it. One that has served its share of tenants may not be used for another.
    pub(super) fn takes(&self, home: Option<&TenantId>) -> bool {
        if self.is_retired() || self.client().is_closed() {
            return false;
        }
        let Some(home) = home else { return true };
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.contains(home) {
            return true;
        }
        let has_room = tenants.len() < MAX_TENANTS;
        if has_room {
            tenants.insert(home.clone());
        }
        has_room
    }

    /// Whether no further call may use it.
    pub(super) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Relaxed)
    }

    /// Lets no further call use it. Those that do end as they will; then it is closed, whatever the server does.
    pub(super) fn retire(&self) {
        self.is_retired.store(true, Ordering::Relaxed);
    }

    /// Closes it at once.
    pub(super) fn close(&self) {
        self.retire();
        self.session.abort();
    }

    /// Carries out one statement in a transaction of its own.
    pub(super) async fn call(
        self: &Arc<Self>,
        access: Access,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let run = async {
            match self.run(sql, params).await {
                // It was refused before it did anything, and is sent without its name the second time.
                Err(error) if error.code().is_some_and(is_stale) => self.run(sql, params).await,
                other => other,
            }
        };
        self.within_limit(access, run).await
    }

    /// Begins a transaction and carries out its first statement, in one round trip.
    pub(super) async fn call_first(
        self: &Arc<Self>,
        begin: &str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let both = async {
            let (begun, rows) =
                tokio::join!(biased; self.client().batch_execute(begin), self.run(sql, params));
            Ok((begun, rows))
        };
        match self.within_limit(Access::Read, both).await? {
            (Ok(()), Ok(rows)) => Ok(rows),
            // The statement was carried out by itself, outside of any transaction.
            (Err(error), Ok(_)) => Err(self.failed(Failure::Unanswered(Box::new(error)))),
            (Err(error), Err(_)) | (Ok(()), Err(error)) => {
                Err(self.failed(Failure::of_call(error, Access::Read)))
            }
        }
    }

    /// Carries out one statement of a transaction that is open on this connection.
    pub(super) async fn call_within(
        self: &Arc<Self>,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Failure> {
        // Nothing of a transaction is written before its COMMIT.
        self.within_limit(Access::Read, self.run(sql, params)).await
    }

    /// Carries out a command that has no parameters and no rows.
    pub(super) async fn command(self: &Arc<Self>, access: Access, sql: &str) -> Result<(), Failure> {
        self.within_limit(access, self.client().batch_execute(sql)).await
    }

    /// Sends a command at once, and leaves its answer to whoever uses the connection next.
    pub(super) fn send(&self, sql: &str) {
        let command = pin!(self.client().batch_execute(sql));
        // What it says is not awaited: where it is not sent, the connection is closed, and that ends as much.
        drop(command.poll(&mut Context::from_waker(Waker::noop())));
    }

    async fn within_limit<T>(
        self: &Arc<Self>,
        access: Access,
        call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        match timeout(CALL_LIMIT, call).await {
            // A commit that waits for a standby when it is asked to end succeeds without the standby, whoever was meant.
            Ok(Ok(_)) if access == Access::Write && self.was_cancelled.load(Ordering::Acquire) => {
                Err(self.failed(Failure::lost("it may have ended before a standby had it", access)))
            }
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.failed(Failure::of_call(error, access))),
            Err(elapsed) => {
                self.cancel();
                Err(self.failed(Failure::late(elapsed, CALL_LIMIT, access)))
            }
        }
    }

    /// Asks the server to end what it is at, and keeps the connection for as long: a pooler passes on only what concerns one.
    /// Where others share the connection, it is theirs that took so long, or it is told as ended, and nothing was written.
    pub(super) fn cancel(self: &Arc<Self>) {
        self.was_cancelled.store(true, Ordering::Release);
        let connection = Arc::clone(self);
        drop(tokio::spawn(async move { connection.session.cancel().await }));
    }

    /// Retires the connection where its call has failed in such a way that the next one would too.
    fn failed(&self, failure: Failure) -> Failure {
        // Where the server takes no writes any more, another of its hosts may.
        if !matches!(failure, Failure::Refused(_)) || failure.is_read_only() {
            self.retire();
        }
        failure
    }

    async fn run(
        self: &Arc<Self>,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let sending = match self.mode() {
            Mode::Direct => self.statements.recall(sql),
            Mode::Pooled => Sending::Unnamed,
        };
        match sending {
            Sending::Unnamed => self.client().query_typed(sql, params).await,
            Sending::UnnamedThenPrepare => {
                let rows = self.client().query_typed(sql, params).await;
                match rows {
                    Ok(_) => self.prepare(sql, params),
                    Err(_) => self.statements.forget(sql),
                }
                rows
            }
            Sending::Named(statement) => {
                let values: Vec<_> = params.iter().map(|(value, _)| Unseen(*value)).collect();
                let values: Vec<_> = values.iter().map(|value| value as _).collect();
                let rows = self.client().query(&statement, &values).await;
                if rows.as_ref().is_err_and(|error| error.code().is_some_and(is_stale)) {
                    self.statements.forget(sql);
                }
                rows
            }
        }
    }

    /// Prepares a statement for the next time. It is sent now, behind what the caller sent, and waited for by nobody; and
    /// it is not dropped half-way with the caller, because the server would keep a statement that nobody knows.
    fn prepare(self: &Arc<Self>, sql: &str, params: &[Param<'_>]) {
        let types: Vec<_> = params.iter().map(|(_, ty)| ty.clone()).collect();
        let (connection, sql) = (Arc::clone(self), sql.to_owned());
        let mut preparing: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
            match timeout(CALL_LIMIT, connection.client().prepare_typed(&sql, &types)).await {
                Ok(Ok(statement)) => connection.statements.keep(&sql, statement),
                _ => connection.statements.forget(&sql),
            }
        });
        if preparing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            drop(tokio::spawn(preparing));
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_retired() {
            self.session.abort();
        }
    }
}
