//! The changes: a row for each write of each context, never altered but for an idempotency key that it gives up.

use context_domain::change::{Change, Idempotency, RequestHash};
use context_domain::clock::Timestamp;
use context_domain::id::{ContextId, TenantId};
use context_domain::ports::ChangeQuery;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, Type};

use super::Store;
use super::failure::Failure;
use super::rows::{self, Moment, TransactionId};
use super::statement::Param;
use super::statements;

impl Store {
    /// The change that stands on the principal's key and was made after `since`.
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
        let rows = self.read(tenant, statements::REMEMBERED, &params).await?;
        rows.first().map(change).transpose()
    }

    /// A page of changes, newest first.
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
            None => self.read(tenant, statements::CHANGES, &params).await?,
            Some(context) => {
                params.push((context, Type::TEXT));
                self.read(tenant, statements::CHANGES_OF_ONE, &params).await?
            }
        };
        rows.iter().map(change).collect()
    }
}

fn change(row: &Row) -> Result<Change, Failure> {
    let TransactionId(revision) = rows::column(row, 0, "transaction_id", || "a change".to_owned())?;
    let name = || format!("the change {revision}");
    let unreadable = |column: &str, rule: String| {
        Failure::damaged_by(format!("the column {column} of the change {revision} cannot be read"), rule)
    };
    let context_id = rows::id(row, 1)?;
    let operation: &str = rows::column(row, 3, "operation", name)?;
    let Moment(changed_at) = rows::column(row, 4, "changed_at", name)?;
    let content: Option<Json<Value>> = rows::column(row, 7, "content", name)?;
    let principal = rows::column(row, 8, "idempotency_principal", name)?;
    let key: Option<&str> = rows::column(row, 9, "idempotency_key", name)?;
    let request = rows::column(row, 10, "idempotency_request", name)?;
    let idempotency = match (principal, key, request) {
        (None, None, None) => None,
        (Some(principal), Some(key), Some(request)) => Some(Idempotency {
            principal,
            key: key.parse().map_err(|rule| unreadable("idempotency_key", rule))?,
            request: RequestHash::stored(request),
        }),
        _ => return Err(unreadable("idempotency_key", "a part of it is missing".to_owned())),
    };
    Ok(Change {
        revision,
        version: rows::version(row, 2, &context_id)?,
        context_id,
        operation: operation.parse().map_err(|rule| unreadable("operation", rule))?,
        changed_at,
        changed_by: rows::column(row, 5, "changed_by", name)?,
        request_id: rows::column(row, 6, "request_id", name)?,
        content: content.map_or(Value::Null, |Json(content)| content),
        idempotency,
    })
}
