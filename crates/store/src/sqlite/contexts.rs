//! The port `Contexts`: reads chains and pages, and commits.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use context_domain::change::{Change, Idempotency};
use context_domain::clock::Timestamp;
use context_domain::context::Context;
use context_domain::error::Error;
use context_domain::id::{ContextId, TenantId};
use context_domain::ports::{ChangeQuery, Commit, ContextList, ContextQuery, Contexts, Outcome};
use context_domain::tree::{Address, Level, Scope};
use rusqlite::Connection;

use super::context_rows::{self, IS_LIVE, WITH_ANCESTORS, context_columns, read_context};
use super::failure::Failure;
use super::store::SqliteStore;
use super::{changes, commit, rows, search};

#[async_trait]
impl Contexts for SqliteStore {
    async fn chain(&self, tenant: &TenantId, address: &Address) -> Result<Vec<Arc<Context>>, Error> {
        let (id, address) = (tenant.clone(), address.clone());
        let chain = move |connection: &Connection| match &address {
            Address::Id(context) => chain_by_id(connection, &id, context),
            Address::Scope(scope) => chain_by_scope(connection, &id, scope),
        };
        Ok(self.read_tenant(tenant, chain).await?.into_iter().map(Arc::new).collect())
    }

    async fn page(&self, tenant: &TenantId, query: &ContextQuery) -> Result<Vec<Context>, Error> {
        let (id, query) = (tenant.clone(), query.clone());
        self.read_tenant(tenant, move |connection| list_contexts(connection, &id, &query)).await
    }

    async fn changes(&self, tenant: &TenantId, query: &ChangeQuery) -> Result<Vec<Change>, Error> {
        let query = query.clone();
        self.read_tenant(tenant, move |connection| changes::list_changes(connection, &query)).await
    }

    async fn remembered(
        &self,
        tenant: &TenantId,
        idempotency: &Idempotency,
        since: Timestamp,
    ) -> Result<Option<Change>, Error> {
        let idempotency = idempotency.clone();
        self.read_tenant(tenant, move |connection| changes::find_by_key(connection, &idempotency, since))
            .await
    }

    async fn commit(&self, tenant: &TenantId, commit: Commit) -> Result<Outcome, Error> {
        let id = tenant.clone();
        self.write_tenant(tenant, move |connection| commit::run_commit(connection, &id, &commit)).await
    }
}

/// Reads the nodes on the path to that scope that exist, from the top without a gap.
fn chain_by_scope(
    connection: &Connection,
    tenant: &TenantId,
    scope: &Scope,
) -> Result<Vec<Context>, Failure> {
    static GLOBAL: LazyLock<String> = LazyLock::new(|| {
        format!("SELECT {} FROM contexts c WHERE c.context_level = 'global'", context_columns())
    });
    static CHILD: LazyLock<String> = LazyLock::new(|| {
        format!("SELECT {} FROM contexts c WHERE c.parent_id = ?1 AND c.node_key = ?2", context_columns())
    });
    let global = rows::query_one(connection, &GLOBAL, (), |row| read_context(row, tenant))?;
    let global = global.ok_or_else(|| Failure::damaged("its global node is missing"))?;
    let mut above = global.id.clone();
    let mut chain = vec![global];
    for key in scope.keys() {
        let parameters = (above.as_str(), key.as_str());
        let node = rows::query_one(connection, &CHILD, parameters, |row| read_context(row, tenant))?;
        let Some(node) = node else {
            break;
        };
        above = node.id.clone();
        chain.push(node);
    }
    Ok(chain)
}

/// Reads the context of that id and its ancestors, global first; nothing if it does not exist.
fn chain_by_id(connection: &Connection, tenant: &TenantId, id: &ContextId) -> Result<Vec<Context>, Failure> {
    let Some(target) = context_rows::find_by_id(connection, tenant, id)? else { return Ok(Vec::new()) };
    let mut above = parent_of(&target);
    let mut chain = vec![target];
    while let Some(parent) = above {
        if chain.len() == Level::ALL.len() {
            return Err(Failure::damaged(format!("there are more nodes above {id} than levels")));
        }
        let node = context_rows::find_by_id(connection, tenant, &parent)?;
        let node = node.ok_or_else(|| {
            Failure::damaged(format!("{parent} is missing, the parent of a node above {id}"))
        })?;
        above = parent_of(&node);
        chain.push(node);
    }
    chain.reverse();
    Ok(chain)
}

fn parent_of(context: &Context) -> Option<ContextId> {
    context.place.as_ref().and_then(|place| place.parent_id.clone())
}

/// Reads a page of contexts.
fn list_contexts(
    connection: &Connection,
    tenant: &TenantId,
    query: &ContextQuery,
) -> Result<Vec<Context>, Failure> {
    static CHILDREN: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {} FROM {WITH_ANCESTORS} WHERE c.parent_id = :parent AND c.node_key > :after AND {IS_LIVE}
             ORDER BY c.node_key LIMIT :limit",
            context_columns()
        )
    });
    match &query.list {
        ContextList::Matching { search, after } => {
            search::search_contexts(connection, tenant, query, (search, after.as_ref()))
        }
        ContextList::Children { parent, after } => {
            let parameters = rusqlite::named_params! {
                ":parent": parent.as_str(),
                // Every key comes after the empty text.
                ":after": after.as_deref().unwrap_or(""),
                ":at": query.live_at.as_micros(),
                ":limit": rows::limit(query.limit),
            };
            rows::query_all(connection, &CHILDREN, parameters, |row| read_context(row, tenant))
        }
    }
}
