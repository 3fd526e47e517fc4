//! Who calls, and what they may do.

use crate::error::Error;
use crate::tenant::TenantId;

/// An authenticated identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The name that change records carry.
    pub name: String,
    /// What it may do.
    pub access: Access,
}

/// What a principal may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everything, tenants included: the operator, and every caller of an installation without credentials.
    Operator,
    /// Everything with the contexts of one tenant, and nothing else.
    Tenant(TenantId),
}

/// One request: who, in which tenant, under which id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    principal: Principal,
    tenant: Option<TenantId>,
    request_id: String,
}

impl Caller {
    /// A request about the contexts of `tenant`.
    pub fn in_tenant(principal: Principal, tenant: TenantId, request_id: String) -> Self {
        Self { principal, tenant: Some(tenant), request_id }
    }

    /// A request about the installation: its tenants or its health.
    pub fn in_installation(principal: Principal, request_id: String) -> Self {
        Self { principal, tenant: None, request_id }
    }

    /// The name that change records carry.
    pub fn name(&self) -> &str {
        &self.principal.name
    }

    /// The request's id, in logs and change records.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The tenant whose contexts the caller may read and write. There is no other way to learn it, so that nothing
    /// is read before this was asked.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`]: another tenant's area cannot be told from nothing. [`Error::Forbidden`] where the
    /// request names no tenant.
    pub fn authorized_tenant(&self) -> Result<&TenantId, Error> {
        let tenant = self.tenant.as_ref().ok_or(Error::Forbidden { needs: "a tenant" })?;
        match &self.principal.access {
            Access::Tenant(own) if own != tenant => Err(Error::TenantNotFound { tenant: tenant.clone() }),
            Access::Operator | Access::Tenant(_) => Ok(tenant),
        }
    }

    /// Lets an operator pass, who alone may create, list and drop tenants.
    ///
    /// # Errors
    /// [`Error::Forbidden`]
    pub fn authorized_operator(&self) -> Result<(), Error> {
        match self.principal.access {
            Access::Operator => Ok(()),
            Access::Tenant(_) => Err(Error::Forbidden { needs: "operator" }),
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

    #[test]
    fn a_tenants_principal_sees_its_own_tenant_only() {
        assert!(caller(Access::Tenant("one".parse().unwrap())).authorized_tenant().is_ok());
        let other = caller(Access::Tenant("two".parse().unwrap()));
        assert!(matches!(other.authorized_tenant(), Err(Error::TenantNotFound { .. })));
        assert!(matches!(other.authorized_operator(), Err(Error::Forbidden { .. })));
    }

    #[test]
    fn an_operator_may_do_everything() {
        let operator = caller(Access::Operator);
        assert!(operator.authorized_tenant().is_ok() && operator.authorized_operator().is_ok());
    }
}
