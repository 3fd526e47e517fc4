//! Making nodes: at once where all above it are there, else from the top down.

use std::sync::Arc;

use context_domain::change::Operation;
use context_domain::context::Context;
use context_domain::id::ContextId;
use context_domain::ports::Outcome;
use context_domain::tree::{Address, Level, NodeKey, Scope};
use tokio_postgres::types::Type;

use super::commit::{Attempt, NewRow, Writing, placed};
use super::failure::Failure;
use super::pool::Transaction;
use super::rows::{self, Moment};
use super::statement::Param;
use super::statements;

/// A node on the way down to a scope.
struct Node {
    id: ContextId,
    is_expired: bool,
}

/// What became of the way down to a node.
enum Way {
    /// All nodes above it are there, and it is not.
    Open,
    /// It is there.
    Taken(ContextId),
    /// A node above it is missing, and was not to be made.
    Missing,
    /// Another write came between.
    Changed,
}

impl Writing<'_> {
    /// Makes a node. What has expired on the way to it is removed with all below it, and what is missing above it is
    /// made, if that was asked.
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
        let (entry, row) = (self.entry(operation), NewRow::of(context)?);
        let (level, key) = (scope.level().as_str(), key.as_str());
        let place: [Param<'_>; 3] = [(&above, Type::TEXT_ARRAY), (&level, Type::TEXT), (&key, Type::TEXT)];
        let params = [entry.params(), row.params(), place.to_vec()].concat();
        if let Some(written) = self.write(statements::INSERT_NODE, &params).await? {
            return Ok(Attempt::done(placed(context, &written)?));
        }
        let transaction = self.begin().await?;
        match self.make_way(&transaction, scope).await? {
            Way::Open => {}
            Way::Missing => return Ok(Attempt::Refused(Outcome::ParentMissing)),
            Way::Changed => return Ok(Attempt::Again),
            Way::Taken(id) => {
                transaction.rollback().await?;
                return self.conflict(&id).await;
            }
        }
        let sql = statements::of_tenant(statements::INSERT_NODE, self.tenant);
        let rows = transaction.query(&sql, &params).await?;
        let Some(written) = rows.first() else { return Ok(Attempt::Again) };
        let context = placed(context, written)?;
        transaction.commit().await?;
        Ok(Attempt::done(context))
    }

    /// Walks down to the node of that scope, and makes what is missing above it.
    async fn make_way(&self, transaction: &Transaction<'_>, scope: &Scope) -> Result<Way, Failure> {
        let mut way = self.way(transaction, scope).await?;
        if let Some(depth) = way.iter().position(|node| node.is_expired) {
            let expired = way.split_off(depth);
            if let Some(top) = expired.first()
                && !self.remove_expired(transaction, &top.id).await?
            {
                return Ok(Way::Changed);
            }
        }
        let Some(last) = way.last() else {
            return Err(Failure::damaged("its global node is missing"));
        };
        let mut above = last.id.clone();
        // The global node stands before the first key.
        let found = way.len().saturating_sub(1);
        let Some((_, keys)) = scope.keys().split_last().filter(|(_, keys)| found <= keys.len()) else {
            return Ok(Way::Taken(above));
        };
        for (depth, key) in keys.iter().enumerate().skip(found) {
            let Some((id, level)) = self.id_to_make(scope, depth) else { return Ok(Way::Missing) };
            if !self.make_empty(transaction, (id, level), (&above, key)).await? {
                return Ok(Way::Changed);
            }
            above = id.clone();
        }
        Ok(Way::Open)
    }

    async fn way(&self, transaction: &Transaction<'_>, scope: &Scope) -> Result<Vec<Node>, Failure> {
        let at = Moment(self.commit.record.at);
        let keys: Vec<_> = scope.keys().iter().map(NodeKey::as_str).collect();
        let params: [Param<'_>; 3] =
            [(&self.tenant.as_str(), Type::TEXT), (&at, Type::TIMESTAMPTZ), (&keys, Type::TEXT_ARRAY)];
        let found = transaction.query(&statements::of_tenant(statements::WAY, self.tenant), &params).await?;
        let node = |row| {
            let id = rows::id(row, 0)?;
            let is_expired = rows::column(row, 1, "expires_at", || id.to_string())?;
            Ok(Node { id, is_expired })
        };
        found.iter().map(node).collect()
    }

    /// The id and level with which the node at `depth` on the way to `scope` is to be made where it is missing.
    fn id_to_make(&self, scope: &Scope, depth: usize) -> Option<(&ContextId, Level)> {
        let path = self.commit.ensure_path.as_ref()?;
        let covered = path.scope.keys().get(..=depth)? == scope.keys().get(..=depth)?;
        let id = path.ids.get(depth).filter(|_| covered)?;
        Some((id, *Level::ALL.get(depth + 1)?))
    }

    /// Makes a node that nobody wrote yet; false if another write has made it. No change is recorded of it, because nobody
    /// wrote it.
    async fn make_empty(
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
        let sql = statements::of_tenant(statements::MAKE_EMPTY, self.tenant);
        Ok(!transaction.query(&sql, &params).await?.is_empty())
    }
}
