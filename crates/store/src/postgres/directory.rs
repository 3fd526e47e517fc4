//! The tenants: created and dropped by the owner's role, found and listed by the serving role; and the port
//! to the keys.

use async_trait::async_trait;
use context_domain::clock::Timestamp;
use context_domain::error::Error;
use context_domain::id::{KeyId, TenantId};
use context_domain::key::ApiKey;
use context_domain::ports::{Directory, KeyQuery};
use context_domain::tenant::{Generation, NewTenant, Tenant};
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::Store;
use super::failure::Failure;
use super::names::{identifier, schema_of};
use super::pool::Pool;
use super::rows::{self, Moment};
use super::statement::{Param, StatementKind};

/// How often dropping a tenant is tried when it collides with calls on the tenant.
const MAX_DROPS: usize = 5;

const PROVISION: &str = "SELECT public.provision_tenant($1, $2, $3, $4)";
const FIND: &str = "SELECT id, generation, created_at, revision FROM public.tenants WHERE id = $1";
const PAGE: &str =
    "SELECT id, generation, created_at, revision FROM public.tenants WHERE id > $1 ORDER BY id LIMIT $2";
const FORGET: &str = "WITH gone AS (DELETE FROM public.tenants WHERE id = $1 RETURNING id), \
     forgotten AS (DELETE FROM public.migration_history AS done USING gone WHERE done.tenant = gone.id) \
     SELECT id FROM gone";

#[async_trait]
impl Directory for Store {
    async fn create(&self, new: &NewTenant) -> Result<bool, Error> {
        let Tenant { id, generation, created_at } = &new.tenant;
        let owner = self.owner(|| format!("context-service bootstrap --tenant-id {id}"))?;
        let generation = Uuid::try_parse(generation.as_str());
        let generation = generation.map_err(|error| Error::Internal { detail: error.to_string() })?;
        let created_at = Moment(*created_at);
        let params: [Param<'_>; 4] = [
            (&id.as_str(), Type::TEXT),
            (&generation, Type::UUID),
            (&created_at, Type::TIMESTAMPTZ),
            (&new.global.id.as_str(), Type::TEXT),
        ];
        let rows = owner.query(None, StatementKind::Write, PROVISION, &params).await.map_err(owner_error)?;
        let created = rows.first().map(|row| rows::column(row, 0, "created", || id.to_string()));
        created
            .transpose()
            .map_err(Failure::in_store)?
            .ok_or_else(|| Error::Internal { detail: "provision_tenant returned no row".to_owned() })
    }

    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, Error> {
        let found = self.find(id).await.map_err(Failure::in_store)?;
        Ok(found.map(|(tenant, _)| tenant))
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<Tenant>, Error> {
        let page = self.tenants(after, limit).await.map_err(Failure::in_store)?;
        Ok(page.into_iter().map(|(tenant, _)| tenant).collect())
    }

    async fn remove(&self, id: &TenantId) -> Result<bool, Error> {
        let owner = self.owner(|| format!("context-service tenant drop {id} --yes"))?;
        for _ in 1..MAX_DROPS {
            match drop_tenant(owner, id).await {
                Err(failure) if failure.is_conflict() => {}
                other => return other.map_err(owner_error),
            }
        }
        drop_tenant(owner, id).await.map_err(owner_error)
    }

    async fn add_key(&self, key: &ApiKey, replaces: Option<(&KeyId, Timestamp)>) -> Result<(), Error> {
        self.insert_key(key, replaces).await
    }

    async fn key(&self, id: &KeyId) -> Result<Option<ApiKey>, Error> {
        self.find_key(id).await.map_err(Failure::in_store)
    }

    async fn keys(&self, query: &KeyQuery) -> Result<Vec<ApiKey>, Error> {
        self.list_keys(query).await.map_err(Failure::in_store)
    }

    async fn end_key(&self, id: &KeyId, at: Timestamp) -> Result<bool, Error> {
        self.revoke_key(id, at).await.map_err(Failure::in_store)
    }

    async fn key_used(&self, id: &KeyId, at: Timestamp) -> Result<(), Error> {
        self.note_use(id, at).await.map_err(Failure::in_store)
    }
}

impl Store {
    /// Returns the tenant of that id, and the revision of its schema.
    pub(super) async fn find(&self, id: &TenantId) -> Result<Option<(Tenant, i32)>, Failure> {
        let rows = self.pool.query(None, StatementKind::Read, FIND, &[(&id.as_str(), Type::TEXT)]).await?;
        rows.first().map(tenant_from_row).transpose()
    }

    /// Returns a page of tenants, by id, each with the revision of its schema.
    pub(super) async fn tenants(
        &self,
        after: Option<&TenantId>,
        limit: usize,
    ) -> Result<Vec<(Tenant, i32)>, Failure> {
        // Every id comes after the empty text.
        let (after, limit) = (after.map_or("", TenantId::as_str), rows::limit(limit));
        let params: [Param<'_>; 2] = [(&after, Type::TEXT), (&limit, Type::INT8)];
        let rows = self.pool.query(None, StatementKind::Read, PAGE, &params).await?;
        rows.iter().map(tenant_from_row).collect()
    }

    /// Returns the owner's connections, or an error that says to run `command` instead.
    fn owner(&self, command: impl FnOnce() -> String) -> Result<&Pool, Error> {
        self.owner.as_ref().ok_or_else(|| Error::OwnerNeeded { command: command() })
    }
}

/// How long a drop waits for calls that use the tenant's tables: later calls queue up after it.
const DROP_LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '2s'";

/// Removes a tenant's row, and by cascade its keys; its part of the migration ledger; and its schema.
async fn drop_tenant(owner: &Pool, id: &TenantId) -> Result<bool, Failure> {
    let transaction = owner.begin(None).await?;
    let forgotten = transaction.query(FORGET, &[(&id.as_str(), Type::TEXT)]).await?;
    if forgotten.is_empty() {
        transaction.rollback().await?;
        return Ok(false);
    }
    let schema = identifier(&schema_of(id));
    transaction.query(DROP_LOCK_TIMEOUT, &[]).await?;
    transaction.query(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE"), &[]).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Returns the domain's error for a failure to create or drop a tenant.
fn owner_error(failure: Failure) -> Error {
    if failure.is_denied() {
        let detail = "the role of DATABASE_ADMIN_URL may not create or drop tenants: name the role that owns \
                      the installation, or grant it CREATE on the database";
        return Error::Unavailable { detail: detail.to_owned(), source: failure.into_source() };
    }
    failure.in_store()
}

fn tenant_from_row(row: &Row) -> Result<(Tenant, i32), Failure> {
    let unreadable = || Failure::damaged("a row of the table of tenants cannot be read");
    let name = || "a tenant".to_owned();
    let id: &str = rows::column(row, 0, "id", name)?;
    let generation: Uuid = rows::column(row, 1, "generation", name)?;
    let Moment(created_at) = rows::column(row, 2, "created_at", name)?;
    let id = id.parse().map_err(|_: String| unreadable())?;
    let tenant = Tenant { id, generation: Generation::new(generation), created_at };
    Ok((tenant, rows::column(row, 3, "revision", name)?))
}
