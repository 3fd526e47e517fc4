//! The contexts: reading chains and pages, and the way into a commit.

use std::sync::Arc;

use async_trait::async_trait;
use context_domain::change::{Change, Idempotency};
use context_domain::clock::Timestamp;
use context_domain::context::Context;
use context_domain::error::Error;
use context_domain::id::{ContextId, TenantId};
use context_domain::ports::{ChangeQuery, Commit, ContextList, ContextQuery, Contexts, Outcome};
use context_domain::tree::{Address, Level, Scope};
use rusqlite::Connection;

use super::failure::Failure;
use super::rows::{self, context_columns};
use super::{Store, changes, commit, search};

#[async_trait]
impl Contexts for Store {
    async fn chain(&self, tenant: &TenantId, address: &Address) -> Result<Vec<Arc<Context>>, Error> {
        let (id, address) = (tenant.clone(), address.clone());
        let chain = move |connection: &Connection| match &address {
            Address::Id(context) => chain_by_id(connection, &id, context),
            Address::Scope(scope) => chain_by_scope(connection, &id, scope),
        };
        Ok(self.read(tenant, chain).await?.into_iter().map(Arc::new).collect())
    }

    async fn page(&self, tenant: &TenantId, query: &ContextQuery) -> Result<Vec<Context>, Error> {
        let (id, query) = (tenant.clone(), query.clone());
        self.read(tenant, move |connection| page(connection, &id, &query)).await
    }

    async fn changes(&self, tenant: &TenantId, query: &ChangeQuery) -> Result<Vec<Change>, Error> {
        let query = query.clone();
        self.read(tenant, move |connection| changes::page(connection, &query)).await
    }

    async fn remembered(
        &self,
        tenant: &TenantId,
        idempotency: &Idempotency,
        since: Timestamp,
    ) -> Result<Option<Change>, Error> {
        let idempotency = idempotency.clone();
        self.read(tenant, move |connection| changes::remembered(connection, &idempotency, since)).await
    }

    async fn commit(&self, tenant: &TenantId, commit: Commit) -> Result<Outcome, Error> {
        let id = tenant.clone();
        self.write(tenant, move |connection| commit::carry_out(connection, &id, &commit)).await
    }
}

/// Holds where the context `c` and its ancestors have not expired at `:at`.
macro_rules! is_live {
    () => {
        "(c.expires_at IS NULL OR c.expires_at > :at)
         AND (above1.expires_at IS NULL OR above1.expires_at > :at)
         AND (above2.expires_at IS NULL OR above2.expires_at > :at)"
    };
}
pub(super) use is_live;

/// The context `c` with the ancestors that may expire: two at the most, because the global node never does.
macro_rules! with_ancestors {
    () => {
        "contexts c
         LEFT JOIN contexts above1 ON above1.id = c.parent_id
         LEFT JOIN contexts above2 ON above2.id = above1.parent_id"
    };
}
pub(super) use with_ancestors;

/// The context of that id, if neither it nor an ancestor has expired at `at`.
pub(super) fn live(
    connection: &Connection,
    tenant: &TenantId,
    id: &ContextId,
    at: Timestamp,
) -> Result<Option<Context>, Failure> {
    let sql = concat!(
        "SELECT ",
        context_columns!(),
        " FROM ",
        with_ancestors!(),
        " WHERE c.id = :id AND ",
        is_live!()
    );
    let parameters = rusqlite::named_params! {":id": id.as_str(), ":at": at.as_micros()};
    rows::one(connection, sql, parameters, |row| rows::context(row, tenant))
}

/// The context of that id, expired or not.
pub(super) fn by_id(
    connection: &Connection,
    tenant: &TenantId,
    id: &ContextId,
) -> Result<Option<Context>, Failure> {
    let sql = concat!("SELECT ", context_columns!(), " FROM contexts c WHERE c.id = ?1");
    rows::one(connection, sql, [id.as_str()], |row| rows::context(row, tenant))
}

/// The id of the global node, which every tenant has.
pub(super) fn global_id(connection: &Connection) -> Result<ContextId, Failure> {
    let sql = "SELECT id FROM contexts WHERE context_level = 'global'";
    let found = rows::one(connection, sql, (), |row| rows::id(row, 0))?;
    found.ok_or_else(|| Failure::damaged("its global node is missing"))
}

fn chain_by_scope(
    connection: &Connection,
    tenant: &TenantId,
    scope: &Scope,
) -> Result<Vec<Context>, Failure> {
    let sql = concat!("SELECT ", context_columns!(), " FROM contexts c WHERE c.context_level = 'global'");
    let global = rows::one(connection, sql, (), |row| rows::context(row, tenant))?;
    let global = global.ok_or_else(|| Failure::damaged("its global node is missing"))?;
    let mut above = global.id.clone();
    let mut chain = vec![global];
    for key in scope.keys() {
        let sql = concat!(
            "SELECT ",
            context_columns!(),
            " FROM contexts c WHERE c.parent_id = ?1 AND c.node_key = ?2"
        );
        let parameters = (above.as_str(), key.as_str());
        let Some(node) = rows::one(connection, sql, parameters, |row| rows::context(row, tenant))? else {
            break;
        };
        above = node.id.clone();
        chain.push(node);
    }
    Ok(chain)
}

fn chain_by_id(connection: &Connection, tenant: &TenantId, id: &ContextId) -> Result<Vec<Context>, Failure> {
    let Some(target) = by_id(connection, tenant, id)? else { return Ok(Vec::new()) };
    let mut above = parent_of(&target);
    let mut chain = vec![target];
    while let Some(parent) = above {
        if chain.len() == Level::ALL.len() {
            return Err(Failure::damaged(format!("more nodes stand above {id} than there are levels")));
        }
        let node = by_id(connection, tenant, &parent)?;
        let node =
            node.ok_or_else(|| Failure::damaged(format!("{parent} is missing, which stands above {id}")))?;
        above = parent_of(&node);
        chain.push(node);
    }
    chain.reverse();
    Ok(chain)
}

fn parent_of(context: &Context) -> Option<ContextId> {
    context.place.as_ref().and_then(|place| place.parent_id.clone())
}

fn page(connection: &Connection, tenant: &TenantId, query: &ContextQuery) -> Result<Vec<Context>, Failure> {
    match &query.list {
        ContextList::Matching { search, after } => {
            search::page(connection, tenant, query, (search, after.as_ref()))
        }
        ContextList::Children { parent, after } => {
            let sql = concat!(
                "SELECT ",
                context_columns!(),
                " FROM ",
                with_ancestors!(),
                " WHERE c.parent_id = :parent AND c.node_key > :after AND ",
                is_live!(),
                " ORDER BY c.node_key LIMIT :limit"
            );
            let parameters = rusqlite::named_params! {
                ":parent": parent.as_str(),
                // Every key comes after the empty text.
                ":after": after.as_deref().unwrap_or(""),
                ":at": query.live_at.as_micros(),
                ":limit": rows::limit(query.limit),
            };
            rows::all(connection, sql, parameters, |row| rows::context(row, tenant))
        }
    }
}
