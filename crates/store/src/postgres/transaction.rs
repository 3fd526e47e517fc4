//! A transaction of several statements, on a connection that it has for itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_postgres::Row;

use super::failure::Failure;
use super::pool::{Access, Place};
use super::session::Mode;
use super::statement::Param;

/// How a transaction begins on a connection of our own. Its isolation is what its statements were written for, whatever the
/// database has for others.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
/// How it begins where a pooler may stand in between: what is set ends with it.
const BEGIN_POOLED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = '8s'; \
     SET LOCAL idle_in_transaction_session_timeout = '60s'";
/// How it is committed. A transaction that has failed is answered by COMMIT with ROLLBACK, one that is not there with a warning,
/// and the driver takes both for success. SAVEPOINT is refused in both, and what stands behind it is then not carried out.
pub(super) const COMMIT: &str = "SAVEPOINT committing; COMMIT";
/// How it is undone.
const ROLLBACK: &str = "ROLLBACK";

/// A transaction. One that is dropped is rolled back: where a statement of it is not answered yet, by closing its
/// connection.
pub(super) struct Transaction<'p> {
    place: Place<'p>,
    stage: Mutex<Stage>,
}

/// How far a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was sent yet.
    New,
    /// A statement was sent, and is not answered.
    Waiting,
    /// All that was sent has succeeded.
    Sound,
    /// A statement has failed: there is nothing to commit.
    Failed,
    /// It has ended.
    Over,
}

impl<'p> Transaction<'p> {
    /// A transaction on the connection of `place`. It begins with its first statement, in the same round trip.
    pub(super) fn new(place: Place<'p>) -> Self {
        Self { place, stage: Mutex::new(Stage::New) }
    }

    /// Carries out one statement.
    pub(super) async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Failure> {
        let connection = &self.place.connection;
        let rows = match self.enter(Stage::Waiting) {
            Stage::New => {
                let begin = if connection.mode() == Mode::Direct { BEGIN } else { BEGIN_POOLED };
                connection.call_first(begin, sql, params).await
            }
            Stage::Sound => connection.call_within(sql, params).await,
            stage => return Err(self.misused(stage)),
        };
        self.enter(if rows.is_ok() { Stage::Sound } else { Stage::Failed });
        rows
    }

    /// Makes what was written last.
    pub(super) async fn commit(self) -> Result<(), Failure> {
        let committed = match self.enter(Stage::Waiting) {
            Stage::New => Ok(()),
            Stage::Sound => self.place.connection.command(Access::Write, COMMIT).await,
            stage => return Err(self.misused(stage)),
        };
        self.enter(if committed.is_ok() { Stage::Over } else { Stage::Failed });
        committed
    }

    /// Undoes what was written.
    pub(super) async fn rollback(self) -> Result<(), Failure> {
        let rolled_back = match self.enter(Stage::Waiting) {
            Stage::New => Ok(()),
            Stage::Sound | Stage::Failed => self.place.connection.command(Access::Read, ROLLBACK).await,
            stage => return Err(self.misused(stage)),
        };
        self.enter(if rolled_back.is_ok() { Stage::Over } else { Stage::Failed });
        rolled_back
    }

    /// Goes on to `stage`, and answers which one was left.
    fn enter(&self, stage: Stage) -> Stage {
        std::mem::replace(&mut *self.stage(), stage)
    }

    fn misused(&self, stage: Stage) -> Failure {
        self.enter(stage);
        Failure::Misuse(format!("a transaction is {stage:?} and was to go on"))
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        let stage = *self.stage();
        match stage {
            Stage::New | Stage::Over => {}
            Stage::Waiting => self.place.connection.close(),
            Stage::Sound | Stage::Failed => self.place.connection.send(ROLLBACK),
        }
    }
}
