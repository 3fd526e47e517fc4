//! The meaning of SQLite's errors for the store.

use rusqlite::ErrorCode;

use crate::failure::{self, DriverError};

/// Why a step failed.
pub(super) type Failure = failure::Failure<rusqlite::Error>;

impl Failure {
    /// Returns the failure as one of `control.db`: if that is damaged, no tenant can be served.
    pub(super) fn of_control(self) -> Self {
        match self.judged() {
            Self::Damaged { detail, source } => {
                Self::Unavailable { detail: format!("control.db: {detail}"), source }
            }
            other => other,
        }
    }

    /// Returns the failure of a COMMIT. Nothing was written if it could not begin to write (busy), or if not
    /// all of it fitted on the disk (full): the frame that commits a transaction is written last.
    pub(super) fn of_commit(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull) => Self::Refused(error),
            _ => Self::Unanswered(Box::new(error)),
        }
    }
}

impl DriverError for rusqlite::Error {
    fn judged(self) -> Failure {
        match self.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed,
            ) => Failure::unavailable(
                "it is busy: others kept it locked; nothing was written, try again",
                self,
            ),
            Some(ErrorCode::DiskFull) => Failure::unavailable("the disk is full; nothing was written", self),
            Some(ErrorCode::ReadOnly) => Failure::unavailable("its files cannot be written", self),
            Some(ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Failure::unavailable("its files cannot be opened", self)
            }
            Some(ErrorCode::SystemIoFailure) => Failure::unavailable("the disk reports an error", self),
            Some(ErrorCode::OutOfMemory) => Failure::unavailable("there is no memory left", self),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Failure::damaged_by("its file is damaged, or is no SQLite database", self)
            }
            // SQLITE_ERROR: a statement does not fit the tables.
            Some(ErrorCode::Unknown) => {
                Failure::damaged_by("its tables are not those that this version makes", self)
            }
            Some(_) => Failure::Misuse(self.to_string()),
            None => Failure::damaged_by("a row in it cannot be read", self),
        }
    }

    fn outline(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use context_domain::id::TenantId;

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
            (ffi::SQLITE_CORRUPT, "tenant_unhealthy"),
            (ffi::SQLITE_NOTADB, "tenant_unhealthy"),
            (ffi::SQLITE_ERROR, "tenant_unhealthy"),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, "internal"),
            (ffi::SQLITE_MISUSE, "internal"),
        ] {
            let error = Failure::from(sqlite(code)).in_tenant(&tenant);
            assert_eq!(error.code(), expected, "{code}");
            assert!(!error.to_string().contains("driver"), "{error}");
            let of_control = Failure::from(sqlite(code)).of_control().in_tenant(&tenant);
            assert_ne!(of_control.code(), "tenant_unhealthy", "{code}");
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
