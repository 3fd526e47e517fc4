//! The changes: one row for each write of each context, never altered except to remove an idempotency key.

use std::sync::LazyLock;

use context_domain::change::{Change, Idempotency, Operation, Record, RequestHash};
use context_domain::clock::Timestamp;
use context_domain::id::{ContextId, TenantId};
use context_domain::ports::ChangeQuery;
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Row, params_from_iter};
use serde_json::Value;

use super::columns::ChangeColumn;
use super::failure::Failure;
use super::rows;
use crate::columns::{Column, join, names};

/// Inserts the change rows of one transaction; holds the values that they have in common.
pub(super) struct ChangeRecorder<'a> {
    connection: &'a Connection,
    tenant: &'a TenantId,
    record: &'a Record,
    revision: i64,
}

/// The values of one change row that differ from context to context.
pub(super) struct NewChange<'a> {
    /// The context.
    pub(super) id: &'a ContextId,
    /// Its version after the write.
    pub(super) version: u32,
    /// The operation.
    pub(super) operation: Operation,
    /// The context after the write; `None` after a removal.
    pub(super) content: Option<&'a Value>,
    /// The idempotency key of the request, if it addressed this context.
    pub(super) idempotency: Option<&'a Idempotency>,
}

impl<'a> ChangeRecorder<'a> {
    /// Starts to record: takes the next revision for the transaction.
    pub(super) fn start(
        connection: &'a Connection,
        tenant: &'a TenantId,
        record: &'a Record,
    ) -> Result<Self, Failure> {
        let sql = "UPDATE meta SET revision = revision + 1 RETURNING revision";
        let revision = rows::query_number(connection, sql, ())?;
        Ok(Self { connection, tenant, record, revision })
    }

    /// Inserts the change row of one context.
    pub(super) fn record(&self, change: &NewChange<'_>) -> Result<(), Failure> {
        static SQL: LazyLock<String> = LazyLock::new(|| {
            let columns = || ChangeColumn::ALL.iter().copied();
            let values = join(columns(), |column| format!("?{}", column.index() + 1));
            format!("INSERT INTO context_changes ({}) VALUES ({values})", names(columns()))
        });
        let values = ChangeColumn::ALL.iter().map(|column| self.stored_value(change, *column));
        let values: Vec<_> = values.collect::<Result<_, _>>()?;
        rows::execute(self.connection, &SQL, params_from_iter(values))?;
        Ok(())
    }

    /// Returns the value of a column, as it is stored.
    fn stored_value<'v>(
        &'v self,
        change: &'v NewChange<'_>,
        column: ChangeColumn,
    ) -> Result<ToSqlOutput<'v>, Failure> {
        let key = change.idempotency;
        Ok(match column {
            ChangeColumn::TenantId => self.tenant.as_str().into(),
            ChangeColumn::Revision => self.revision.into(),
            ChangeColumn::ContextId => change.id.as_str().into(),
            ChangeColumn::Version => change.version.into(),
            ChangeColumn::Operation => change.operation.as_str().into(),
            ChangeColumn::ChangedAt => self.record.at.as_micros().into(),
            ChangeColumn::ChangedBy => self.record.by.as_str().into(),
            ChangeColumn::RequestId => self.record.request_id.as_str().into(),
            ChangeColumn::Content => rows::or_null(change.content.map(rows::compact_json).transpose()?),
            ChangeColumn::IdempotencyPrincipal => rows::or_null(key.map(|key| key.principal.as_str())),
            ChangeColumn::IdempotencyKey => rows::or_null(key.map(|key| key.key.as_str())),
            ChangeColumn::IdempotencyRequest => rows::or_null(key.map(|key| key.request.to_string())),
        })
    }
}

/// Reads the change that carries the principal's idempotency key, if it was made after `since`.
pub(super) fn find_by_key(
    connection: &Connection,
    idempotency: &Idempotency,
    since: Timestamp,
) -> Result<Option<Change>, Failure> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {} FROM context_changes
             WHERE idempotency_principal = ?1 AND idempotency_key = ?2 AND changed_at > ?3",
            names(ChangeColumn::read_columns())
        )
    });
    let parameters = (idempotency.principal.as_str(), idempotency.key.as_str(), since.as_micros());
    rows::query_one(connection, &SQL, parameters, read_change)
}

