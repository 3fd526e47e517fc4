//! What can go wrong with a file of the store, and what that is in the domain's words.

use context_domain::error::{Error, Source};
use context_domain::tenant::TenantId;
use rusqlite::ErrorCode;

/// Why a step failed, before it is known in whose area.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite refused a statement.
    Sqlite(rusqlite::Error),
    /// A COMMIT failed, and may have been carried out.
    Unanswered(rusqlite::Error),
    /// What is stored cannot be what this program stored.
    Damaged {
        /// What is wrong, as a clause about the file.
        detail: String,
        /// What the log is told.
        source: Option<Source>,
    },
    /// The store as a whole does not work.
    Store {
        /// What is wrong.
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

    /// The store does not work, because of `source`.
    pub(super) fn store(detail: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Store { detail: detail.into(), source: Some(source.into()) }
    }

    /// The failure as one of `control.db`: where that is damaged, no tenant works.
    pub(super) fn of_control(self) -> Self {
        match self.judged() {
            Self::Damaged { detail, source } => {
                Self::Store { detail: format!("control.db: {detail}"), source }
            }
            other => other,
        }
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
        match self.of_control() {
            Self::Store { detail, source } | Self::Damaged { detail, source } => {
                Error::Unavailable { detail, source }
            }
            Self::Unanswered(error) => Error::OutcomeUnknown(Box::new(error)),
            Self::Sqlite(error) => Error::Internal { detail: error.to_string() },
            Self::Misuse(detail) => Error::Internal { detail },
        }
    }

    /// A COMMIT that failed with `error`. Certainly nothing was written where it never got to write (busy), or where
    /// not all of it fitted (full): the frame that makes a transaction of it is the last one.
    pub(super) fn of_commit(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull) => Self::Sqlite(error),
            _ => Self::Unanswered(error),
        }
    }

    /// What an error of SQLite means.
    fn judged(self) -> Self {
        let Self::Sqlite(error) = self else { return self };
        let store = |detail: &str, error| Self::store(detail, Box::new(error) as Source);
        let damaged =
            |detail: &str, error| Self::Damaged { detail: detail.to_owned(), source: Some(Box::new(error)) };
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed,
            ) => store("it is busy: others kept it locked; nothing was written, try again", error),
            Some(ErrorCode::DiskFull) => store("the disk is full; nothing was written", error),
            Some(ErrorCode::ReadOnly) => store("its files cannot be written", error),
            Some(ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                store("its files cannot be opened", error)
            }
            Some(ErrorCode::SystemIoFailure) => store("the disk reports an error", error),
            Some(ErrorCode::OutOfMemory) => store("there is no memory left", error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                damaged("its file is damaged, or is no SQLite database", error)
            }
            // What is not named further is a statement that does not fit the tables.
            Some(ErrorCode::Unknown) => damaged("its tables are not those that this version makes", error),
            Some(_) => Self::Misuse(error.to_string()),
            None => damaged("a row of it cannot be read", error),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    fn sqlite(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("driver text".to_owned()))
    }

    #[test]
    fn callers_read_what_happened_and_no_text_of_the_driver() {
        let tenant: TenantId = "t".parse().unwrap();
        for (code, expected) in [
            (ffi::SQLITE_BUSY, "store_unavailable"),
            (ffi::SQLITE_BUSY_SNAPSHOT, "store_unavailable"),
            (ffi::SQLITE_PROTOCOL, "store_unavailable"),
            (ffi::SQLITE_FULL, "store_unavailable"),
            (ffi::SQLITE_READONLY, "store_unavailable"),
            (ffi::SQLITE_CANTOPEN, "store_unavailable"),
            (ffi::SQLITE_IOERR_FSYNC, "store_unavailable"),
            (ffi::SQLITE_NOMEM, "store_unavailable"),
            (ffi::SQLITE_CORRUPT, "tenant_unwell"),
            (ffi::SQLITE_NOTADB, "tenant_unwell"),
            (ffi::SQLITE_ERROR, "tenant_unwell"),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, "internal"),
            (ffi::SQLITE_MISUSE, "internal"),
        ] {
            let error = Failure::from(sqlite(code)).in_tenant(&tenant);
            assert_eq!(error.code(), expected, "{code}");
            assert!(!error.to_string().contains("driver"), "{error}");
            let of_control = Failure::from(sqlite(code)).of_control().in_tenant(&tenant);
            assert_ne!(of_control.code(), "tenant_unwell", "{code}");
        }
        assert_eq!(Failure::from(sqlite(ffi::SQLITE_CORRUPT)).in_store().code(), "store_unavailable");
    }

    #[test]
    fn a_commit_that_may_have_happened_is_unknown() {
        let tenant: TenantId = "t".parse().unwrap();
        let code = |code| Failure::of_commit(sqlite(code)).in_tenant(&tenant).code();
        assert_eq!([code(ffi::SQLITE_BUSY), code(ffi::SQLITE_FULL)], ["store_unavailable"; 2]);
        assert_eq!([code(ffi::SQLITE_IOERR), code(ffi::SQLITE_IOERR_FSYNC)], ["outcome_unknown"; 2]);
    }
}
