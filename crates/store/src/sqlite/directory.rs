//! The tenants: made, found, listed and dropped; and the way to the keys.

use std::path::Path;

use async_trait::async_trait;
use context_domain::access::Access;
use context_domain::clock::Timestamp;
use context_domain::error::Error;
use context_domain::id::{KeyId, TenantId};
use context_domain::key::ApiKey;
use context_domain::ports::{Directory, KeyQuery};
use context_domain::tenant::{NewTenant, Tenant};
use rusqlite::Connection;

use super::failure::Failure;
use super::keys::{self, Added};
use super::tenant_file::{Ending, TenantFile};
use super::{Store, control};

#[async_trait]
impl Directory for Store {
    async fn create(&self, new: &NewTenant) -> Result<bool, Error> {
        // A drop that was cut short is finished first: the id is free since its tombstone.
        match self.visit(&new.tenant.id).await {
            Ok(()) | Err(Error::TenantNotFound { .. } | Error::TenantUnhealthy { .. }) => {}
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
        self.read_control(move |connection| control::find(connection, &id)).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<Tenant>, Error> {
        // Every id comes after the empty text.
        let after = after.map_or_else(String::new, TenantId::to_string);
        self.read_control(move |connection| control::page(connection, &after, limit)).await
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

    async fn add_key(&self, key: &ApiKey, replaces: Option<(&KeyId, Timestamp)>) -> Result<(), Error> {
        let replaces = replaces.map(|(id, at)| (id.clone(), at));
        let (new, old) = (key.clone(), replaces.clone());
        let added = self.write_control(move |connection| keys::add(connection, &new, old.as_ref())).await?;
        match (added, &key.access, replaces) {
            (Added::Done, _, _) => Ok(()),
            (Added::TenantMissing, Access::Tenant { tenant, .. }, _) => {
                Err(Error::TenantNotFound { tenant: tenant.clone() })
            }
            (Added::ReplacedMissing, _, Some((id, _))) => Err(Error::KeyNotFound(id)),
            (missing, ..) => Err(Error::Internal { detail: format!("adding a key gave {missing:?}") }),
        }
    }

    async fn key(&self, id: &KeyId) -> Result<Option<ApiKey>, Error> {
        let id = id.clone();
        self.read_control(move |connection| keys::find(connection, &id)).await
    }

    async fn keys(&self, query: &KeyQuery) -> Result<Vec<ApiKey>, Error> {
        let query = query.clone();
        self.read_control(move |connection| keys::page(connection, &query)).await
    }

    async fn end_key(&self, id: &KeyId, at: Timestamp) -> Result<bool, Error> {
        let id = id.clone();
        self.write_control(move |connection| keys::end(connection, &id, at)).await
    }

    async fn key_used(&self, id: &KeyId, at: Timestamp) -> Result<(), Error> {
        let id = id.clone();
        self.write_control(move |connection| keys::used(connection, &id, at)).await
    }
}

impl Store {
    /// Reads `control.db` in one snapshot.
    async fn read_control<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        self.blocking(None, |files| files.control.read(work).map_err(Failure::in_store)).await
    }

    /// Writes `control.db` in one transaction.
    async fn write_control<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        self.blocking(None, |files| files.control.write(work).map_err(Failure::in_store)).await
    }

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
