//! A pooled connection: its session, its prepared statements, and the tenants that it has served.

use std::collections::HashSet;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use context_domain::id::TenantId;
use tokio::time::timeout;
use tokio_postgres::{Client, Row};

use super::super::connect::{Session, SessionMode};
use super::super::failure::{Failure, is_stale};
use super::super::statement::{Param, StatementKind};
use super::prepared::{PreparedStatements, RedactedParam, StatementForm};

/// How long a call may take, from the moment at which it is sent. It is longer than the server's
/// `statement_timeout` ([`SETTINGS`]): a statement that is too slow then ends with an error message and not
/// with a lost connection.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// Statements that a connection keeps prepared.
pub(crate) const MAX_STATEMENTS: usize = 192;
/// Tenants that a connection serves before it is replaced: the server's process caches the catalog entries of
/// each tenant's tables and never evicts them.
pub(crate) const MAX_TENANTS: usize = 300;
/// The settings of a direct connection.
///
/// - `plan_cache_mode`: otherwise PostgreSQL plans each of the first five executions of a prepared statement.
/// - `enable_seqscan`: a generic plan that was made while a table was empty would scan it sequentially until
///   somebody has analyzed it.
/// - `jit`: compiling takes about a second, longer than any of the statements runs.
/// - A statement ends after eight seconds, and a transaction that is left idle by a stopped program after a
///   minute.
pub(crate) const SETTINGS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
     SET jit = off; SET statement_timeout = '8s'; SET idle_in_transaction_session_timeout = '60s'";

/// A connection of the pool.
///
/// **Life cycle.** It is made from a [`Session`], which it sets up if no pooler is in between ([`SETTINGS`]).
/// Its slot keeps it until it is *retired*: because a call failed in a way that makes the connection useless,
/// because it has served [`MAX_TENANTS`] tenants (it then accepts no other tenant, and the slot replaces it),
/// or because the server closed it. It closes when the last call that uses it has ended.
///
/// **Concurrency.** All methods take `&self`: the driver pipelines what several calls send. The pool decides
/// who may share it. A call that is dropped before its response leaves the connection usable: the driver
/// discards the response.
///
/// **Failure.** Every call ends within [`CALL_LIMIT`]. What a failed call means for a read and for a write is
/// described in [`pool`](super).
pub(crate) struct Connection {
    session: Session,
    statements: PreparedStatements,
    tenants: Mutex<HashSet<TenantId>>,
    is_retired: AtomicBool,
    /// Whether the server was asked to cancel what runs on this connection.
    was_cancelled: AtomicBool,
}

impl Connection {
    /// Sets up a session for the pool.
    pub(crate) async fn new(session: Session) -> Result<Self, Failure> {
        if session.mode() == SessionMode::Direct {
            let set = timeout(CALL_LIMIT, session.client().batch_execute(SETTINGS)).await;
            let set = set.map_err(|elapsed| Failure::late(elapsed, CALL_LIMIT, StatementKind::Read))?;
            set.map_err(|error| Failure::of_call(error, StatementKind::Read))?;
        }
        Ok(Self {
            session,
            statements: PreparedStatements::new(MAX_STATEMENTS),
            tenants: Mutex::default(),
            is_retired: AtomicBool::new(false),
            was_cancelled: AtomicBool::new(false),
        })
    }

    /// Returns how statements are sent on it.
    pub(crate) fn mode(&self) -> SessionMode {
        self.session.mode()
    }

    /// Whether it is open, not retired, and may serve this tenant. A new tenant is counted.
    pub(super) fn accepts(&self, tenant: Option<&TenantId>) -> bool {
        if self.is_retired() || self.client().is_closed() {
            return false;
        }
        let Some(tenant) = tenant else { return true };
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.contains(tenant) {
            return true;
        }
        let has_room = tenants.len() < MAX_TENANTS;
        if has_room {
            tenants.insert(tenant.clone());
        }
        has_room
    }

