//! Why a step of a store failed, and which domain error that becomes: the same for both stores and their
//! drivers.

use std::error::Error as StdError;

use context_domain::error::{Error, Source};
use context_domain::id::TenantId;

/// Why a step failed, before it is attributed to a tenant or to the store. `E` is the driver's error.
#[derive(Debug)]
pub(crate) enum Failure<E> {
    /// The database refused a statement, and rolled it back.
    Refused(E),
    /// A write or a COMMIT was sent and no response was received: it may have been carried out.
    Unanswered(Source),
    /// The stored data or its schema is missing, unreadable, or not what this program wrote.
    Damaged {
        /// What is wrong, in a clause about the tenant or the store.
        detail: String,
        /// The underlying error, for the log.
        source: Option<Source>,
    },
    /// The store is unreachable, busy or broken, and nothing was written.
    Unavailable {
        /// What is wrong.
        detail: String,
        /// The underlying error, for the log.
        source: Option<Source>,
    },
    /// This program has a bug: a step was called in a way that is never right.
    Misuse(String),
}

/// An error of a store's driver.
pub(crate) trait DriverError: StdError + Send + Sync + Sized + 'static {
    /// Returns what the error means; [`Failure::Refused`] if it has no special meaning.
    fn judged(self) -> Failure<Self>;

    /// Describes the error without quoting any value that was to be stored.
    fn outline(&self) -> String;
}

impl<E> Failure<E> {
    /// Returns the failure for stored data that cannot be read.
    pub(crate) fn damaged(detail: impl Into<String>) -> Self {
        Self::Damaged { detail: detail.into(), source: None }
    }

    /// Returns the failure for stored data that cannot be read, because of `source`.
    pub(crate) fn damaged_by(detail: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Damaged { detail: detail.into(), source: Some(source.into()) }
    }

    /// Returns the failure for a store that does not work, because of `source`.
    pub(crate) fn unavailable(detail: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Unavailable { detail: detail.into(), source: Some(source.into()) }
    }
}

impl<E: DriverError> Failure<E> {
    /// Replaces a driver's error with what it means.
    pub(crate) fn judged(self) -> Self {
        match self {
            Self::Refused(error) => error.judged(),
            other => other,
        }
    }

    /// Returns the domain's error for a call on `tenant`.
    pub(crate) fn in_tenant(self, tenant: &TenantId) -> Error {
        match self.judged() {
            Self::Damaged { detail, source } => {
                Error::TenantUnhealthy { tenant: tenant.clone(), detail, source }
            }
            other => other.in_store(),
        }
    }

    /// Returns the domain's error for a call on the store as a whole.
    pub(crate) fn in_store(self) -> Error {
        match self.judged() {
            Self::Unavailable { detail, source } | Self::Damaged { detail, source } => {
                Error::Unavailable { detail, source }
            }
            Self::Unanswered(source) => Error::OutcomeUnknown(source),
            Self::Refused(error) => Error::Internal { detail: error.outline() },
            Self::Misuse(detail) => Error::Internal { detail },
        }
    }
}

impl<E: DriverError> From<E> for Failure<E> {
    fn from(error: E) -> Self {
        Self::Refused(error)
    }
}
