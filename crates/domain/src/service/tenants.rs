//! Operations on tenants: create, list, get and drop.

use super::Service;
use crate::access::Caller;
use crate::error::Error;
use crate::id::TenantId;
use crate::page::{Gathering, Page, PageRequest, bad_token};
use crate::tenant::{NewTenant, Tenant};

impl Service {
    /// Creates a tenant with its global node.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::TenantExists`], and those of the store.
    pub async fn create_tenant(&self, caller: &Caller, id: &TenantId) -> Result<Tenant, Error> {
        caller.authorized_operator()?;
        let new = NewTenant::new(id.clone(), self.clock.as_ref(), self.ids.as_ref());
        if !self.ports.directory.create(&new).await? {
            return Err(Error::TenantExists { tenant: id.clone() });
        }
        Ok(new.tenant)
    }

    /// Returns a page of tenants, by id.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::BadParameter`] for the limit or the token, and those of the store.
    pub async fn list_tenants(&self, caller: &Caller, request: &PageRequest) -> Result<Page<Tenant>, Error> {
        caller.authorized_operator()?;
        let after = request.cursor("tenants")?;
        let after: Option<TenantId> =
            after.map(|text| text.parse().map_err(|_: String| bad_token())).transpose()?;
        let limit = request.limit()?;
        let found = self.ports.directory.tenants(after.as_ref(), limit + 1).await?;
        Ok(Page::from_gathering("tenants", Gathering::from_one_read(found, limit), |tenant| {
            tenant.id.to_string()
        }))
    }

    /// Returns a tenant.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::TenantNotFound`], and those of the store.
    pub async fn get_tenant(&self, caller: &Caller, id: &TenantId) -> Result<Tenant, Error> {
        caller.authorized_operator()?;
        let found = self.ports.directory.get(id).await?;
        found.ok_or_else(|| Error::TenantNotFound { tenant: id.clone() })
    }

    /// Drops a tenant and everything that belongs to it. This cannot be undone.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::TenantNotFound`], and those of the store.
    pub async fn drop_tenant(&self, caller: &Caller, id: &TenantId) -> Result<(), Error> {
        caller.authorized_operator()?;
        if !self.ports.directory.remove(id).await? {
            return Err(Error::TenantNotFound { tenant: id.clone() });
        }
        Ok(())
    }
}
