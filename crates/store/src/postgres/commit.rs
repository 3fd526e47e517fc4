//! The one way in which contexts are written: all of a commit or nothing.
//!
//! What most writes do is one statement, which is its own transaction: it writes, if what was expected holds, and records
//! what it wrote. Where it did nothing the reason is looked for afterwards: the idempotency key first, because what was done
//! under it before is why the rest does not hold.

use context_domain::change::Operation;
use context_domain::context::{Context, Etag};
use context_domain::id::{ContextId, TenantId};
use context_domain::limits::IDEMPOTENCY_WINDOW_MICROS;
use context_domain::ports::{Commit, Expect, Op, Outcome};
use context_domain::search::words_of_content;
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::{Json, Type};

use super::Store;
use super::failure::Failure;
use super::pool::Transaction;
use super::rows::{self, Moment};
use super::statement::{Param, StatementKind};
use super::statements;

/// Times that a commit is begun again because others wrote at the same time.
const MAX_RESTARTS: usize = 5;

/// What became of an attempt to carry out a commit.
pub(super) enum Attempt {
    /// It was carried out.
    Done(Box<Context>),
    /// It was not, and nothing was written.
    Refused(Outcome),
    /// Another write came between.
    Again,
}

impl Attempt {
    /// It was carried out; the context as it stands now, or as it stood before its removal.
    pub(super) fn done(context: Context) -> Self {
        Self::Done(Box::new(context))
    }

    /// What was expected does not hold; this is there instead.
    pub(super) fn conflict(current: Option<Context>) -> Self {
        Self::Refused(Outcome::Conflict { current: current.map(Box::new) })
    }
}

/// What is known of the commit's idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// Nothing yet.
    Unknown,
    /// A change stands on it that is older than the service remembers.
    Old,
}