/// Removes the principal's key from the change that has it, so that another change can take it.
pub(super) fn free_key(connection: &Connection, idempotency: &Idempotency) -> Result<(), Failure> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        let set = join(ChangeColumn::KEY, |column| format!("{} = NULL", column.name()));
        format!("UPDATE context_changes SET {set} WHERE idempotency_principal = ?1 AND idempotency_key = ?2")
    });
    rows::execute(connection, &SQL, (idempotency.principal.as_str(), idempotency.key.as_str()))?;
    Ok(())
}

/// Reads a page of changes, newest first.
pub(super) fn list_changes(connection: &Connection, query: &ChangeQuery) -> Result<Vec<Change>, Failure> {
    static EVERY: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {} FROM context_changes
             WHERE (revision, context_id) < (?1, ?2) ORDER BY revision DESC, context_id DESC LIMIT ?3",
            names(ChangeColumn::read_columns())
        )
    });
    static OF_ONE: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {} FROM context_changes
             WHERE context_id = ?4 AND (revision, context_id) < (?1, ?2)
             ORDER BY revision DESC, context_id DESC LIMIT ?3",
            names(ChangeColumn::read_columns())
        )
    });
    let (revision, id) = match &query.before {
        // The column holds no greater revision.
        Some((revision, id)) => (i64::try_from(*revision).unwrap_or(i64::MAX), id.as_str()),
        None => (i64::MAX, ""),
    };
    let limit = rows::limit(query.limit);
    match &query.context {
        None => rows::query_all(connection, &EVERY, (revision, id, limit), read_change),
        Some(context) => {
            rows::query_all(connection, &OF_ONE, (revision, id, limit, context.as_str()), read_change)
        }
    }
}

/// Reads the change in a row of [`ChangeColumn::read_columns`].
fn read_change(row: &Row<'_>) -> Result<Change, Failure> {
    let revision: i64 = row.get(ChangeColumn::Revision.index())?;
    let unreadable = |column: ChangeColumn, rule: String| {
        let column = column.name();
        Failure::damaged_by(format!("the column {column} of the change {revision} cannot be read"), rule)
    };
    let content = match rows::read_optional_text(row, ChangeColumn::Content.index())? {
        None => Value::Null,
        Some(text) => serde_json::from_str(text)
            .map_err(|error| unreadable(ChangeColumn::Content, error.to_string()))?,
    };
    let [principal, key, request] =
        ChangeColumn::KEY.map(|column| row.get::<_, Option<String>>(column.index()));
    let idempotency = match (principal?, key?, request?) {
        (None, None, None) => None,
        (Some(principal), Some(key), Some(request)) => Some(Idempotency {
            principal,
            key: key.parse().map_err(|rule| unreadable(ChangeColumn::IdempotencyKey, rule))?,
            request: RequestHash::stored(request),
        }),
        _ => return Err(unreadable(ChangeColumn::IdempotencyKey, "a part of it is missing".to_owned())),
    };
    let operation = rows::read_text(row, ChangeColumn::Operation.index())?.parse();
    let changed_at = Timestamp::from_micros(row.get(ChangeColumn::ChangedAt.index())?);
    Ok(Change {
        revision: u64::try_from(revision)
            .map_err(|error| unreadable(ChangeColumn::Revision, error.to_string()))?,
        context_id: rows::read_id(row, ChangeColumn::ContextId.index())?,
        version: row.get(ChangeColumn::Version.index())?,
        operation: operation.map_err(|rule| unreadable(ChangeColumn::Operation, rule))?,
        changed_at: changed_at
            .ok_or_else(|| unreadable(ChangeColumn::ChangedAt, "it is not a time".to_owned()))?,
        changed_by: row.get(ChangeColumn::ChangedBy.index())?,
        request_id: row.get(ChangeColumn::RequestId.index())?,
        content,
        idempotency,
    })
}
