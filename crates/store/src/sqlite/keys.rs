//! The keys: rows of `control.db`, next to the tenants that they belong to.

use context_domain::access::Access;
use context_domain::clock::Timestamp;
use context_domain::id::{KeyId, TenantId};
use context_domain::key::{ApiKey, SecretHash};
use context_domain::ports::KeyQuery;
use rusqlite::{Connection, Row, named_params};

use super::control;
use super::failure::Failure;
use super::rows;

/// The result of adding a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyAddition {
    /// The key was added.
    Done,
    /// Its tenant does not exist; nothing was added.
    TenantMissing,
    /// The key that it replaces does not exist; nothing was added.
    ReplacedMissing,
}

macro_rules! key_columns {
    () => {
        "id, name, tenant_id, permission, secret_hash, created_at, expires_at, revoked_at, last_used_at"
    };
}

/// Adds a key and ends the one that it replaces, or does nothing.
pub(super) fn add(
    connection: &Connection,
    key: &ApiKey,
    replaces: Option<&(KeyId, Timestamp)>,
) -> Result<KeyAddition, Failure> {
    let (tenant, permission) = match &key.access {
        Access::Operator => (None, None),
        Access::Tenant { tenant, permission } => (Some(tenant), Some(permission.as_str())),
    };
    if let Some(tenant) = tenant
        && control::find(connection, tenant)?.is_none()
    {
        return Ok(KeyAddition::TenantMissing);
    }
    if let Some((id, at)) = replaces
        && !end(connection, id, *at)?
    {
        return Ok(KeyAddition::ReplacedMissing);
    }
    rows::execute(
        connection,
        "INSERT INTO api_keys (id, name, tenant_id, permission, secret_hash, created_at, expires_at,
             revoked_at, last_used_at)
         VALUES (:id, :name, :tenant, :permission, :hash, :created, :expires, :revoked, :used)",
        named_params! {
            ":id": key.id.as_str(),
            ":name": key.name,
            ":tenant": tenant.map(TenantId::as_str),
            ":permission": permission,
            ":hash": key.secret_hash.as_str(),
            ":created": key.created_at.as_micros(),
            ":expires": key.expires_at.map(Timestamp::as_micros),
            ":revoked": key.revoked_at.map(Timestamp::as_micros),
            ":used": key.last_used_at.map(Timestamp::as_micros),
        },
    )?;
    Ok(KeyAddition::Done)
}

/// Reads the key of that id.
pub(super) fn find(connection: &Connection, id: &KeyId) -> Result<Option<ApiKey>, Failure> {
    let sql = concat!("SELECT ", key_columns!(), " FROM api_keys WHERE id = ?1");
    rows::query_one(connection, sql, [id.as_str()], read_key)
}

/// Reads a page of keys, by id in byte order.
pub(super) fn list_keys(connection: &Connection, query: &KeyQuery) -> Result<Vec<ApiKey>, Failure> {
    let every = concat!("SELECT ", key_columns!(), " FROM api_keys WHERE id > ?1 ORDER BY id LIMIT ?2");
    let of_one = concat!(
        "SELECT ",
        key_columns!(),
        " FROM api_keys WHERE tenant_id = ?3 AND id > ?1 ORDER BY id LIMIT ?2"
    );
    // Every id comes after the empty text.
    let after = query.after.as_ref().map_or("", KeyId::as_str);
    let limit = rows::limit(query.limit);
    match &query.tenant {
        None => rows::query_all(connection, every, (after, limit), read_key),
        Some(tenant) => rows::query_all(connection, of_one, (after, limit, tenant.as_str()), read_key),
    }
}

/// Ends a key at `at`, unless it ends earlier anyway; returns false if it does not exist.
pub(super) fn end(connection: &Connection, id: &KeyId, at: Timestamp) -> Result<bool, Failure> {
    let parameters = (id.as_str(), at.as_micros());
    let ended = rows::execute(
        connection,
        "UPDATE api_keys SET revoked_at = ?2
         WHERE id = ?1 AND (revoked_at IS NULL OR revoked_at > ?2)
             AND (expires_at IS NULL OR expires_at > ?2)",
        parameters,
    )?;
    Ok(ended > 0 || find(connection, id)?.is_some())
}

/// Records that a key was used at `at`, if it exists, unless a later use is recorded already.
pub(super) fn record_use(connection: &Connection, id: &KeyId, at: Timestamp) -> Result<(), Failure> {
    rows::execute(
        connection,
        "UPDATE api_keys SET last_used_at = ?2 WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)",
        (id.as_str(), at.as_micros()),
    )?;
    Ok(())
}

fn read_key(row: &Row<'_>) -> Result<ApiKey, Failure> {
    let unreadable_id = |rule: String| Failure::damaged_by("the id of a key cannot be read", rule);
    let id: KeyId = rows::read_text(row, 0)?.parse().map_err(unreadable_id)?;
    let unreadable =
        |column: &str| Failure::damaged(format!("the column {column} of the key {id} cannot be read"));
    let time = |index: usize, column: &str| -> Result<Option<Timestamp>, Failure> {
        let micros = row.get::<_, Option<i64>>(index)?;
        micros.map(|micros| Timestamp::from_micros(micros).ok_or_else(|| unreadable(column))).transpose()
    };
    let access = match (rows::read_optional_text(row, 2)?, rows::read_optional_text(row, 3)?) {
        (None, None) => Access::Operator,
        (Some(tenant), Some(permission)) => Access::Tenant {
            tenant: tenant.parse().map_err(|_: String| unreadable("tenant_id"))?,
            permission: permission.parse().map_err(|_: String| unreadable("permission"))?,
        },
        _ => return Err(unreadable("permission")),
    };
    Ok(ApiKey {
        name: row.get(1)?,
        access,
        secret_hash: SecretHash::stored(row.get(4)?),
        created_at: time(5, "created_at")?.ok_or_else(|| unreadable("created_at"))?,
        expires_at: time(6, "expires_at")?,
        revoked_at: time(7, "revoked_at")?,
        last_used_at: time(8, "last_used_at")?,
        id,
    })
}
