//! What can go wrong between this program and PostgreSQL, and what that is in the domain's words.

use std::error::Error as StdError;
use std::time::Duration;

use context_domain::error::{Error, Source};
use context_domain::tenant::TenantId;
use tokio::time::error::Elapsed;
use tokio_postgres::error::{DbError, Severity, SqlState};

use super::pool::Access;

/// Why a step failed, before it is known in whose area.
#[derive(Debug)]
pub(super) enum Failure {
    /// The database refused a statement: nothing of it was done.
    Database(tokio_postgres::Error),
    /// There is no connection, or it broke before anything was written for certain.
    Connection {
        /// What is wrong.
        detail: String,
        /// What the log is told.
        source: Option<Source>,
    },
    /// A write or a COMMIT was sent, and its answer did not come: it may have been carried out.
    Unanswered(Source),
    /// What is stored cannot be what this program stored.
    Damaged {
        /// What is wrong, as a clause about the area.
        detail: String,
        /// What the log is told.
        source: Option<Source>,
    },
    /// The program asked for what makes no sense.
    Misuse(String),
}

impl Failure {
    /// Something stored that cannot be read.
    pub(super) fn damaged(detail: impl Into<String>) -> Self {
        Self::Damaged { detail: detail.into(), source: None }
    }

    /// No connection, because of `source`.
    pub(super) fn connection(detail: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Connection { detail: detail.into(), source: Some(source.into()) }
    }

    /// A call that was sent and ended in `error`.
    pub(super) fn of_call(error: tokio_postgres::Error, access: Access) -> Self {
        match error.as_db_error() {
            Some(refusal) if !ends_the_connection(refusal) => Self::Database(error),
            None if !is_broken(&error) && access != Access::Write => Self::Misuse(error.to_string()),
            _ => Self::lost(error, access),
        }
    }

    /// A call that was sent, and whose answer cannot come any more.
    pub(super) fn lost(source: impl Into<Source>, access: Access) -> Self {
        match access {
            Access::Read | Access::Scan => {
                Self::connection("the connection to the database was lost", source)
            }
            Access::Write => Self::Unanswered(source.into()),
        }
    }

    /// A call that was sent, and whose answer is not waited for any longer than `limit`.
    pub(super) fn late(elapsed: Elapsed, limit: Duration, access: Access) -> Self {
        match access {
            Access::Read | Access::Scan => {
                Self::connection(format!("the database did not answer within {} s", limit.as_secs()), elapsed)
            }
            Access::Write => Self::Unanswered(Box::new(elapsed)),
        }
    }

    /// What PostgreSQL says it was, where it said something.
    pub(super) fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Database(error) => error.code(),
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
        let Self::Connection { source: Some(source), .. } = self else { return false };
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
            Self::Database(error) => Some(Box::new(error)),
            Self::Connection { source, .. } | Self::Damaged { source, .. } => source,
            Self::Unanswered(source) => Some(source),
            Self::Misuse(detail) => Some(detail.into()),
        }
    }

    /// The server takes no writes.
    pub(super) fn is_read_only(&self) -> bool {
        self.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
    }

    /// The failure of a call on `tenant`.
    pub(super) fn in_tenant(self, tenant: &TenantId) -> Error {
        match self.judged() {
            Self::Damaged { detail, source } => {
                Error::TenantUnwell { tenant: tenant.clone(), detail, source }
            }
            other => other.in_store(),
        }
    }

    /// The failure of a call on the store as a whole.
    pub(super) fn in_store(self) -> Error {
        match self.judged() {
            Self::Connection { detail, source } | Self::Damaged { detail, source } => {
                Error::Unavailable { detail, source }
            }
            Self::Unanswered(source) => Error::OutcomeUnknown(source),
            // What a statement was refused for may quote what was to be stored: the log is told where, not what.
            Self::Database(error) => Error::Internal { detail: outline(&error) },
            Self::Misuse(detail) => Error::Internal { detail },
        }
    }

    /// What an error of PostgreSQL means.
    fn judged(self) -> Self {
        let Self::Database(error) = self else { return self };
        let unavailable = |detail: &str, error| Self::connection(detail, Box::new(error) as Source);
        let damaged =
            |detail: &str, error| Self::Damaged { detail: detail.to_owned(), source: Some(Box::new(error)) };
        let Some(code) = error.code().map(|code| code.code().to_owned()) else {
            return damaged("a row of it cannot be read", error);
        };
        match (code.as_str(), code.get(..2).unwrap_or_default()) {
            ("57014", _) => unavailable("it took too long; nothing was written, try again", error),
            ("55P03", _) => {
                unavailable("it is busy: others kept it locked; nothing was written, try again", error)
            }
            (_, "40") => {
                unavailable("it is busy: others wrote the same; nothing was written, try again", error)
            }
            ("25006", _) => unavailable(
                "the database takes no writes: it is a standby, or set to read-only; where there are several hosts, \
                 target_session_attrs=read-write chooses the one that writes",
                error,
            ),
            ("42501", _) => damaged(
                "the role of the service may not use its tables: `context-service bootstrap` grants what it needs",
                error,
            ),
            ("3F000" | "42P01" | "42703" | "42704" | "42804" | "42883", _) => damaged(
                "its tables are not those that this version makes: `context-service bootstrap` makes what is missing",
                error,
            ),
            ("53100", _) => unavailable("the database's disk is full; nothing was written", error),
            (_, "53") => {
                unavailable("the database has no memory or no room left; nothing was written", error)
            }
            (_, "58") => unavailable("the database's disk reports an error", error),
            (_, "08" | "57") => unavailable("the database is ending or starting; try again", error),
            ("XX001" | "XX002", _) => damaged("what PostgreSQL stores of it is damaged", error),
            _ => Self::Database(error),
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
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

/// What an error says without any value that was to be stored.
fn outline(error: &tokio_postgres::Error) -> String {
    let Some(refusal) = error.as_db_error() else { return error.to_string() };
    let named = [refusal.schema(), refusal.table(), refusal.column(), refusal.constraint()];
    let named: Vec<_> = named.into_iter().flatten().collect();
    format!("PostgreSQL refused a statement: SQLSTATE {} {}", refusal.code().code(), named.join(" "))
}
