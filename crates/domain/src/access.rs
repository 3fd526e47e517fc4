//! Principals, their access, and callers. Only this file decides what a caller may do.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::fault::one_of;
use crate::id::TenantId;

/// An authenticated identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The name recorded with each change.
    pub name: String,
    /// The access of the principal.
    pub access: Access,
}

/// The access of a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everything, including tenants and keys. This is the operator, and every caller of an installation that
    /// runs without credentials.
    Operator,
    /// The contexts of one tenant, as far as the permission allows, and nothing else.
    Tenant {
        /// The tenant.
        tenant: TenantId,
        /// The permission in the tenant.
        permission: Permission,
    },
}

/// A permission on the contexts of a tenant. Each permission includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Read contexts, resolved contexts, lists and changes.
    Read,
    /// Also write contexts.
    Write,
    /// Everything in the tenant.
    Admin,
}

impl Permission {
    /// All permissions, the weakest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// Returns the permission's name: `read`, `write` or `admin`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|permission| permission.as_str() == text);
        found.ok_or_else(|| {
            format!("'{text}' is not a scope of a key: use {}", one_of(&Self::ALL.map(Self::as_str)))
        })
    }
}

/// The sender of one request: its principal, the tenant it is about, and the request's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    principal: Principal,
    tenant: Option<TenantId>,
    request_id: String,
}

impl Caller {
    /// Returns the caller of a request about the contexts of `tenant`.
    pub fn in_tenant(principal: Principal, tenant: TenantId, request_id: String) -> Self {
        Self { principal, tenant: Some(tenant), request_id }
    }

    /// Returns the caller of a request about the installation: its tenants, keys or health.
    pub fn in_installation(principal: Principal, request_id: String) -> Self {
        Self { principal, tenant: None, request_id }
    }

    /// Returns the principal's name, which is recorded with each change.
    pub fn name(&self) -> &str {
        &self.principal.name
    }

    /// Returns the request's id, which logs and change records carry.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// Returns the request's tenant if the caller has the permission `needed` there. The tenant cannot be
    /// read in any other way, so nothing is read before the caller is authorized.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`] if the principal belongs to another tenant, whether or not this one exists.
    /// [`Error::Forbidden`] if the caller has a weaker permission, or the request has no tenant.
    pub fn authorized_tenant(&self, needed: Permission) -> Result<&TenantId, Error> {
        let tenant = self.tenant.as_ref().ok_or(Error::Forbidden { needs: "tenant" })?;
        match &self.principal.access {
            Access::Tenant { tenant: own, .. } if own != tenant => {
                Err(Error::TenantNotFound { tenant: tenant.clone() })
            }
            Access::Tenant { permission, .. } if *permission < needed => {
                Err(Error::Forbidden { needs: needed.as_str() })
            }
            Access::Operator | Access::Tenant { .. } => Ok(tenant),
        }
    }

    /// Checks that the caller is an operator. Only operators may work on tenants and keys.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if it is not.
    pub fn authorized_operator(&self) -> Result<(), Error> {
        match self.principal.access {
            Access::Operator => Ok(()),
            Access::Tenant { .. } => Err(Error::Forbidden { needs: "operator" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(access: Access) -> Caller {
        let principal = Principal { name: "p".to_owned(), access };
        Caller::in_tenant(principal, "one".parse().unwrap(), "r".to_owned())
    }

    fn tenant_caller(tenant: &str, permission: Permission) -> Caller {
        caller(Access::Tenant { tenant: tenant.parse().unwrap(), permission })
    }

    #[test]
    fn a_tenants_principal_sees_its_own_tenant_only() {
        assert!(tenant_caller("one", Permission::Admin).authorized_tenant(Permission::Read).is_ok());
        let other = tenant_caller("two", Permission::Admin);
        for needed in Permission::ALL {
            assert!(matches!(other.authorized_tenant(needed), Err(Error::TenantNotFound { .. })));
        }
        assert!(matches!(other.authorized_operator(), Err(Error::Forbidden { .. })));
    }

    #[test]
    fn a_permission_includes_those_before_it() {
        for given in Permission::ALL {
            for needed in Permission::ALL {
                let verdict = tenant_caller("one", given).authorized_tenant(needed).map(|_| ());
                assert_eq!(verdict.is_ok(), given >= needed, "{given} for {needed}");
            }
        }
    }

    #[test]
    fn an_operator_may_do_everything() {
        let operator = caller(Access::Operator);
        assert!(operator.authorized_tenant(Permission::Admin).is_ok());
        assert!(operator.authorized_operator().is_ok());
    }
}
