//! What can go wrong between this program and PostgreSQL, and what that means.

use std::error::Error as StdError;
use std::time::Duration;

use context_domain::error::Source;
use tokio::time::error::Elapsed;
use tokio_postgres::error::{DbError, Severity, SqlState};

use super::pool::Access;
use crate::failure::{self, DriverError};

/// Why a step failed, before it is known in whose area.
pub(super) type Failure = failure::Failure<tokio_postgres::Error>;

impl Failure {
    /// A call that was sent and ended in `error`.
    pub(super) fn of_call(error: tokio_postgres::Error, access: Access) -> Self {
        match error.as_db_error() {
            Some(refusal) if !ends_the_connection(refusal) => Self::Refused(error),
            None if !is_broken(&error) && access != Access::Write => Self::Misuse(error.to_string()),
            _ => Self::lost(error, access),
        }
    }

    /// A call that was sent, and whose answer cannot come any more.
    pub(super) fn lost(source: impl Into<Source>, access: Access) -> Self {
        match access {
            Access::Read | Access::Scan => {
                Self::unavailable("the connection to the database was lost", source)
            }
            Access::Write => Self::Unanswered(source.into()),
        }
    }

    /// A call that was sent, and whose answer is not waited for any longer than `limit`.
    pub(super) fn late(elapsed: Elapsed, limit: Duration, access: Access) -> Self {
        match access {
            Access::Read | Access::Scan => Self::unavailable(
                format!("the database did not answer within {} s", limit.as_secs()),
                elapsed,
            ),
            Access::Write => Self::Unanswered(Box::new(elapsed)),
        }
    }

    /// What PostgreSQL says it was, where it said something.
    pub(super) fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Refused(error) => error.code(),
            _ => None,
        }
    }

    /// A table, schema, column or function is not there.
    pub(super) fn is_undefined(&self) -> bool {
        const MISSING: [SqlState; 4] = [
            SqlState::UNDEFINED_TABLE,
            SqlState::INVALID_SCHEMA_NAME,
            SqlState::UNDEFINED_COLUMN,
            SqlState::UNDEFINED_FUNCTION,
        ];
        self.code().is_some_and(|code| MISSING.contains(code))
    }

    /// A value stands there already that may stand there only once.
    pub(super) fn is_unique_violation(&self) -> bool {
        self.code() == Some(&SqlState::UNIQUE_VIOLATION)
    }

    /// What was pointed to is not there.
    pub(super) fn is_foreign_key_violation(&self) -> bool {
        self.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION)
    }

    /// Others wrote at the same time, and the whole transaction may be tried again.
    pub(super) fn is_conflict(&self) -> bool {
        const CONFLICTS: [SqlState; 2] =
            [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        self.code().is_some_and(|code| CONFLICTS.contains(code) || is_stale(code))
    }

    /// The role may not do this.
    pub(super) fn is_denied(&self) -> bool {
        self.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
    }

    /// No connection came of it because the server has none left.
    pub(super) fn is_crowd(&self) -> bool {
        let Self::Unavailable { source: Some(source), .. } = self else { return false };
        let refusal = source.downcast_ref::<tokio_postgres::Error>();
        refusal.is_some_and(|error| error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS))
    }

    /// The server met what it did not expect, such as a table that was dropped under a statement.
    pub(super) fn is_internal(&self) -> bool {
        self.code() == Some(&SqlState::INTERNAL_ERROR)
    }

    /// What the log is told.
    pub(super) fn into_source(self) -> Option<Source> {
        match self {
            Self::Refused(error) => Some(Box::new(error)),
            Self::Unavailable { source, .. } | Self::Damaged { source, .. } => source,
            Self::Unanswered(source) => Some(source),
            Self::Misuse(detail) => Some(detail.into()),
        }
    }

    /// The server takes no writes.
    pub(super) fn is_read_only(&self) -> bool {
        self.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
    }
}

impl DriverError for tokio_postgres::Error {
    fn judged(self) -> Failure {
        let Some(code) = self.code().map(|code| code.code().to_owned()) else {
            return Failure::damaged_by("a row of it cannot be read", self);
        };
        match (code.as_str(), code.get(..2).unwrap_or_default()) {
            ("57014", _) => Failure::unavailable("it took too long; nothing was written, try again", self),
            ("55P03", _) => Failure::unavailable(
                "it is busy: others kept it locked; nothing was written, try again",
                self,
            ),
            (_, "40") => Failure::unavailable(
                "it is busy: others wrote the same; nothing was written, try again",
                self,
            ),
            ("25006", _) => Failure::unavailable(
                "the database takes no writes: it is a standby, or set to read-only; where there are several hosts, \
                 target_session_attrs=read-write chooses the one that writes",
                self,
            ),
            ("42501", _) => Failure::damaged_by(
                "the role of the service may not use its tables: `context-service bootstrap` grants what it needs",
                self,
            ),
            ("3F000" | "42P01" | "42703" | "42704" | "42804" | "42883", _) => Failure::damaged_by(
                "its tables are not those that this version makes: `context-service bootstrap` makes what is missing",
                self,
            ),
            ("53100", _) => Failure::unavailable("the database's disk is full; nothing was written", self),
            (_, "53") => {
                Failure::unavailable("the database has no memory or no room left; nothing was written", self)
            }
            (_, "58") => {
                Failure::unavailable("the database's disk reports an error; nothing was written", self)
            }
            // PostgreSQL says so of a statement whose parameters are those of another one of that name.
            ("08P01", _) => Failure::unavailable(
                "a pooler seems to stand before the database unseen, and mixes up its clients' statements: set the connection \
                 mode (--connection-mode, DB_CONNECTION_MODE) to auto or pooled",
                self,
            ),
            (_, "08" | "57") => Failure::unavailable("the database is ending or starting; try again", self),
            ("XX001" | "XX002", _) => Failure::damaged_by("what PostgreSQL stores of it is damaged", self),
            _ => Failure::Refused(self),
        }
    }

    /// What a statement was refused for may quote what was to be stored: the log is told where, not what.
    fn outline(&self) -> String {
        let Some(refusal) = self.as_db_error() else { return self.to_string() };
        let named = [refusal.schema(), refusal.table(), refusal.column(), refusal.constraint()];
        let named: Vec<_> = named.into_iter().flatten().collect();
        format!("PostgreSQL refused a statement: SQLSTATE {} {}", refusal.code().code(), named.join(" "))
    }
}

/// Whether a prepared statement is gone or does not fit any more: tables were changed under it, or somebody between the
/// server and us has dropped it. It was refused before it did anything, and is forgotten.
pub(super) fn is_stale(code: &SqlState) -> bool {
    const STALE: [SqlState; 2] = [SqlState::FEATURE_NOT_SUPPORTED, SqlState::INVALID_SQL_STATEMENT_NAME];
    STALE.contains(code)
}

/// Whether the server closes the connection with this message.
pub(super) fn ends_the_connection(error: &DbError) -> bool {
    match error.parsed_severity() {
        Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
        // Poolers leave the field out that tells it in English on every server.
        None => matches!(error.severity(), "FATAL" | "PANIC"),
    }
}

/// Whether the connection is of no use after an error that is none of the server's messages.
fn is_broken(error: &tokio_postgres::Error) -> bool {
    error.is_closed() || error.source().is_some_and(<dyn StdError>::is::<std::io::Error>)
}
