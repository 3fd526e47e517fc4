//! The API keys: rows of `public.api_keys`, in the control schema like the tenants that they belong to.

use context_domain::access::Access;
use context_domain::clock::Timestamp;
use context_domain::error::Error;
use context_domain::id::{KeyId, TenantId};
use context_domain::key::{ApiKey, SecretHash};
use context_domain::ports::KeyQuery;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Store;
use super::failure::Failure;
use super::rows::{self, Moment};
use super::statement::{Param, StatementKind};

macro_rules! key_columns {
    () => {
        "id, name, tenant_id, permission, secret_hash, created_at, expires_at, revoked_at, last_used_at"
    };
}

const FIND_TENANT: &str = "SELECT id FROM public.tenants WHERE id = $1";
const INSERT: &str = concat!(
    "INSERT INTO public.api_keys (",
    key_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id"
);
const FIND: &str = concat!("SELECT ", key_columns!(), " FROM public.api_keys WHERE id = $1");
const PAGE: &str =
    concat!("SELECT ", key_columns!(), " FROM public.api_keys WHERE id > $1 ORDER BY id LIMIT $2");
const PAGE_OF_ONE: &str = concat!(
    "SELECT ",
    key_columns!(),
    " FROM public.api_keys WHERE tenant_id = $3 AND id > $1 ORDER BY id LIMIT $2"
);
/// Ends a key, unless it ends earlier anyway; returns a row if the key exists.
const END: &str = "
    WITH ended AS (
        UPDATE public.api_keys SET revoked_at = $2
        WHERE id = $1 AND (revoked_at IS NULL OR revoked_at > $2) AND (expires_at IS NULL OR expires_at > $2)
        RETURNING id
    )
    SELECT id FROM ended UNION SELECT id FROM public.api_keys WHERE id = $1";
/// Records a use, unless a later one is recorded: requests may arrive out of order.
const USED: &str = "
    UPDATE public.api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)
    RETURNING id";

