//! Why a step of the fleet's work failed, before the message says where.

use std::io;
use std::path::Path;

use tokio_postgres::error::SqlState;

/// Why a step failed. [`Installation::step_failed`](crate::installation::Installation::step_failed) turns it
/// into the error that people see.
#[derive(Debug)]
pub(crate) enum FleetFailure {
    /// The database refused a statement, or the connection broke.
    Database(tokio_postgres::Error),
    /// A file cannot be made or written.
    File {
        /// The operation that failed, and the path.
        what: String,
        source: io::Error,
    },
    /// The step was not taken, for a reason that a retry does not change.
    Refused(String),
}

impl FleetFailure {
    pub(crate) fn of_file(what: &str, path: &Path, source: io::Error) -> Self {
        Self::File { what: format!("{what} {}", path.display()), source }
    }

    /// Whether a retry of the whole transaction may succeed.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Database(error) if error.code().is_some_and(|code| TRANSIENT.contains(code)))
    }
}

/// The SQLSTATEs that are retried: others held a lock for longer than `lock_timeout`, a deadlock, or a
/// serialization failure.
const TRANSIENT: [SqlState; 3] =
    [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE];

impl From<tokio_postgres::Error> for FleetFailure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}