    /// Whether no further call may use it.
    pub(crate) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Relaxed)
    }

    /// Closes it at once: every unanswered call fails.
    pub(super) fn close(&self) {
        self.retire();
        self.session.abort();
    }

    /// Sends one statement in a transaction of its own, and returns its rows.
    pub(crate) async fn query(
        self: &Arc<Self>,
        kind: StatementKind,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let rows = async {
            match self.send_statement(sql, params).await {
                // The prepared statement was refused before it ran. It was forgotten, so this time it is sent
                // unnamed.
                Err(error) if error.code().is_some_and(is_stale) => self.send_statement(sql, params).await,
                other => other,
            }
        };
        self.within_limit(kind, rows).await
    }

    /// Begins a transaction and sends its first statement, in one round trip.
    pub(crate) async fn query_first(
        self: &Arc<Self>,
        begin: &str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let both = async {
            let (begun, rows) =
                tokio::join!(biased; self.client().batch_execute(begin), self.send_statement(sql, params));
            Ok((begun, rows))
        };
        match self.within_limit(StatementKind::Read, both).await? {
            (Ok(()), Ok(rows)) => Ok(rows),
            // BEGIN failed, so the statement ran outside of a transaction and may have written.
            (Err(error), Ok(_)) => Err(self.failed(Failure::Unanswered(Box::new(error)))),
            (Err(error), Err(_)) | (Ok(()), Err(error)) => {
                Err(self.failed(Failure::of_call(error, StatementKind::Read)))
            }
        }
    }

    /// Sends one statement of the transaction that is open on this connection, and returns its rows.
    pub(super) async fn query_within(
        self: &Arc<Self>,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Failure> {
        // A transaction writes nothing before its COMMIT, so a lost connection is as harmless as during a
        // read.
        self.within_limit(StatementKind::Read, self.send_statement(sql, params)).await
    }

    /// Sends a command that has no parameters and returns no rows.
    pub(super) async fn command(self: &Arc<Self>, kind: StatementKind, sql: &str) -> Result<(), Failure> {
        self.within_limit(kind, self.client().batch_execute(sql)).await
    }

    /// Sends a command without waiting for its response; later calls on the connection are sent after it.
    pub(super) fn send(&self, sql: &str) {
        let command = pin!(self.client().batch_execute(sql));
        // One poll sends it. If it cannot be sent, the connection is closed, which also ends its transaction.
        drop(command.poll(&mut Context::from_waker(Waker::noop())));
    }

    /// Asks the server, in a task of its own, to cancel the statement that it runs on this connection.
    ///
    /// The task keeps the connection open until the request has been passed on, because a pooler ignores
    /// requests for clients that have left. The server cancels whatever it runs when the request arrives. On
    /// a shared connection that may be another call's statement, which then fails as cancelled: nothing of it
    /// was written.
    pub(crate) fn cancel(self: &Arc<Self>) {
        self.was_cancelled.store(true, Ordering::Release);
        let connection = Arc::clone(self);
        drop(tokio::spawn(async move { connection.session.cancel().await }));
    }

    fn client(&self) -> &Client {
        self.session.client()
    }

    /// Marks it so that no further call uses it. It closes when the calls that use it have ended.
    fn retire(&self) {
        self.is_retired.store(true, Ordering::Relaxed);
    }

    async fn within_limit<T>(
        self: &Arc<Self>,
        kind: StatementKind,
        call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        match timeout(CALL_LIMIT, call).await {
            // A COMMIT that is cancelled while it waits for a synchronous standby succeeds without the
            // standby, and the request to cancel may have hit this one.
            Ok(Ok(_)) if kind == StatementKind::Write && self.was_cancelled.load(Ordering::Acquire) => {
                let reason = "its COMMIT may have been cancelled before a synchronous standby had it";
                Err(self.failed(Failure::lost(reason, kind)))
            }
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.failed(Failure::of_call(error, kind))),
            Err(elapsed) => {
                self.cancel();
                Err(self.failed(Failure::late(elapsed, CALL_LIMIT, kind)))
            }
        }
    }

    /// Retires the connection if the failure of a call means that the next call would fail too.
    fn failed(&self, failure: Failure) -> Failure {
        // A server that accepts no writes any more was perhaps demoted: a new connection may find the new
        // primary.
        if !matches!(failure, Failure::Refused(_)) || failure.is_read_only() {
            self.retire();
        }
        failure
    }

    async fn send_statement(
        self: &Arc<Self>,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let form = match self.mode() {
            SessionMode::Direct => self.statements.form(sql),
            SessionMode::Pooled => StatementForm::Unnamed,
        };
        match form {
            StatementForm::Unnamed => self.client().query_typed(sql, params).await,
            StatementForm::UnnamedThenPrepare => {
                let rows = self.client().query_typed(sql, params).await;
                match rows {
                    Ok(_) => self.prepare(sql, params),
                    Err(_) => self.statements.forget(sql),
                }
                rows
            }
            StatementForm::Named(statement) => {
                let values: Vec<_> = params.iter().map(|(value, _)| RedactedParam(*value)).collect();
                let values: Vec<_> = values.iter().map(|value| value as _).collect();
                let rows = self.client().query(&statement, &values).await;
                if rows.as_ref().is_err_and(|error| error.code().is_some_and(is_stale)) {
                    self.statements.forget(sql);
                }
                rows
            }
        }
    }

    /// Prepares a statement for the next time. The request is sent now and nobody waits for it. It has a task
    /// of its own so that it completes even if the caller is dropped: otherwise the server would keep a
    /// statement that the driver has forgotten.
    fn prepare(self: &Arc<Self>, sql: &str, params: &[Param<'_>]) {
        let types: Vec<_> = params.iter().map(|(_, ty)| ty.clone()).collect();
        let (connection, sql) = (Arc::clone(self), sql.to_owned());
        let mut preparing: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
            match timeout(CALL_LIMIT, connection.client().prepare_typed(&sql, &types)).await {
                Ok(Ok(statement)) => connection.statements.store(&sql, statement),
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
