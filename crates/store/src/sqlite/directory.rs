//! The port `Directory`: creates, reads, lists and drops tenants, and keeps their keys.

use async_trait::async_trait;
use context_domain::access::Access;
use context_domain::clock::Timestamp;
use context_domain::error::Error;
use context_domain::id::{KeyId, TenantId};
use context_domain::key::ApiKey;
use context_domain::ports::{Directory, KeyQuery};
use context_domain::tenant::{NewTenant, Tenant};
use rusqlite::Connection;

use super::control;
use super::failure::Failure;
use super::keys::{self, KeyAddition};
use super::store::SqliteStore;
use super::tenant_file::{Ending, TenantFile, create_tenant};

#[async_trait]
impl Directory for SqliteStore {
    async fn create(&self, new: &NewTenant) -> Result<bool, Error> {
        // An unfinished drop is finished first: the id has been free since its tombstone was set.
        match self.finish_drop(&new.tenant.id).await {
            Ok(()) | Err(Error::TenantNotFound { .. } | Error::TenantUnhealthy { .. }) => {}
            Err(error) => return Err(error),
        }
        let new = new.clone();
        self.blocking(None, move |files| {
            let created = create_tenant(&files.tenants, &new, |create| {
                files.control.write(|connection| {
                    if control::find(connection, &new.tenant.id)?.is_some() {
                        return Ok(false);
                    }
                    create(connection)?;
                    Ok(true)
                })
            });
            created.map_err(Failure::in_store)
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
        self.read_control(move |connection| control::list_tenants(connection, &after, limit)).await
    }

    async fn remove(&self, id: &TenantId) -> Result<bool, Error> {
        if self.remove_without_file(id).await? {
            return Ok(true);
        }
        let tombstone = |connection: &Connection| {
            TenantFile::set_tombstone(connection)?;
            Ok((Ending::Commit, ()))
        };
        match self.write_tenant(id, tombstone).await {
            Err(Error::TenantNotFound { .. }) => return Ok(false),
            other => other?,
        }
        // Any transaction that finds the tombstone finishes the drop.
        match self.finish_drop(id).await {
            Ok(()) | Err(Error::TenantNotFound { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn add_key(&self, key: &ApiKey, replaces: Option<(&KeyId, Timestamp)>) -> Result<(), Error> {
        let replaces = replaces.map(|(id, at)| (id.clone(), at));
        let (new, old) = (key.clone(), replaces.clone());
        let added = self.write_control(move |connection| keys::add(connection, &new, old.as_ref())).await?;
        match (added, &key.access, replaces) {
            (KeyAddition::Done, _, _) => Ok(()),
            (KeyAddition::TenantMissing, Access::Tenant { tenant, .. }, _) => {
                Err(Error::TenantNotFound { tenant: tenant.clone() })
            }
            (KeyAddition::ReplacedMissing, _, Some((id, _))) => Err(Error::KeyNotFound(id)),
            (missing, ..) => Err(Error::Internal { detail: format!("adding a key returned {missing:?}") }),
        }
    }

    async fn key(&self, id: &KeyId) -> Result<Option<ApiKey>, Error> {
        let id = id.clone();
        self.read_control(move |connection| keys::find(connection, &id)).await
    }

    async fn keys(&self, query: &KeyQuery) -> Result<Vec<ApiKey>, Error> {
        let query = query.clone();
        self.read_control(move |connection| keys::list_keys(connection, &query)).await
    }

    async fn end_key(&self, id: &KeyId, at: Timestamp) -> Result<bool, Error> {
        let id = id.clone();
        self.write_control(move |connection| keys::end(connection, &id, at)).await
    }

    async fn key_used(&self, id: &KeyId, at: Timestamp) -> Result<(), Error> {
        let id = id.clone();
        self.write_control(move |connection| keys::record_use(connection, &id, at)).await
    }
}

impl SqliteStore {
    /// Reads from `control.db` in one snapshot.
    async fn read_control<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        self.blocking(None, |files| files.control.read(work).map_err(Failure::in_store)).await
    }

    /// Writes to `control.db` in one transaction.
    async fn write_control<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        self.blocking(None, |files| files.control.write(work).map_err(Failure::in_store)).await
    }

    /// Finishes the drop of the tenant, if it was dropped: every transaction does.
    async fn finish_drop(&self, id: &TenantId) -> Result<(), Error> {
        self.read_tenant(id, |_| Ok(())).await
    }

    /// Removes a tenant whose file is missing, so that no tombstone can be set in it.
    async fn remove_without_file(&self, id: &TenantId) -> Result<bool, Error> {
        let id = id.clone();
        self.blocking(None, move |files| {
            let removed = files.control.write(|connection| match control::find(connection, &id)? {
                Some(tenant) => {
                    let file = TenantFile::new(&files.tenants, tenant.id, tenant.generation);
                    Ok(!file.exists()? && control::delete(connection, &file.id, file.generation.as_str())?)
                }
                None => Ok(false),
            });
            removed.map_err(Failure::in_store)
        })
        .await
    }
}
