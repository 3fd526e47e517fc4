//! Removes contexts.
//!
//! Each context is locked before the nodes below it are looked up, so that none is added meanwhile. The
//! cascade of the foreign key, which leaves no record, then never has anything to remove.

use context_domain::change::Operation;
use context_domain::context::{Context, Etag};
use context_domain::id::ContextId;
use context_domain::ports::{Expect, Outcome, Subtree};
use context_domain::tree::Level;
use tokio_postgres::types::Type;

use super::commit::{Attempt, PostgresCommit};
use super::failure::Failure;
use super::pool::Transaction;
use super::rows::{self, Moment};
use super::statement::Param;
use super::statements;

/// The ids of contexts to remove.
#[derive(Default)]
struct RemovalSet {
    live: Vec<String>,
    expired: Vec<String>,
}

impl PostgresCommit<'_> {
    /// Removes the context of that version.
    pub(super) async fn delete(&self, etag: &Etag, subtree: Subtree) -> Result<Attempt, Failure> {
        let transaction = self.begin().await?;
        let Some(current) = self.locked(&transaction, etag).await? else {
            transaction.rollback().await?;
            return self.conflict(&etag.id).await;
        };
        if current.place.as_ref().is_some_and(|place| place.level == Level::Global) {
            return Err(Failure::Misuse("the global node was to be deleted".to_owned()));
        }
        if !self.remove_leaf(&transaction, &current.id).await? {
            let children = match subtree {
                Subtree::MustBeEmpty => self.count_children(&transaction, &current.id).await?,
                Subtree::Remove => 0,
            };
            if children > 0 {
                transaction.rollback().await?;
                return Ok(Attempt::Refused(Outcome::HasChildren(children)));
            }
            let top = RemovalSet { live: vec![current.id.to_string()], ..RemovalSet::default() };
            self.remove_from(&transaction, top).await?;
        }
        transaction.commit().await?;
        Ok(Attempt::done(current))
    }

    /// Removes an expired node with all below it; returns false if it is gone, or has not expired.
    pub(super) async fn remove_expired(
        &self,
        transaction: &Transaction<'_>,
        id: &ContextId,
    ) -> Result<bool, Failure> {
        let at = Moment(self.commit.record.at);
        let params: [Param<'_>; 3] =
            [(&self.tenant.as_str(), Type::TEXT), (&at, Type::TIMESTAMPTZ), (&id.as_str(), Type::TEXT)];
        let sql = statements::of_tenant(&statements::LOCK_EXPIRED, self.tenant);
        if transaction.query(&sql, &params).await?.is_empty() {
            return Ok(false);
        }
        let top = RemovalSet { expired: vec![id.to_string()], ..RemovalSet::default() };
        self.remove_from(transaction, top).await?;
        Ok(true)
    }

    /// Locks the live context of exactly that version (`FOR UPDATE`), and reads it.
    async fn locked(&self, transaction: &Transaction<'_>, etag: &Etag) -> Result<Option<Context>, Failure> {
        let at = Moment(self.commit.record.at);
        let Ok(version) = i32::try_from(etag.version) else { return Ok(None) };
        let params: [Param<'_>; 4] = [
            (&self.tenant.as_str(), Type::TEXT),
            (&at, Type::TIMESTAMPTZ),
            (&etag.id.as_str(), Type::TEXT),
            (&version, Type::INT4),
        ];
        let rows = transaction.query(&statements::of_tenant(&statements::LOCK, self.tenant), &params).await?;
        rows.first().map(|row| rows::context(row, self.tenant)).transpose()
    }

    /// Removes the locked node of that id; returns false if there is a node below it.
    async fn remove_leaf(&self, transaction: &Transaction<'_>, id: &ContextId) -> Result<bool, Failure> {
        let (record, id) = (self.record(Operation::Delete), id.as_str());
        let params = [record.params(), vec![(&id, Type::TEXT)]].concat();
        let sql = statements::of_tenant(&statements::REMOVE_LEAF, self.tenant);
        Ok(!transaction.query(&sql, &params).await?.is_empty())
    }

    async fn count_children(&self, transaction: &Transaction<'_>, id: &ContextId) -> Result<u64, Failure> {
        let at = Moment(self.commit.record.at);
        let params: [Param<'_>; 3] =
            [(&self.tenant.as_str(), Type::TEXT), (&at, Type::TIMESTAMPTZ), (&id.as_str(), Type::TEXT)];
        let sql = statements::of_tenant(&statements::COUNT_CHILDREN, self.tenant);
        let rows = transaction.query(&sql, &params).await?;
        let count = rows.first().map(|row| rows::column::<i64>(row, 0, "count", || id.to_string()));
        Ok(count.transpose()?.unwrap_or_default().unsigned_abs())
    }

    /// Removes locked nodes and all below them, each with its own record.
    async fn remove_from(&self, transaction: &Transaction<'_>, top: RemovalSet) -> Result<(), Failure> {
        let (mut removed, mut level) = (RemovalSet::default(), top);
        while !(level.live.is_empty() && level.expired.is_empty()) {
            let below = self.lock_below(transaction, &level).await?;
            removed.live.append(&mut level.live);
            removed.expired.append(&mut level.expired);
            level = below;
        }
        // Nodes below an expired one have expired too. They go first, so that nothing is left to cascade to.
        self.remove_all(transaction, Operation::Expire, &removed.expired).await?;
        self.remove_all(transaction, Operation::Delete, &removed.live).await
    }

    /// Locks the nodes directly below those of a level.
    async fn lock_below(
        &self,
        transaction: &Transaction<'_>,
        level: &RemovalSet,
    ) -> Result<RemovalSet, Failure> {
        let at = Moment(self.commit.record.at);
        let all = [level.live.as_slice(), level.expired.as_slice()].concat();
        let params: [Param<'_>; 4] = [
            (&self.tenant.as_str(), Type::TEXT),
            (&at, Type::TIMESTAMPTZ),
            (&all, Type::TEXT_ARRAY),
            (&level.expired, Type::TEXT_ARRAY),
        ];
        let sql = statements::of_tenant(&statements::LOCK_BELOW, self.tenant);
        let mut below = RemovalSet::default();
        for row in transaction.query(&sql, &params).await? {
            let id = rows::id(&row, 0)?.to_string();
            let is_expired = rows::column(&row, 1, "expires_at", || id.clone())?;
            if is_expired { below.expired.push(id) } else { below.live.push(id) }
        }
        Ok(below)
    }

    /// Removes locked contexts. Only the record of the addressed one carries the key: the request did not
    /// name the others.
    async fn remove_all(
        &self,
        transaction: &Transaction<'_>,
        operation: Operation,
        ids: &[String],
    ) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        let record = self.record(operation);
        let addressed = match &self.commit.expect {
            Expect::Version(etag) => Some(etag.id.as_str()),
            Expect::Absent => None,
        };
        let what: [Param<'_>; 2] = [(&ids, Type::TEXT_ARRAY), (&addressed, Type::TEXT)];
        let params = [record.params(), what.to_vec()].concat();
        let sql = statements::of_tenant(&statements::REMOVE, self.tenant);
        let rows = transaction.query(&sql, &params).await?;
        let counted = |index| -> Result<i64, Failure> {
            let count =
                rows.first().map(|row| rows::column(row, index, "count", || "what was removed".to_owned()));
            Ok(count.transpose()?.unwrap_or_default())
        };
        let wanted = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        if (counted(0)?, counted(1)?) != (wanted, wanted) {
            return Err(Failure::Misuse(format!("not all of {wanted} locked contexts were removed")));
        }
        Ok(())
    }
}
