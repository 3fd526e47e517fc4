//! The meaning of an error of PostgreSQL or of its driver: whether something was written, and what to do.

use std::error::Error as StdError;
use std::time::Duration;

use context_domain::error::Source;
use tokio::time::error::Elapsed;
use tokio_postgres::error::{DbError, Severity, SqlState};

use super::statement::StatementKind;
use crate::failure::{self, DriverError};

/// Why a step failed, before it is attributed to a tenant or to the store.
pub(super) type Failure = failure::Failure<tokio_postgres::Error>;

impl Failure {
    /// Returns the failure of a call that was sent and ended with `error`.
    pub(super) fn of_call(error: tokio_postgres::Error, kind: StatementKind) -> Self {
        match error.as_db_error() {
            Some(refusal) if !ends_the_connection(refusal) => Self::Refused(error),
            None if !is_broken(&error) && kind != StatementKind::Write => Self::Misuse(error.to_string()),
            _ => Self::lost(error, kind),
        }
    }

    /// Returns the failure of a call that was sent and whose response was lost.
    pub(super) fn lost(source: impl Into<Source>, kind: StatementKind) -> Self {
        match kind {
            StatementKind::Read | StatementKind::Scan => {
                Self::unavailable("the connection to the database was lost", source)
            }
            StatementKind::Write => Self::Unanswered(source.into()),
        }
    }

    /// Returns the failure of a call that was sent and got no response within `limit`.
    pub(super) fn late(elapsed: Elapsed, limit: Duration, kind: StatementKind) -> Self {
        match kind {
            StatementKind::Read | StatementKind::Scan => Self::unavailable(
                format!("the database did not answer within {} s", limit.as_secs()),
                elapsed,
            ),
            StatementKind::Write => Self::Unanswered(Box::new(elapsed)),
        }
    }

    /// Returns the SQLSTATE, if the server refused the call.
    pub(super) fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Refused(error) => error.code(),
            _ => None,
        }
    }

    /// Whether a table, schema, column or function does not exist.
    pub(super) fn is_undefined(&self) -> bool {
        const MISSING: [SqlState; 4] = [
            SqlState::UNDEFINED_TABLE,
            SqlState::INVALID_SCHEMA_NAME,
            SqlState::UNDEFINED_COLUMN,
            SqlState::UNDEFINED_FUNCTION,
        ];
        self.code().is_some_and(|code| MISSING.contains(code))
    }

    /// Whether a row with the same unique value exists already.
    pub(super) fn is_unique_violation(&self) -> bool {
        self.code() == Some(&SqlState::UNIQUE_VIOLATION)
    }

    /// Whether a referenced row does not exist.
    pub(super) fn is_foreign_key_violation(&self) -> bool {
        self.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION)
    }

    /// Whether the transaction collided with another one, was rolled back, and may be repeated.
    pub(super) fn is_conflict(&self) -> bool {
        const CONFLICTS: [SqlState; 2] =
            [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        self.code().is_some_and(|code| CONFLICTS.contains(code) || is_stale(code))
    }

    /// Whether the role lacks a privilege.
    pub(super) fn is_denied(&self) -> bool {
        self.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
    }

    /// Whether connecting failed because the server has no connection left.
    pub(super) fn is_crowd(&self) -> bool {
        let Self::Unavailable { source: Some(source), .. } = self else { return false };
        let refusal = source.downcast_ref::<tokio_postgres::Error>();
        refusal.is_some_and(|error| error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS))
    }

    /// Whether the server reported an internal error, such as for a table that was dropped while a statement
    /// used it.
    pub(super) fn is_internal(&self) -> bool {
        self.code() == Some(&SqlState::INTERNAL_ERROR)
    }

    /// Returns the underlying error, for the log.
    pub(super) fn into_source(self) -> Option<Source> {
        match self {
            Self::Refused(error) => Some(Box::new(error)),
            Self::Unavailable { source, .. } | Self::Damaged { source, .. } => source,
            Self::Unanswered(source) => Some(source),
            Self::Misuse(detail) => Some(detail.into()),
        }
    }

    /// Whether the server accepts no writes.
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
                "it is busy: others wrote the same rows; nothing was written, try again",
                self,
            ),
            ("25006", _) => Failure::unavailable(
                "the database takes no writes: it is a standby, or set to read-only; if the URL names \
                 several hosts, target_session_attrs=read-write chooses one that accepts writes",
                self,
            ),
            ("42501", _) => Failure::damaged_by(
                "the service's role may not use its tables: `context-service bootstrap` grants what it needs",
                self,
            ),
            ("3F000" | "42P01" | "42703" | "42704" | "42804" | "42883", _) => Failure::damaged_by(
                "its tables are not those of this version: `context-service bootstrap` makes what is missing",
                self,
            ),
            ("53100", _) => Failure::unavailable("the database's disk is full; nothing was written", self),
            (_, "53") => {
                Failure::unavailable("the database has no memory or no room left; nothing was written", self)
            }
            (_, "58") => {
                Failure::unavailable("the database's disk reports an error; nothing was written", self)
            }
            // PostgreSQL's error if the parameters do not fit the statement that has this name.
            ("08P01", _) => Failure::unavailable(
                "there seems to be a pooler before the database that mixes up its clients' prepared \
                 statements: set the connection mode (--connection-mode, DB_CONNECTION_MODE) to auto or \
                 pooled",
                self,
            ),
            (_, "08" | "57") => {
                Failure::unavailable("the database is shutting down or starting; try again", self)
            }
            ("XX001" | "XX002", _) => Failure::damaged_by("its files in PostgreSQL are damaged", self),
            _ => Failure::Refused(self),
        }
    }

    /// Names the table and the constraint, not the message, which may quote values that were to be stored.
    fn outline(&self) -> String {
        let Some(refusal) = self.as_db_error() else { return self.to_string() };
        let named = [refusal.schema(), refusal.table(), refusal.column(), refusal.constraint()];
        let named: Vec<_> = named.into_iter().flatten().collect();
        format!("PostgreSQL refused a statement: SQLSTATE {} {}", refusal.code().code(), named.join(" "))
    }
}

/// Whether a prepared statement is stale: its tables were changed, or a pooler has deallocated it. The server
/// refused it before it ran.
pub(super) fn is_stale(code: &SqlState) -> bool {
    const STALE: [SqlState; 2] = [SqlState::FEATURE_NOT_SUPPORTED, SqlState::INVALID_SQL_STATEMENT_NAME];
    STALE.contains(code)
}

/// Whether the server closes the connection after this message.
pub(super) fn ends_the_connection(error: &DbError) -> bool {
    match error.parsed_severity() {
        Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
        // Poolers omit the field that is never localized.
        None => matches!(error.severity(), "FATAL" | "PANIC"),
    }
}

/// Whether an error that is not a message of the server means that the connection is lost.
fn is_broken(error: &tokio_postgres::Error) -> bool {
    error.is_closed() || error.source().is_some_and(<dyn StdError>::is::<std::io::Error>)
}