impl Store {
    /// Carries out `commit`.
    pub(super) async fn carry_out(&self, tenant: &TenantId, commit: &Commit) -> Result<Outcome, Failure> {
        let mut key = Key::Unknown;
        for _ in 0..=MAX_RESTARTS {
            let writing = Writing { store: self, tenant, commit, key };
            match writing.attempt().await {
                Ok(Attempt::Done(context)) => return Ok(Outcome::Done(context)),
                Ok(Attempt::Refused(outcome)) => {
                    return Ok(self.replayed(tenant, commit).await?.unwrap_or(outcome));
                }
                Ok(Attempt::Again) => {}
                Err(failure) if failure.is_unique_violation() => {
                    if let Some(replayed) = self.replayed(tenant, commit).await? {
                        return Ok(replayed);
                    }
                    key = Key::Old;
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
pub(super) struct Writing<'a> {
    pub(super) store: &'a Store,
    pub(super) tenant: &'a TenantId,
    pub(super) commit: &'a Commit,
    key: Key,
}

impl Writing<'_> {
    async fn attempt(&self) -> Result<Attempt, Failure> {
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

    /// A context that says it is another tenant's is not written; but where nothing would be written anyway, that is said.
    async fn misplaced(&self, context: &Context) -> Result<Attempt, Failure> {
        let current = self.store.live(self.tenant, &context.id, self.commit.record.at).await?;
        match &self.commit.expect {
            Expect::Version(etag) if current.as_ref().map(Context::etag).as_ref() != Some(etag) => {
                Ok(Attempt::conflict(current))
            }
            _ => Err(Failure::Misuse(format!("{} is another tenant's", context.id))),
        }
    }

    /// What each statement that records a write begins with.
    pub(super) fn entry(&self, operation: Operation) -> Entry<'_> {
        let (record, key) = (&self.commit.record, self.commit.idempotency.as_ref());
        Entry {
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
        let (entry, row) = (self.entry(operation), NewRow::of(context)?);
        let params = [entry.params(), row.params()].concat();
        match self.write(statements::INSERT_FREE, &params).await? {
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
        let (entry, row) = (self.entry(operation), NewRow::of(context)?);
        let Ok(version) = i32::try_from(etag.version) else { return self.conflict(&etag.id).await };
        let params = [entry.params(), row.params(), vec![(&version, Type::INT4)]].concat();
        match self.write(statements::REPLACE, &params).await? {
            Some(written) => Ok(Attempt::done(placed(context, &written)?)),
            None => self.conflict(&etag.id).await,
        }
    }

    async fn keep(&self, etag: &Etag) -> Result<Attempt, Failure> {
        let entry = self.entry(Operation::None);
        let Ok(version) = i32::try_from(etag.version) else { return self.conflict(&etag.id).await };
        let addressed: [Param<'_>; 2] = [(&etag.id.as_str(), Type::TEXT), (&version, Type::INT4)];
        let params = [entry.params(), addressed.to_vec()].concat();
        match self.write(statements::KEEP, &params).await? {
            Some(kept) => Ok(Attempt::done(rows::context(&kept, self.tenant)?)),
            None => self.conflict(&etag.id).await,
        }
    }

    /// Carries out a statement that writes one context or nothing.
    pub(super) async fn write(&self, template: &str, params: &[Param<'_>]) -> Result<Option<Row>, Failure> {
        let sql = statements::of_tenant(template, self.tenant);
        let mut rows = match self.key {
            Key::Unknown => {
                self.store.pool.query(Some(self.tenant), StatementKind::Write, &sql, params).await?
            }
            Key::Old => {
                let transaction = self.begin().await?;
                let rows = transaction.query(&sql, params).await?;
                // A write that does nothing leaves the old change its key.
                if !rows.is_empty() {
                    transaction.commit().await?;
                }
                rows
            }
        };
        Ok(rows.pop())
    }

    /// Begins a transaction. What stands on the key and is too old gives it up in it.
    pub(super) async fn begin(&self) -> Result<Transaction<'_>, Failure> {
        let transaction = self.store.pool.begin(Some(self.tenant)).await?;
        if let (Key::Old, Some(idempotency)) = (self.key, &self.commit.idempotency) {
            let since = Moment(self.commit.record.at.saturating_add_micros(-IDEMPOTENCY_WINDOW_MICROS));
            let params: [Param<'_>; 4] = [
                (&self.tenant.as_str(), Type::TEXT),
                (&since, Type::TIMESTAMPTZ),
                (&idempotency.principal.as_str(), Type::TEXT),
                (&idempotency.key.as_str(), Type::TEXT),
            ];
            transaction.query(&statements::of_tenant(statements::FREE_KEY, self.tenant), &params).await?;
        }
        Ok(transaction)
    }
}

/// The context as it was written, at the place where the store has it.
pub(super) fn placed(context: &Context, written: &Row) -> Result<Context, Failure> {
    Ok(Context { place: rows::place(written, 0, &context.id)?, ..context.clone() })
}

/// The parameters `$1` to `$8` of a statement that records a write.
pub(super) struct Entry<'a> {
    tenant: &'a str,
    at: Moment,
    by: &'a str,
    request_id: &'a str,
    principal: Option<&'a str>,
    key: Option<&'a str>,
    request: Option<String>,
    operation: &'static str,
}

impl Entry<'_> {
    pub(super) fn params(&self) -> Vec<Param<'_>> {
        vec![
            (&self.tenant, Type::TEXT),
            (&self.at, Type::TIMESTAMPTZ),
            (&self.by, Type::TEXT),
            (&self.request_id, Type::TEXT),
            (&self.principal, Type::TEXT),
            (&self.key, Type::TEXT),
            (&self.request, Type::TEXT),
            (&self.operation, Type::TEXT),
        ]
    }
}

/// The parameters `$9` to `$21` of a statement that writes a context.
pub(super) struct NewRow<'a> {
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

impl<'a> NewRow<'a> {
    pub(super) fn of(context: &'a Context) -> Result<Self, Failure> {
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

    pub(super) fn params(&self) -> Vec<Param<'_>> {
        let content = &self.context.content;
        vec![
            (&self.id, Type::TEXT),
            (&self.data, Type::JSONB),
            (&content.context_type, Type::TEXT),
            (&content.title, Type::TEXT),
            (&content.description, Type::TEXT),
            (&content.tags, Type::TEXT_ARRAY),
            (&content.user_id, Type::TEXT),
            (&self.created_at, Type::TIMESTAMPTZ),
            (&self.updated_at, Type::TIMESTAMPTZ),
            (&self.expires_at, Type::TIMESTAMPTZ),
            (&self.version, Type::INT4),
            (&self.inheritance, Type::JSONB),
            (&self.terms, Type::TEXT_ARRAY),
        ]
    }
}
