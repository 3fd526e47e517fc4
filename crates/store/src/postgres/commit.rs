//! The only code that writes contexts: a commit is carried out completely or not at all.
//!
//! Most writes are one statement, which is a transaction by itself: it writes if the stored version is the
//! expected one, and records what it wrote. If it wrote nothing, the reason is looked up afterwards, the
//! idempotency key first: if the same request was carried out before, that is why the version has changed.

use context_domain::change::Operation;
use context_domain::context::{Context, Etag};
use context_domain::id::{ContextId, TenantId};
use context_domain::limits::IDEMPOTENCY_WINDOW_MICROS;
use context_domain::ports::{Commit, Expect, Op, Outcome};
use context_domain::search::words_of_content;
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql, Type};

use super::Store;
use super::columns::{ChangeColumn, ContextColumn};
use super::failure::Failure;
use super::pool::Transaction;
use super::rows::{self, Moment};
use super::statement::{Param, StatementKind};
use super::statements;

/// How often a commit is restarted because others wrote at the same time.
const MAX_RESTARTS: usize = 5;

/// The result of one attempt at a commit.
pub(super) enum Attempt {
    /// It was carried out.
    Done(Box<Context>),
    /// It cannot be carried out; nothing was written.
    Refused(Outcome),
    /// Another write interfered: the commit must be restarted.
    Again,
}

impl Attempt {
    /// Returns a success, with the context as it is now or, if it was removed, as it was before.
    pub(super) fn done(context: Context) -> Self {
        Self::Done(Box::new(context))
    }

    /// Returns a refusal: `current` is stored instead of the expected version.
    pub(super) fn conflict(current: Option<Context>) -> Self {
        Self::Refused(Outcome::Conflict { current: current.map(Box::new) })
    }
}

/// What is known about the commit's idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyState {
    /// Nothing yet.
    Unknown,
    /// A change from before the idempotency window has it, and must give it up.
    Expired,
}

impl Store {
    /// Carries out `commit`.
    pub(super) async fn carry_out(&self, tenant: &TenantId, commit: &Commit) -> Result<Outcome, Failure> {
        let mut key = KeyState::Unknown;
        for _ in 0..=MAX_RESTARTS {
            let attempt = PostgresCommit { store: self, tenant, commit, key };
            match attempt.run_once().await {
                Ok(Attempt::Done(context)) => return Ok(Outcome::Done(context)),
                Ok(Attempt::Refused(outcome)) => {
                    return Ok(self.replayed(tenant, commit).await?.unwrap_or(outcome));
                }
                Ok(Attempt::Again) => {}
                Err(failure) if failure.is_unique_violation() => {
                    if let Some(replayed) = self.replayed(tenant, commit).await? {
                        return Ok(replayed);
                    }
                    key = KeyState::Expired;
                }
                Err(failure) if failure.is_foreign_key_violation() || failure.is_conflict() => {}
                Err(failure) => return Err(failure),
            }
        }
        let detail = "it is busy: others kept writing the same contexts; nothing was written, try again";
        Err(Failure::Unavailable { detail: detail.to_owned(), source: None })
    }

    async fn replayed(&self, tenant: &TenantId, commit: &Commit) -> Result<Option<Outcome>, Failure> {
        let Some(idempotency) = &commit.idempotency else { return Ok(None) };
        let since = commit.record.at.saturating_add_micros(-IDEMPOTENCY_WINDOW_MICROS);
        let change = self.change_on_key(tenant, idempotency, since).await?;
        Ok(change.map(|change| Outcome::Replayed(Box::new(change))))
    }
}

/// A commit that is being carried out.
pub(super) struct PostgresCommit<'a> {
    pub(super) store: &'a Store,
    pub(super) tenant: &'a TenantId,
    pub(super) commit: &'a Commit,
    key: KeyState,
}

