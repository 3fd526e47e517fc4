//! The changes: a row for each write of each context, never altered but for an idempotency key that it gives up.

use context_domain::change::{Change, Idempotency, Operation, Record, RequestHash};
use context_domain::clock::Timestamp;
use context_domain::id::{ContextId, TenantId};
use context_domain::ports::ChangeQuery;
use rusqlite::{Connection, Row, named_params};
use serde_json::Value;

use super::failure::Failure;
use super::rows;

/// What the change rows of one transaction have in common.
pub(super) struct Recorder<'a> {
    connection: &'a Connection,
    tenant: &'a TenantId,
    record: &'a Record,
    revision: i64,
}

/// What one change row says of its context.
pub(super) struct Entry<'a> {
    /// The context.
    pub(super) id: &'a ContextId,
    /// Its version after the write.
    pub(super) version: u32,
    /// What was done.
    pub(super) operation: Operation,
    /// The context after the write; none after a removal.
    pub(super) content: Option<&'a Value>,
    /// The key that the request carried, if it addressed this context.
    pub(super) idempotency: Option<&'a Idempotency>,
}

macro_rules! change_columns {
    () => {
        "revision, context_id, version, operation, changed_at, changed_by, request_id, content,
         idempotency_principal, idempotency_key, idempotency_request"
    };
}

impl<'a> Recorder<'a> {
    /// Numbers the transaction.
    pub(super) fn start(
        connection: &'a Connection,
        tenant: &'a TenantId,
        record: &'a Record,
    ) -> Result<Self, Failure> {
        let sql = "UPDATE meta SET revision = revision + 1 RETURNING revision";
        let revision = rows::number(connection, sql, ())?;
        Ok(Self { connection, tenant, record, revision })
    }

    /// Writes the row of one context.
    pub(super) fn record(&self, entry: &Entry<'_>) -> Result<(), Failure> {
        let content = entry.content.map(rows::compact).transpose()?;
        let key = entry.idempotency;
        rows::write(
            self.connection,
            "INSERT INTO context_changes (tenant_id, revision, context_id, version, operation, changed_at,
                 changed_by, request_id, content, idempotency_principal, idempotency_key, idempotency_request)
             VALUES (:tenant, :revision, :id, :version, :operation, :at, :by, :request_id, :content,
                 :principal, :key, :request)",
            named_params! {
                ":tenant": self.tenant.as_str(),
                ":revision": self.revision,
                ":id": entry.id.as_str(),
                ":version": entry.version,
                ":operation": entry.operation.as_str(),
                ":at": self.record.at.as_micros(),
                ":by": self.record.by,
                ":request_id": self.record.request_id,
                ":content": content,
                ":principal": key.map(|key| key.principal.as_str()),
                ":key": key.map(|key| key.key.as_str()),
                ":request": key.map(|key| key.request.to_string()),
            },
        )?;
        Ok(())
    }
}

/// The change that stands on the principal's key and was made after `since`.
pub(super) fn remembered(
    connection: &Connection,
    idempotency: &Idempotency,
    since: Timestamp,
) -> Result<Option<Change>, Failure> {
    let sql = concat!(
        "SELECT ",
        change_columns!(),
        " FROM context_changes
         WHERE idempotency_principal = ?1 AND idempotency_key = ?2 AND changed_at > ?3"
    );
    let parameters = (idempotency.principal.as_str(), idempotency.key.as_str(), since.as_micros());
    rows::one(connection, sql, parameters, change)
}

/// Frees the principal's key for another change.
pub(super) fn free_key(connection: &Connection, idempotency: &Idempotency) -> Result<(), Failure> {
    rows::write(
        connection,
        "UPDATE context_changes
         SET idempotency_principal = NULL, idempotency_key = NULL, idempotency_request = NULL
         WHERE idempotency_principal = ?1 AND idempotency_key = ?2",
        (idempotency.principal.as_str(), idempotency.key.as_str()),
    )?;
    Ok(())
}

/// A page of changes, newest first.
pub(super) fn page(connection: &Connection, query: &ChangeQuery) -> Result<Vec<Change>, Failure> {
    let all = concat!(
        "SELECT ",
        change_columns!(),
        " FROM context_changes
         WHERE (revision, context_id) < (?1, ?2) ORDER BY revision DESC, context_id DESC LIMIT ?3"
    );
    let of_one = concat!(
        "SELECT ",
        change_columns!(),
        " FROM context_changes
         WHERE context_id = ?4 AND (revision, context_id) < (?1, ?2)
         ORDER BY revision DESC, context_id DESC LIMIT ?3"
    );
    let (revision, id) = match &query.before {
        // No revision is greater than what the column holds.
        Some((revision, id)) => (i64::try_from(*revision).unwrap_or(i64::MAX), id.as_str()),
        None => (i64::MAX, ""),
    };
    let limit = rows::limit(query.limit);
    match &query.context {
        None => rows::all(connection, all, (revision, id, limit), change),
        Some(context) => rows::all(connection, of_one, (revision, id, limit, context.as_str()), change),
    }
}

fn change(row: &Row<'_>) -> Result<Change, Failure> {
    let revision: i64 = row.get(0)?;
    let unreadable = |column: &str, rule: String| {
        Failure::damaged_by(format!("the column {column} of the change {revision} cannot be read"), rule)
    };
    let content = match rows::optional_text(row, 7)? {
        None => Value::Null,
        Some(text) => serde_json::from_str(text).map_err(|error| unreadable("content", error.to_string()))?,
    };
    let key = |text: String| text.parse().map_err(|rule| unreadable("idempotency_key", rule));
    let idempotency = match (row.get(8)?, row.get::<_, Option<String>>(9)?, row.get(10)?) {
        (None, None, None) => None,
        (Some(principal), Some(text), Some(request)) => {
            Some(Idempotency { principal, key: key(text)?, request: RequestHash::stored(request) })
        }
        _ => return Err(unreadable("idempotency_key", "a part of it is missing".to_owned())),
    };
    let changed_at = Timestamp::from_micros(row.get(4)?);
    Ok(Change {
        revision: u64::try_from(revision).map_err(|error| unreadable("revision", error.to_string()))?,
        context_id: rows::id(row, 1)?,
        version: row.get(2)?,
        operation: rows::text(row, 3)?.parse().map_err(|rule| unreadable("operation", rule))?,
        changed_at: changed_at.ok_or_else(|| unreadable("changed_at", "no time".to_owned()))?,
        changed_by: row.get(5)?,
        request_id: row.get(6)?,
        content,
        idempotency,
    })
}
