//! Creating nodes: with one statement if all nodes above exist, else from the top down.

use std::sync::Arc;

use context_domain::change::Operation;
use context_domain::context::Context;
use context_domain::id::ContextId;
use context_domain::ports::Outcome;
use context_domain::tree::{Address, Level, NodeKey, Scope};
use tokio_postgres::types::Type;

use super::commit::{Attempt, ContextValues, PostgresCommit, placed};
use super::failure::Failure;
use super::pool::Transaction;
use super::rows::{self, Moment};
use super::statement::Param;
use super::statements;

/// A node on the path down to a scope.
struct PathNode {
    id: ContextId,
    is_expired: bool,
}

/// The state of the path down to a node before it is created.
enum PathState {
    /// All nodes above it are there, and it is not.
    Ready,
    /// It is there already.
    Taken(ContextId),
    /// A node above it is missing, and the commit does not ask for it to be created.
    Missing,
    /// Another write interfered.
    Changed,
}

impl PostgresCommit<'_> {
    /// Creates a node. An expired node on the path to it is removed with all below it, and nodes missing
    /// above it are created, if the commit asks for that.
    pub(super) async fn create_node(
        &self,
        context: &Context,
        scope: &Scope,
        operation: Operation,
    ) -> Result<Attempt, Failure> {
        let Some((key, above)) = scope.keys().split_last() else {
            let global = self.store.chain_at(self.tenant, &Address::Scope(scope.clone())).await?.pop();
            return Ok(Attempt::conflict(global.map(Arc::unwrap_or_clone)));
        };
        let above: Vec<_> = above.iter().map(NodeKey::as_str).collect();
        let (record, row) = (self.record(operation), ContextValues::from_context(context)?);
        let (level, key) = (scope.level().as_str(), key.as_str());
        let place: [Param<'_>; 3] = [(&above, Type::TEXT_ARRAY), (&level, Type::TEXT), (&key, Type::TEXT)];
        let params = [record.params(), place.to_vec(), row.params()].concat();
        if let Some(written) = self.write(&statements::INSERT_NODE, &params).await? {
            return Ok(Attempt::done(placed(context, &written)?));
        }
        let transaction = self.begin().await?;
        match self.prepare_path(&transaction, scope).await? {
            PathState::Ready => {}
            PathState::Missing => return Ok(Attempt::Refused(Outcome::ParentMissing)),
            PathState::Changed => return Ok(Attempt::Again),
            PathState::Taken(id) => {
                transaction.rollback().await?;
                return self.conflict(&id).await;
            }
        }
        let sql = statements::of_tenant(&statements::INSERT_NODE, self.tenant);
        let rows = transaction.query(&sql, &params).await?;
        let Some(written) = rows.first() else { return Ok(Attempt::Again) };
        let context = placed(context, written)?;
        transaction.commit().await?;
        Ok(Attempt::done(context))
    }

    /// Walks down to the node of that scope, and creates the nodes missing above it.
    async fn prepare_path(&self, transaction: &Transaction<'_>, scope: &Scope) -> Result<PathState, Failure> {
        let mut path = self.path_nodes(transaction, scope).await?;
        if let Some(depth) = path.iter().position(|node| node.is_expired) {
            let expired = path.split_off(depth);
            if let Some(top) = expired.first()
                && !self.remove_expired(transaction, &top.id).await?
            {
                return Ok(PathState::Changed);
            }
        }
        let Some(last) = path.last() else {
            return Err(Failure::damaged("its global node is missing"));
        };
        let mut above = last.id.clone();
        // The global node comes before the first key.
        let found = path.len().saturating_sub(1);
        let Some((_, keys)) = scope.keys().split_last().filter(|(_, keys)| found <= keys.len()) else {
            return Ok(PathState::Taken(above));
        };
        for (depth, key) in keys.iter().enumerate().skip(found) {
            let Some((id, level)) = self.id_to_make(scope, depth) else { return Ok(PathState::Missing) };
            if !self.insert_empty(transaction, (id, level), (&above, key)).await? {
                return Ok(PathState::Changed);
            }
            above = id.clone();
        }
        Ok(PathState::Ready)
    }

    /// Reads the nodes that are on the path down to `scope`, the global one first.
    async fn path_nodes(
        &self,
        transaction: &Transaction<'_>,
        scope: &Scope,
    ) -> Result<Vec<PathNode>, Failure> {
        let at = Moment(self.commit.record.at);
        let keys: Vec<_> = scope.keys().iter().map(NodeKey::as_str).collect();
        let params: [Param<'_>; 3] =
            [(&self.tenant.as_str(), Type::TEXT), (&at, Type::TIMESTAMPTZ), (&keys, Type::TEXT_ARRAY)];
        let found =
            transaction.query(&statements::of_tenant(&statements::PATH_NODES, self.tenant), &params).await?;
        let node = |row| {
            let id = rows::id(row, 0)?;
            let is_expired = rows::column(row, 1, "expires_at", || id.to_string())?;
            Ok(PathNode { id, is_expired })
        };
        found.iter().map(node).collect()
    }

    /// Returns the id and level of the missing node to create at `depth` on the path to `scope`; `None` if
    /// the commit does not ask for it.
    fn id_to_make(&self, scope: &Scope, depth: usize) -> Option<(&ContextId, Level)> {
        let path = self.commit.ensure_path.as_ref()?;
        let covered = path.scope.keys().get(..=depth)? == scope.keys().get(..=depth)?;
        let id = path.ids.get(depth).filter(|_| covered)?;
        Some((id, *Level::ALL.get(depth + 1)?))
    }

    /// Inserts an empty node, at version 0. No change is recorded, because no caller wrote it. Returns false
    /// if another write has inserted it.
    async fn insert_empty(
        &self,
        transaction: &Transaction<'_>,
        (id, level): (&ContextId, Level),
        (above, key): (&ContextId, &NodeKey),
    ) -> Result<bool, Failure> {
        let at = Moment(self.commit.record.at);
        let params: [Param<'_>; 6] = [
            (&self.tenant.as_str(), Type::TEXT),
            (&at, Type::TIMESTAMPTZ),
            (&id.as_str(), Type::TEXT),
            (&level.as_str(), Type::TEXT),
            (&above.as_str(), Type::TEXT),
            (&key.as_str(), Type::TEXT),
        ];
        let sql = statements::of_tenant(&statements::INSERT_EMPTY, self.tenant);
        Ok(!transaction.query(&sql, &params).await?.is_empty())
    }
}