impl PostgresCommit<'_> {
    async fn run_once(&self) -> Result<Attempt, Failure> {
        if let Op::Put { context, .. } = &self.commit.op
            && context.tenant_id != *self.tenant
        {
            return self.misplaced(context).await;
        }
        match (&self.commit.expect, &self.commit.op) {
            (Expect::Absent, Op::Put { context, scope: Some(scope), operation }) => {
                self.create_node(context, scope, *operation).await
            }
            (Expect::Absent, Op::Put { context, scope: None, operation }) => {
                self.create_free(context, *operation).await
            }
            (Expect::Version(etag), Op::Put { context, operation, .. }) => {
                self.replace(etag, context, *operation).await
            }
            (Expect::Version(etag), Op::Delete { subtree }) => self.delete(etag, *subtree).await,
            (Expect::Version(etag), Op::Keep) => self.keep(etag).await,
            (Expect::Absent, Op::Delete { .. } | Op::Keep) => {
                Err(Failure::Misuse("what is absent can neither be deleted nor kept".to_owned()))
            }
        }
    }

    /// Refuses to write a context that names another tenant. A conflict is reported first: then nothing would
    /// be written anyway.
    async fn misplaced(&self, context: &Context) -> Result<Attempt, Failure> {
        let current = self.store.live(self.tenant, &context.id, self.commit.record.at).await?;
        match &self.commit.expect {
            Expect::Version(etag) if current.as_ref().map(Context::etag).as_ref() != Some(etag) => {
                Ok(Attempt::conflict(current))
            }
            _ => Err(Failure::Misuse(format!("{} is another tenant's", context.id))),
        }
    }

    /// Returns the values of the record of `operation`.
    pub(super) fn record(&self, operation: Operation) -> RecordValues<'_> {
        let (record, key) = (&self.commit.record, self.commit.idempotency.as_ref());
        RecordValues {
            tenant: self.tenant.as_str(),
            at: Moment(record.at),
            by: &record.by,
            request_id: &record.request_id,
            principal: key.map(|key| key.principal.as_str()),
            key: key.map(|key| key.key.as_str()),
            request: key.map(|key| key.request.to_string()),
            operation: operation.as_str(),
        }
    }

    pub(super) async fn conflict(&self, id: &ContextId) -> Result<Attempt, Failure> {
        let current = self.store.live(self.tenant, id, self.commit.record.at).await?;
        Ok(Attempt::conflict(current))
    }

    async fn create_free(&self, context: &Context, operation: Operation) -> Result<Attempt, Failure> {
        let (record, row) = (self.record(operation), ContextValues::from_context(context)?);
        let params = [record.params(), row.params()].concat();
        match self.write(&statements::INSERT_FREE, &params).await? {
            Some(_) => Ok(Attempt::done(Context { place: None, ..context.clone() })),
            None => self.conflict(&context.id).await,
        }
    }

    async fn replace(
        &self,
        etag: &Etag,
        context: &Context,
        operation: Operation,
    ) -> Result<Attempt, Failure> {
        if context.id != etag.id {
            return Err(Failure::Misuse(format!("{} was to be written over {}", context.id, etag.id)));
        }
        let (record, row) = (self.record(operation), ContextValues::from_context(context)?);
        let Ok(version) = i32::try_from(etag.version) else { return self.conflict(&etag.id).await };
        let params = [record.params(), vec![(&version, Type::INT4)], row.params()].concat();
        match self.write(&statements::REPLACE, &params).await? {
            Some(written) => Ok(Attempt::done(placed(context, &written)?)),
            None => self.conflict(&etag.id).await,
        }
    }

    async fn keep(&self, etag: &Etag) -> Result<Attempt, Failure> {
        let record = self.record(Operation::None);
        let Ok(version) = i32::try_from(etag.version) else { return self.conflict(&etag.id).await };
        let addressed: [Param<'_>; 2] = [(&etag.id.as_str(), Type::TEXT), (&version, Type::INT4)];
        let params = [record.params(), addressed.to_vec()].concat();
        match self.write(&statements::KEEP, &params).await? {
            Some(kept) => Ok(Attempt::done(rows::context(&kept, self.tenant)?)),
            None => self.conflict(&etag.id).await,
        }
    }

    /// Runs a statement that writes one context or nothing, and returns its row.
    pub(super) async fn write(&self, template: &str, params: &[Param<'_>]) -> Result<Option<Row>, Failure> {
        let sql = statements::of_tenant(template, self.tenant);
        let mut rows = match self.key {
            KeyState::Unknown => {
                self.store.pool.query(Some(self.tenant), StatementKind::Write, &sql, params).await?
            }
            KeyState::Expired => {
                let transaction = self.begin().await?;
                let rows = transaction.query(&sql, params).await?;
                // If nothing was written, the old change keeps its key.
                if !rows.is_empty() {
                    transaction.commit().await?;
                }
                rows
            }
        };
        Ok(rows.pop())
    }

    /// Begins a transaction. If the key is [`KeyState::Expired`], its first statement removes the key from
    /// the old change.
    pub(super) async fn begin(&self) -> Result<Transaction<'_>, Failure> {
        let transaction = self.store.pool.begin(Some(self.tenant)).await?;
        if let (KeyState::Expired, Some(idempotency)) = (self.key, &self.commit.idempotency) {
            let since = Moment(self.commit.record.at.saturating_add_micros(-IDEMPOTENCY_WINDOW_MICROS));
            let params: [Param<'_>; 4] = [
                (&self.tenant.as_str(), Type::TEXT),
                (&since, Type::TIMESTAMPTZ),
                (&idempotency.principal.as_str(), Type::TEXT),
                (&idempotency.key.as_str(), Type::TEXT),
            ];
            transaction.query(&statements::of_tenant(&statements::FREE_KEY, self.tenant), &params).await?;
        }
        Ok(transaction)
    }
}

/// Returns the context as it was written, at the place that the database returned.
pub(super) fn placed(context: &Context, written: &Row) -> Result<Context, Failure> {
    Ok(Context { place: rows::place(written, [0, 1, 2], &context.id)?, ..context.clone() })
}

/// The values of a record: the parameters [`ChangeColumn::PARAMETERS`].
pub(super) struct RecordValues<'a> {
    tenant: &'a str,
    at: Moment,
    by: &'a str,
    request_id: &'a str,
    principal: Option<&'a str>,
    key: Option<&'a str>,
    request: Option<String>,
    operation: &'static str,
}

