//! The port `Contexts`: reads chains and pages, and commits.

use std::sync::Arc;

use async_trait::async_trait;
use context_domain::change::{Change, Idempotency};
use context_domain::clock::Timestamp;
use context_domain::context::Context;
use context_domain::error::Error;
use context_domain::id::{ContextId, TenantId};
use context_domain::ports::{ChangeQuery, Commit, ContextList, ContextQuery, Contexts, Outcome};
use context_domain::tree::{Address, Level, NodeKey};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::Store;
use super::failure::Failure;
use super::memory::CachedDocument;
use super::rows::{self, Moment};
use super::statement::Param;
use super::statements;

#[async_trait]
impl Contexts for Store {
    async fn chain(&self, tenant: &TenantId, address: &Address) -> Result<Vec<Arc<Context>>, Error> {
        let chain = self.chain_at(tenant, address).await;
        self.answered(tenant, chain).await
    }

    async fn page(&self, tenant: &TenantId, query: &ContextQuery) -> Result<Vec<Context>, Error> {
        let page = match &query.list {
            ContextList::Matching { search, after } => {
                self.search_page(tenant, query, (search, after.as_ref())).await
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
    /// Reads the context of that id, if neither it nor an ancestor has expired at `at`.
    pub(super) async fn live(
        &self,
        tenant: &TenantId,
        id: &ContextId,
        at: Timestamp,
    ) -> Result<Option<Context>, Failure> {
        let at = Moment(at);
        let params: [Param<'_>; 3] =
            [(&tenant.as_str(), Type::TEXT), (&at, Type::TIMESTAMPTZ), (&id.as_str(), Type::TEXT)];
        let rows = self.query_tenant(tenant, &statements::LIVE, &params).await?;
        rows.first().map(|row| rows::context(row, tenant)).transpose()
    }

    /// Reads the addressed context and its ancestors, global first, expired ones too. A scope gives the nodes
    /// that exist, from the top without a gap; an id gives all of them or nothing.
    pub(super) async fn chain_at(
        &self,
        tenant: &TenantId,
        address: &Address,
    ) -> Result<Vec<Arc<Context>>, Failure> {
        let losses = self.pool.losses();
        self.memory.forget_before(losses);
        let known = self.memory.chain(tenant, address);
        let (chain, new) = self.read_chain(tenant, address, &known).await?;
        if self.pool.losses() != losses {
            // A server that failed meanwhile may have given the known stamps to other rows.
            let (chain, _) = self.read_chain(tenant, address, &[]).await?;
            return Ok(chain);
        }
        self.memory.keep(&new);
        if let Address::Scope(scope) = address {
            self.memory.keep_scopes(scope, &chain, &new);
        }
        Ok(chain)
    }

    /// Reads a chain, without the rows in `known`, which are not sent again; returns the whole chain, and its
    /// rows that were not known.
    async fn read_chain(
        &self,
        tenant: &TenantId,
        address: &Address,
        known: &[CachedDocument],
    ) -> Result<(Vec<Arc<Context>>, Vec<CachedDocument>), Failure> {
        let stamps: Vec<&str> = known.iter().map(|known| known.stamp.as_ref()).collect();
        let stamps: Param<'_> = (&stamps, Type::TEXT_ARRAY);
        let rows = match address {
            Address::Scope(scope) => {
                let keys: Vec<_> = scope.keys().iter().map(NodeKey::as_str).collect();
                let params: [Param<'_>; 3] =
                    [(&tenant.as_str(), Type::TEXT), (&keys, Type::TEXT_ARRAY), stamps];
                self.query_tenant(tenant, &statements::CHAIN_BY_SCOPE, &params).await?
            }
            Address::Id(id) => {
                let params: [Param<'_>; 3] =
                    [(&tenant.as_str(), Type::TEXT), (&id.as_str(), Type::TEXT), stamps];
                self.query_tenant(tenant, &statements::CHAIN_BY_ID, &params).await?
            }
        };
        let mut new = Vec::new();
        let links = rows.iter().map(|row| chain_link(row, tenant, known, &mut new));
        let chain: Vec<_> = links.collect::<Result<_, _>>()?;
        check_top(address, &chain)?;
        Ok((chain, new))
    }

    /// Reads a page of the live nodes directly below `parent`.
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
        contexts(&self.query_tenant(tenant, &statements::CHILDREN, &params).await?, tenant)
    }
}

/// Returns the context in a row of a chain: taken from `known` if the row holds only a known stamp, else read
/// from the row and added to `new`.
fn chain_link(
    row: &Row,
    tenant: &TenantId,
    known: &[CachedDocument],
    new: &mut Vec<CachedDocument>,
) -> Result<Arc<Context>, Failure> {
    let stamp: &str = rows::column(row, rows::CONTEXT_COLUMNS, "stamp", || "a chain".to_owned())?;
    if let Some(known) = known.iter().find(|known| *known.stamp == *stamp) {
        return Ok(Arc::clone(&known.context));
    }
    let context = Arc::new(rows::context(row, tenant)?);
    new.push(CachedDocument::new(stamp, Arc::clone(&context)));
    Ok(context)
}

/// Fails if the chain does not begin at its top: then it is damaged.
fn check_top(address: &Address, chain: &[Arc<Context>]) -> Result<(), Failure> {
    let id = match address {
        Address::Scope(_) if chain.is_empty() => return Err(Failure::damaged("its global node is missing")),
        Address::Scope(_) => return Ok(()),
        Address::Id(id) => id,
    };
    if chain.len() > Level::ALL.len() {
        return Err(Failure::damaged(format!("there are more nodes above {id} than levels")));
    }
    let top = chain.first().and_then(|top| top.place.as_ref());
    match top.and_then(|place| place.parent_id.as_ref()) {
        Some(parent) => {
            Err(Failure::damaged(format!("{parent} is missing, the parent of a node above {id}")))
        }
        None => Ok(()),
    }
}

fn contexts(rows: &[Row], tenant: &TenantId) -> Result<Vec<Context>, Failure> {
    rows.iter().map(|row| rows::context(row, tenant)).collect()
}
