//! Why a step of a store failed, and what that is in the domain's words: the same for every store, whatever its driver says.

use std::error::Error as StdError;

use context_domain::error::{Error, Source};
use context_domain::id::TenantId;

/// Why a step failed, before it is known in whose area. `E` is an error of the store's driver.
#[derive(Debug)]
pub(crate) enum Failure<E> {
    /// The database refused a statement: nothing of it was done.
    Refused(E),
    /// A write or a COMMIT was sent, and its answer did not come: it may have been carried out.
    Unanswered(Source),
    /// What is stored cannot be what this program stored.
    Damaged {
        /// What is wrong, as a clause about the area.
        detail: String,
        /// What the log is told.
        source: Option<Source>,
    },
    /// The store does not work or is not reached, or is busy: certainly nothing was written.
    Unavailable {
        /// What is wrong.
        detail: String,
        /// What the log is told.
        source: Option<Source>,
    },
    /// The program asked for what makes no sense.
    Misuse(String),
}

/// An error of a store's driver.
pub(crate) trait DriverError: StdError + Send + Sync + Sized + 'static {
    /// What it means; [`Failure::Refused`] where nothing more is known of it.
    fn judged(self) -> Failure<Self>;

    /// What it says, without any value that was to be stored.
    fn outline(&self) -> String;
}

impl<E> Failure<E> {
    /// Something stored that cannot be read.
    pub(crate) fn damaged(detail: impl Into<String>) -> Self {
        Self::Damaged { detail: detail.into(), source: None }
    }

    /// Something stored that cannot be read, because of `source`.
    pub(crate) fn damaged_by(detail: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Damaged { detail: detail.into(), source: Some(source.into()) }
    }

    /// The store does not work, because of `source`.
    pub(crate) fn unavailable(detail: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Unavailable { detail: detail.into(), source: Some(source.into()) }
    }
}

impl<E: DriverError> Failure<E> {
    /// The same, with what the driver's error means.
    pub(crate) fn judged(self) -> Self {
        match self {
            Self::Refused(error) => error.judged(),
            other => other,
        }
    }

    /// The failure of a call on `tenant`.
    pub(crate) fn in_tenant(self, tenant: &TenantId) -> Error {
        match self.judged() {
            Self::Damaged { detail, source } => {
                Error::TenantUnhealthy { tenant: tenant.clone(), detail, source }
            }
            other => other.in_store(),
        }
    }

    /// The failure of a call on the store as a whole.
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
