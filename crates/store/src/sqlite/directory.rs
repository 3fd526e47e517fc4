//! The tenants: made, found, listed and dropped.

use std::path::Path;

use async_trait::async_trait;
use context_domain::error::Error;
use context_domain::ports::Directory;
use context_domain::tenant::{NewTenant, Tenant, TenantId};
use rusqlite::Connection;

use super::failure::Failure;
use super::tenant_file::{Ending, TenantFile};
use super::{Store, control};

#[async_trait]
impl Directory for Store {
    async fn create(&self, new: &NewTenant) -> Result<bool, Error> {
        // A drop that was cut short is finished first: the id is free since its tombstone.
        match self.visit(&new.tenant.id).await {
            Err(Error::TenantNotFound { .. }) => {}
            Ok(()) | Err(Error::TenantUnwell { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        let new = new.clone();
        self.blocking(None, move |files| {
            let made = make(&files.tenants, &new, |make| {
                files.control.write(|connection| {
                    if control::find(connection, &new.tenant.id)?.is_some() {
                        return Ok(false);
                    }
                    make(connection)?;
                    Ok(true)
                })
            });
            made.map_err(Failure::in_store)
        })
        .await
    }

    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, Error> {
        let id = id.clone();
        self.blocking(None, move |files| {
            files.control.read(|connection| control::find(connection, &id)).map_err(Failure::in_store)
        })
        .await
    }

    async fn page(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<Tenant>, Error> {
        // Every id comes after the empty text.
        let after = after.map_or_else(String::new, TenantId::to_string);
        self.blocking(None, move |files| {
            files
                .control
                .read(|connection| control::page(connection, &after, limit))
                .map_err(Failure::in_store)
        })
        .await
    }

    async fn remove(&self, id: &TenantId) -> Result<bool, Error> {
        if self.remove_what_lost_its_file(id).await? {
            return Ok(true);
        }
        let tombstone = |connection: &Connection| {
            TenantFile::set_tombstone(connection)?;
            Ok((Ending::Commit, ()))
        };
        match self.write(id, tombstone).await {
            Err(Error::TenantNotFound { .. }) => return Ok(false),
            other => other?,
        }
        // Whoever meets the tombstone finishes the drop.
        match self.visit(id).await {
            Ok(()) | Err(Error::TenantNotFound { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

impl Store {
    /// Looks at the tenant and finishes its drop, if it was dropped.
    async fn visit(&self, id: &TenantId) -> Result<(), Error> {
        self.read(id, |_| Ok(())).await
    }

    /// Removes a tenant whose file is missing, and which therefore cannot take a tombstone.
    async fn remove_what_lost_its_file(&self, id: &TenantId) -> Result<bool, Error> {
        let id = id.clone();
        self.blocking(None, move |files| {
            let removed = files.control.write(|connection| match control::find(connection, &id)? {
                Some(tenant) => {
                    let file = TenantFile::of(&files.tenants, tenant.id, tenant.generation);
                    Ok(!file.exists()? && control::delete(connection, &file.id, file.generation.as_str())?)
                }
                None => Ok(false),
            });
            removed.map_err(Failure::in_store)
        })
        .await
    }
}

/// Makes a tenant at the moment in which `transaction` on `control.db` says so. Where the transaction certainly fails
/// after that, the file goes again; where it may have happened, the file may be needed.
pub(super) fn make<T>(
    tenants: &Path,
    new: &NewTenant,
    transaction: impl FnOnce(&mut dyn FnMut(&Connection) -> Result<(), Failure>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let Tenant { id, generation, .. } = new.tenant.clone();
    let file = TenantFile::of(tenants, id, generation);
    let mut made = false;
    let result = transaction(&mut |connection| {
        file.make(new)?;
        made = true;
        control::insert(connection, &new.tenant)
    });
    match result {
        Err(failure) if made && !matches!(failure, Failure::Unanswered(_)) => {
            file.unlink()?;
            Err(failure)
        }
        other => other,
    }
}
