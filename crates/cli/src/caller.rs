//! The identities that the command line acts as.

use context_domain::access::{Access, Caller, Permission, Principal};
use context_domain::id::{IdSource, RandomIds, TenantId};

use crate::failure::CommandFailure;

/// Returns the operator, who may do everything in the installation.
pub(crate) fn operator() -> Caller {
    Caller::in_installation(Principal { name: "cli".to_owned(), access: Access::Operator }, request_id())
}

/// Returns a caller that may read and write the contexts of this one tenant and nothing else.
pub(crate) fn tenant_caller(tenant: TenantId) -> Caller {
    let access = Access::Tenant { tenant: tenant.clone(), permission: Permission::Write };
    Caller::in_tenant(Principal { name: "cli".to_owned(), access }, tenant, request_id())
}

/// Reads a tenant's id from the command line.
pub(crate) fn tenant_id(text: &str) -> Result<TenantId, CommandFailure> {
    text.parse().map_err(|rule: String| CommandFailure::usage(rule))
}

fn request_id() -> String {
    RandomIds.uuid().to_string()
}
