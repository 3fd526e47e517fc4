//! The contexts: reading chains and pages, and the way into a commit.

use async_trait::async_trait;
use context_domain::change::{Change, Idempotency};
use context_domain::clock::Timestamp;
use context_domain::context::Context;
use context_domain::error::Error;
use context_domain::id::ContextId;
use context_domain::ports::{ChangeQuery, Commit, ContextList, ContextQuery, Contexts, Outcome};
use context_domain::tenant::TenantId;
use context_domain::tree::{Address, Level, NodeKey, Scope};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Store;
use super::failure::Failure;
use super::rows::{self, Moment};
use super::statement::Param;
use super::statements;

#[async_trait]
impl Contexts for Store {
    async fn chain(&self, tenant: &TenantId, address: &Address) -> Result<Vec<Context>, Error> {
        let chain = match address {
            Address::Id(id) => self.chain_by_id(tenant, id).await,
            Address::Scope(scope) => self.chain_by_scope(tenant, scope).await,
        };
        self.answered(tenant, chain).await
    }

    async fn page(&self, tenant: &TenantId, query: &ContextQuery) -> Result<Vec<Context>, Error> {
        let page = match &query.list {
            ContextList::Matching { search, after } => {
                self.search(tenant, query, (search, after.as_ref())).await
            }
            ContextList::Children { parent, after } => {
                self.children(tenant, query, (parent, after.as_deref())).await
            }
        };
        self.answered(tenant, page).await
    }

    async fn changes(&self, tenant: &TenantId, query: &ChangeQuery) -> Result<Vec<Change>, Error> {
        let page = self.page_of_changes(tenant, query).await;
        self.answered(tenant, page).await
    }

    async fn remembered(
        &self,
        tenant: &TenantId,
        idempotency: &Idempotency,
        since: Timestamp,
    ) -> Result<Option<Change>, Error> {
        let change = self.change_on_key(tenant, idempotency, since).await;
        self.answered(tenant, change).await
    }

    async fn commit(&self, tenant: &TenantId, commit: Commit) -> Result<Outcome, Error> {
        let outcome = self.carry_out(tenant, &commit).await;
        self.answered(tenant, outcome).await
    }
}

impl Store {
    /// The context of that id, if neither it nor an ancestor has expired at `at`.
    pub(super) async fn live(
        &self,
        tenant: &TenantId,
        id: &ContextId,
        at: Timestamp,
    ) -> Result<Option<Context>, Failure> {
        let at = Moment(at);
        let params: [Param<'_>; 3] =
            [(&tenant.as_str(), Type::TEXT), (&at, Type::TIMESTAMPTZ), (&id.as_str(), Type::TEXT)];
        let rows = self.read(tenant, statements::LIVE, &params).await?;
        rows.first().map(|row| rows::context(row, tenant)).transpose()
    }

    /// The nodes there are on the way to a scope, from the top without a gap, expired ones too.
    pub(super) async fn chain_by_scope(
        &self,
        tenant: &TenantId,
        scope: &Scope,
    ) -> Result<Vec<Context>, Failure> {
        let keys: Vec<_> = scope.keys().iter().map(NodeKey::as_str).collect();
        let params: [Param<'_>; 2] = [(&tenant.as_str(), Type::TEXT), (&keys, Type::TEXT_ARRAY)];
        let rows = self.read(tenant, statements::CHAIN_BY_SCOPE, &params).await?;
        if rows.is_empty() {
            return Err(Failure::damaged("its global node is missing"));
        }
        contexts(&rows, tenant)
    }

    async fn chain_by_id(&self, tenant: &TenantId, id: &ContextId) -> Result<Vec<Context>, Failure> {
        let params: [Param<'_>; 2] = [(&tenant.as_str(), Type::TEXT), (&id.as_str(), Type::TEXT)];
        let chain = contexts(&self.read(tenant, statements::CHAIN_BY_ID, &params).await?, tenant)?;
        if chain.len() > Level::ALL.len() {
            return Err(Failure::damaged(format!("more nodes stand above {id} than there are levels")));
        }
        let top = chain.first().and_then(|top| top.place.as_ref());
        match top.and_then(|place| place.parent_id.as_ref()) {
            Some(parent) => Err(Failure::damaged(format!("{parent} is missing, which stands above {id}"))),
            None => Ok(chain),
        }
    }

    async fn children(
        &self,
        tenant: &TenantId,
        query: &ContextQuery,
        (parent, after): (&ContextId, Option<&str>),
    ) -> Result<Vec<Context>, Failure> {
        let (at, limit) = (Moment(query.live_at), rows::limit(query.limit));
        let params: [Param<'_>; 5] = [
            (&tenant.as_str(), Type::TEXT),
            (&at, Type::TIMESTAMPTZ),
            (&parent.as_str(), Type::TEXT),
            // Every key comes after the empty text.
            (&after.unwrap_or(""), Type::TEXT),
            (&limit, Type::INT8),
        ];
        contexts(&self.read(tenant, statements::CHILDREN, &params).await?, tenant)
    }
}

fn contexts(rows: &[Row], tenant: &TenantId) -> Result<Vec<Context>, Failure> {
    rows.iter().map(|row| rows::context(row, tenant)).collect()
}
