//! The access that an operation requires of its caller.

use context_domain::access::{Caller, Permission};
use context_domain::error::Error;

/// The callers that may use an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperationAccess {
    /// Everybody, without a credential.
    Public,
    /// The bearer of any valid key.
    AnyKey,
    /// A caller with this permission in the tenant of the request.
    Tenant(Permission),
    /// Operators.
    Operator,
}

impl OperationAccess {
    /// Returns the least scope of a key that is sufficient; `None` if no key is required.
    pub(crate) fn scope(self) -> Option<&'static str> {
        match self {
            Self::Public => None,
            Self::AnyKey => Some(Permission::Read.as_str()),
            Self::Tenant(permission) => Some(permission.as_str()),
            Self::Operator => Some("operator"),
        }
    }

    /// Checks that `caller` may use the operation.
    ///
    /// # Errors
    /// Those of [`Caller::authorized_tenant`] and [`Caller::authorized_operator`].
    pub(super) fn check(self, caller: &Caller) -> Result<(), Error> {
        match self {
            Self::Public | Self::AnyKey => Ok(()),
            Self::Tenant(needed) => caller.authorized_tenant(needed).map(drop),
            Self::Operator => caller.authorized_operator(),
        }
    }
}