impl Store {
    /// Adds a key and ends the one that it replaces: both or neither.
    pub(super) async fn insert_key(
        &self,
        key: &ApiKey,
        replaces: Option<(&KeyId, Timestamp)>,
    ) -> Result<(), Error> {
        let transaction = self.pool.begin(None).await.map_err(Failure::in_store)?;
        let (tenant, permission) = match &key.access {
            Access::Operator => (None, None),
            Access::Tenant { tenant, permission } => (Some(tenant), Some(permission.as_str())),
        };
        if let Some(tenant) = tenant {
            let found = transaction.query(FIND_TENANT, &[(&tenant.as_str(), Type::TEXT)]).await;
            if found.map_err(Failure::in_store)?.is_empty() {
                return Err(Error::TenantNotFound { tenant: tenant.clone() });
            }
        }
        if let Some((id, at)) = replaces {
            let at = Moment(at);
            let params: [Param<'_>; 2] = [(&id.as_str(), Type::TEXT), (&at, Type::TIMESTAMPTZ)];
            if transaction.query(END, &params).await.map_err(Failure::in_store)?.is_empty() {
                return Err(Error::KeyNotFound(id.clone()));
            }
        }
        let moment = |at: Option<Timestamp>| at.map(Moment);
        let (created_at, expires_at) = (Moment(key.created_at), moment(key.expires_at));
        let (revoked_at, last_used_at) = (moment(key.revoked_at), moment(key.last_used_at));
        let params: [Param<'_>; 9] = [
            (&key.id.as_str(), Type::TEXT),
            (&key.name, Type::TEXT),
            (&tenant.map(TenantId::as_str), Type::TEXT),
            (&permission, Type::TEXT),
            (&key.secret_hash.as_str(), Type::TEXT),
            (&created_at, Type::TIMESTAMPTZ),
            (&expires_at, Type::TIMESTAMPTZ),
            (&revoked_at, Type::TIMESTAMPTZ),
            (&last_used_at, Type::TIMESTAMPTZ),
        ];
        match (transaction.query(INSERT, &params).await, tenant) {
            // The tenant was dropped after it was found.
            (Err(failure), Some(tenant)) if failure.is_foreign_key_violation() => {
                return Err(Error::TenantNotFound { tenant: tenant.clone() });
            }
            (inserted, _) => drop(inserted.map_err(Failure::in_store)?),
        }
        transaction.commit().await.map_err(Failure::in_store)
    }

    /// Returns the key of that id.
    pub(super) async fn find_key(&self, id: &KeyId) -> Result<Option<ApiKey>, Failure> {
        let rows = self.pool.query(None, StatementKind::Read, FIND, &[(&id.as_str(), Type::TEXT)]).await?;
        rows.first().map(key_from_row).transpose()
    }

    /// Returns a page of keys, by id in byte order.
    pub(super) async fn list_keys(&self, query: &KeyQuery) -> Result<Vec<ApiKey>, Failure> {
        // Every id comes after the empty text.
        let (after, limit) = (query.after.as_ref().map_or("", KeyId::as_str), rows::limit(query.limit));
        let tenant = query.tenant.as_ref().map(TenantId::as_str);
        let mut params: Vec<Param<'_>> = vec![(&after, Type::TEXT), (&limit, Type::INT8)];
        let rows = match &tenant {
            None => self.pool.query(None, StatementKind::Read, PAGE, &params).await?,
            Some(tenant) => {
                params.push((tenant, Type::TEXT));
                self.pool.query(None, StatementKind::Read, PAGE_OF_ONE, &params).await?
            }
        };
        rows.iter().map(key_from_row).collect()
    }

    /// Ends a key at `at`, unless it ends earlier anyway; returns false if there is no such key.
    pub(super) async fn revoke_key(&self, id: &KeyId, at: Timestamp) -> Result<bool, Failure> {
        Ok(!self.write_key(END, id, at).await?.is_empty())
    }

    /// Records that a key was used at `at`, if the key exists.
    pub(super) async fn note_use(&self, id: &KeyId, at: Timestamp) -> Result<(), Failure> {
        self.write_key(USED, id, at).await.map(drop)
    }

    async fn write_key(&self, sql: &str, id: &KeyId, at: Timestamp) -> Result<Vec<Row>, Failure> {
        let at = Moment(at);
        let params: [Param<'_>; 2] = [(&id.as_str(), Type::TEXT), (&at, Type::TIMESTAMPTZ)];
        self.pool.query(None, StatementKind::Write, sql, &params).await
    }
}

fn key_from_row(row: &Row) -> Result<ApiKey, Failure> {
    let id: &str = rows::column(row, 0, "id", || "a key".to_owned())?;
    let unreadable_id = |rule: String| Failure::damaged_by("the id of a key cannot be read", rule);
    let id: KeyId = id.parse().map_err(unreadable_id)?;
    let name = || format!("the key {id}");
    let unreadable =
        |column: &str| Failure::damaged(format!("the column {column} of the key {id} cannot be read"));
    let moment = |index: usize, column: &str| -> Result<Option<Timestamp>, Failure> {
        let moment: Option<Moment> = rows::column(row, index, column, name)?;
        Ok(moment.map(|Moment(moment)| moment))
    };
    let tenant: Option<&str> = rows::column(row, 2, "tenant_id", name)?;
    let permission: Option<&str> = rows::column(row, 3, "permission", name)?;
    let access = match (tenant, permission) {
        (None, None) => Access::Operator,
        (Some(tenant), Some(permission)) => Access::Tenant {
            tenant: tenant.parse().map_err(|_: String| unreadable("tenant_id"))?,
            permission: permission.parse().map_err(|_: String| unreadable("permission"))?,
        },
        _ => return Err(unreadable("permission")),
    };
    Ok(ApiKey {
        name: rows::column(row, 1, "name", name)?,
        access,
        secret_hash: SecretHash::stored(rows::column(row, 4, "secret_hash", name)?),
        created_at: moment(5, "created_at")?.ok_or_else(|| unreadable("created_at"))?,
        expires_at: moment(6, "expires_at")?,
        revoked_at: moment(7, "revoked_at")?,
        last_used_at: moment(8, "last_used_at")?,
        id,
    })
}