impl RecordValues<'_> {
    /// Returns the parameters that every statement with a record begins with.
    pub(super) fn params(&self) -> Vec<Param<'_>> {
        let param = |column: ChangeColumn| {
            self.value(column).map(|value| -> Param<'_> { (value, column.column_type()) })
        };
        ChangeColumn::PARAMETERS.into_iter().filter_map(param).collect()
    }

    /// Returns the value of a column; `None` if the statement itself fills it.
    fn value(&self, column: ChangeColumn) -> Option<&(dyn ToSql + Sync)> {
        match column {
            ChangeColumn::TenantId => Some(&self.tenant),
            ChangeColumn::ChangedAt => Some(&self.at),
            ChangeColumn::ChangedBy => Some(&self.by),
            ChangeColumn::RequestId => Some(&self.request_id),
            ChangeColumn::IdempotencyPrincipal => Some(&self.principal),
            ChangeColumn::IdempotencyKey => Some(&self.key),
            ChangeColumn::IdempotencyRequest => Some(&self.request),
            ChangeColumn::Operation => Some(&self.operation),
            ChangeColumn::TransactionId
            | ChangeColumn::ContextId
            | ChangeColumn::Version
            | ChangeColumn::Content => None,
        }
    }
}

/// The values of a context: the parameters [`ContextColumn::written_columns`].
pub(super) struct ContextValues<'a> {
    context: &'a Context,
    id: &'a str,
    data: Json<&'a Map<String, Value>>,
    created_at: Moment,
    updated_at: Moment,
    expires_at: Option<Moment>,
    version: i32,
    inheritance: Option<Json<&'a Value>>,
    terms: Vec<String>,
}

impl<'a> ContextValues<'a> {
    pub(super) fn from_context(context: &'a Context) -> Result<Self, Failure> {
        Ok(Self {
            context,
            id: context.id.as_str(),
            data: Json(&context.content.context_data),
            created_at: Moment(context.created_at),
            updated_at: Moment(context.updated_at),
            expires_at: context.content.expires_at.map(Moment),
            version: rows::stored_version(context.version, &context.id)?,
            inheritance: context.content.inheritance.as_ref().map(|rules| Json(rules.as_value())),
            terms: words_of_content(&context.content).into_iter().collect(),
        })
    }

    /// Returns the parameters that every statement that writes a context ends with.
    pub(super) fn params(&self) -> Vec<Param<'_>> {
        let param = |column: ContextColumn| {
            self.value(column).map(|value| -> Param<'_> { (value, column.column_type()) })
        };
        ContextColumn::written_columns().filter_map(param).collect()
    }

    /// Returns the value of a column; `None` if the statement itself fills it.
    fn value(&self, column: ContextColumn) -> Option<&(dyn ToSql + Sync)> {
        let content = &self.context.content;
        match column {
            ContextColumn::Id => Some(&self.id),
            ContextColumn::ContextData => Some(&self.data),
            ContextColumn::ContextType => Some(&content.context_type),
            ContextColumn::Title => Some(&content.title),
            ContextColumn::Description => Some(&content.description),
            ContextColumn::Tags => Some(&content.tags),
            ContextColumn::UserId => Some(&content.user_id),
            ContextColumn::CreatedAt => Some(&self.created_at),
            ContextColumn::UpdatedAt => Some(&self.updated_at),
            ContextColumn::ExpiresAt => Some(&self.expires_at),
            ContextColumn::Version => Some(&self.version),
            ContextColumn::Inheritance => Some(&self.inheritance),
            ContextColumn::Terms => Some(&self.terms),
            ContextColumn::TenantId
            | ContextColumn::ContextLevel
            | ContextColumn::ParentId
            | ContextColumn::NodeKey => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use context_domain::clock::Timestamp;
    use context_domain::content::Content;

    use super::*;

    #[test]
    fn every_column_that_a_parameter_fills_has_a_value() {
        let at = Timestamp::from_micros(0).unwrap();
        let context = Context {
            id: "ctx_01970000-0000-7000-8000-000000000001".parse().unwrap(),
            tenant_id: "t".parse().unwrap(),
            content: Content::empty_node(context_domain::tree::Level::Global),
            place: None,
            created_at: at,
            updated_at: at,
            version: 1,
        };
        let values = ContextValues::from_context(&context).unwrap();
        let written: Vec<_> = ContextColumn::written_columns().collect();
        for column in ContextColumn::ALL {
            assert_eq!(values.value(*column).is_some(), written.contains(column), "{column:?}");
        }
        let record = RecordValues {
            tenant: "t",
            at: Moment(at),
            by: "p",
            request_id: "r",
            principal: None,
            key: None,
            request: None,
            operation: "none",
        };
        for column in ChangeColumn::ALL {
            let filled = ChangeColumn::PARAMETERS.contains(column);
            assert_eq!(record.value(*column).is_some(), filled, "{column:?}");
        }
    }
}
