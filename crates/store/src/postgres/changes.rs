//! The changes: one row for each write of each context, never altered except to remove an idempotency key.

use context_domain::change::{Change, Idempotency, RequestHash};
use context_domain::clock::Timestamp;
use context_domain::id::{ContextId, TenantId};
use context_domain::ports::ChangeQuery;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, Type};

use super::Store;
use super::columns::ChangeColumn;
use super::failure::Failure;
use super::rows::{self, Moment, TransactionId};
use super::statement::Param;
use super::statements;
use crate::columns::Column;

impl Store {
    /// Reads the change that carries the principal's idempotency key, if it was made after `since`.
    pub(super) async fn change_on_key(
        &self,
        tenant: &TenantId,
        idempotency: &Idempotency,
        since: Timestamp,
    ) -> Result<Option<Change>, Failure> {
        let since = Moment(since);
        let params: [Param<'_>; 4] = [
            (&tenant.as_str(), Type::TEXT),
            (&since, Type::TIMESTAMPTZ),
            (&idempotency.principal.as_str(), Type::TEXT),
            (&idempotency.key.as_str(), Type::TEXT),
        ];
        let rows = self.query_tenant(tenant, &statements::CHANGE_ON_KEY, &params).await?;
        rows.first().map(change).transpose()
    }

    /// Reads a page of changes, newest first.
    pub(super) async fn page_of_changes(
        &self,
        tenant: &TenantId,
        query: &ChangeQuery,
    ) -> Result<Vec<Change>, Failure> {
        let (revision, id) = match &query.before {
            Some((revision, id)) => (TransactionId(*revision), id.as_str()),
            // No transaction has this number.
            None => (TransactionId(u64::MAX), ""),
        };
        let (limit, name) = (rows::limit(query.limit), tenant.as_str());
        let mut params: Vec<Param<'_>> =
            vec![(&name, Type::TEXT), (&revision, Type::XID8), (&id, Type::TEXT), (&limit, Type::INT8)];
        let of_one = query.context.as_ref().map(ContextId::as_str);
        let rows = match &of_one {
            None => self.query_tenant(tenant, &statements::CHANGES, &params).await?,
            Some(context) => {
                params.push((context, Type::TEXT));
                self.query_tenant(tenant, &statements::CHANGES_OF_ONE, &params).await?
            }
        };
        rows.iter().map(change).collect()
    }
}

/// Reads the change in a row that was selected with [`ChangeColumn::read_columns`].
fn change(row: &Row) -> Result<Change, Failure> {
    let TransactionId(revision) = rows::field(row, ChangeColumn::TransactionId, || "a change".to_owned())?;
    let name = || format!("the change {revision}");
    let unreadable = |column: ChangeColumn, rule: String| {
        let column = column.name();
        Failure::damaged_by(format!("the column {column} of the change {revision} cannot be read"), rule)
    };
    let context_id = rows::id(row, ChangeColumn::ContextId.index())?;
    let operation: &str = rows::field(row, ChangeColumn::Operation, name)?;
    let Moment(changed_at) = rows::field(row, ChangeColumn::ChangedAt, name)?;
    let content: Option<Json<Value>> = rows::field(row, ChangeColumn::Content, name)?;
    let principal = rows::field(row, ChangeColumn::IdempotencyPrincipal, name)?;
    let key: Option<&str> = rows::field(row, ChangeColumn::IdempotencyKey, name)?;
    let request = rows::field(row, ChangeColumn::IdempotencyRequest, name)?;
    let idempotency = match (principal, key, request) {
        (None, None, None) => None,
        (Some(principal), Some(key), Some(request)) => Some(Idempotency {
            principal,
            key: key.parse().map_err(|rule| unreadable(ChangeColumn::IdempotencyKey, rule))?,
            request: RequestHash::stored(request),
        }),
        _ => return Err(unreadable(ChangeColumn::IdempotencyKey, "a part of it is missing".to_owned())),
    };
    Ok(Change {
        revision,
        version: rows::version(row, ChangeColumn::Version, &context_id)?,
        context_id,
        operation: operation.parse().map_err(|rule| unreadable(ChangeColumn::Operation, rule))?,
        changed_at,
        changed_by: rows::field(row, ChangeColumn::ChangedBy, name)?,
        request_id: rows::field(row, ChangeColumn::RequestId, name)?,
        content: content.map_or(Value::Null, |Json(content)| content),
        idempotency,
    })
}
