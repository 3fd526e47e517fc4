//! A transaction of several statements, on a connection that it has alone.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_postgres::Row;

use super::super::connect::SessionMode;
use super::super::failure::Failure;
use super::super::statement::{Param, StatementKind};
use super::lease::Lease;

/// Commits. PostgreSQL answers COMMIT of a failed transaction with ROLLBACK, and COMMIT outside of a
/// transaction with a warning; the driver takes both for success. SAVEPOINT fails in both cases, and the
/// server then skips the COMMIT.
pub(crate) const COMMIT: &str = "SAVEPOINT committing; COMMIT";
/// Begins a transaction on a direct connection. The statements are written for this isolation level, whatever
/// the default of the database is.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
/// Begins a transaction where a pooler may be in between: settings must end with the transaction.
const BEGIN_POOLED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = '8s'; \
     SET LOCAL idle_in_transaction_session_timeout = '60s'";
const ROLLBACK: &str = "ROLLBACK";

/// A transaction, isolation level READ COMMITTED.
///
/// **Life cycle.** [`Pool::begin`](super::Pool::begin) makes it without sending anything. BEGIN is sent with
/// the first statement, in one round trip; [`commit`](Self::commit) or [`rollback`](Self::rollback) ends it.
/// If it is dropped before, nothing of it is written: ROLLBACK is sent without waiting, or, while a statement
/// is unanswered, the connection is closed.
///
/// **Concurrency.** It owns an exclusive [`Lease`], so no other call's statement can get into it. One
/// statement runs at a time.
///
/// **Failure.** After a statement has failed, only a rollback is accepted. Statements are not retried. A lost
/// connection before the COMMIT is [`Failure::Unavailable`]: nothing was written. During the COMMIT it is
/// [`Failure::Unanswered`].
pub(crate) struct Transaction<'p> {
    lease: Lease<'p>,
    stage: Mutex<TransactionStage>,
}

/// The stage that a transaction has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransactionStage {
    /// Nothing has been sent.
    New,
    /// A statement was sent and is unanswered.
    Waiting,
    /// Everything that was sent has succeeded.
    Sound,
    /// A statement has failed: it can only be rolled back.
    Failed,
    /// It was committed or rolled back.
    Ended,
}

impl<'p> Transaction<'p> {
    /// Makes a transaction on the connection of `lease`, which must be exclusive.
    pub(super) fn new(lease: Lease<'p>) -> Self {
        Self { lease, stage: Mutex::new(TransactionStage::New) }
    }

    /// Sends one statement, and returns its rows.
    pub(crate) async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Failure> {
        let connection = &self.lease.connection;
        let rows = match self.enter(TransactionStage::Waiting) {
            TransactionStage::New => {
                let begin = if connection.mode() == SessionMode::Direct { BEGIN } else { BEGIN_POOLED };
                connection.query_first(begin, sql, params).await
            }
            TransactionStage::Sound => connection.query_within(sql, params).await,
            stage => return Err(self.misused(stage)),
        };
        self.enter(if rows.is_ok() { TransactionStage::Sound } else { TransactionStage::Failed });
        rows
    }

    /// Commits what was written.
    pub(crate) async fn commit(self) -> Result<(), Failure> {
        let committed = match self.enter(TransactionStage::Waiting) {
            TransactionStage::New => Ok(()),
            TransactionStage::Sound => self.lease.connection.command(StatementKind::Write, COMMIT).await,
            stage => return Err(self.misused(stage)),
        };
        self.end(committed)
    }

    /// Rolls back what was written.
    pub(crate) async fn rollback(self) -> Result<(), Failure> {
        let rolled_back = match self.enter(TransactionStage::Waiting) {
            TransactionStage::New => Ok(()),
            TransactionStage::Sound | TransactionStage::Failed => {
                self.lease.connection.command(StatementKind::Read, ROLLBACK).await
            }
            stage => return Err(self.misused(stage)),
        };
        self.end(rolled_back)
    }

    fn end(&self, ended: Result<(), Failure>) -> Result<(), Failure> {
        self.enter(if ended.is_ok() { TransactionStage::Ended } else { TransactionStage::Failed });
        ended
    }

    /// Goes on to `stage`, and returns the previous one.
    fn enter(&self, stage: TransactionStage) -> TransactionStage {
        std::mem::replace(&mut *self.stage(), stage)
    }

    fn misused(&self, stage: TransactionStage) -> Failure {
        self.enter(stage);
        Failure::Misuse(format!("a transaction in the stage {stage:?} was used"))
    }

    fn stage(&self) -> MutexGuard<'_, TransactionStage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        let stage = *self.stage();
        match stage {
            TransactionStage::New | TransactionStage::Ended => {}
            TransactionStage::Waiting => self.lease.connection.close(),
            TransactionStage::Sound | TransactionStage::Failed => self.lease.connection.send(ROLLBACK),
        }
    }
}
