//! The only code that writes contexts: a commit is one write transaction, carried out completely or not at
//! all.

use context_domain::change::Operation;
use context_domain::clock::Timestamp;
use context_domain::content::Content;
use context_domain::context::{Context, Etag};
use context_domain::id::{ContextId, TenantId};
use context_domain::limits::IDEMPOTENCY_WINDOW_MICROS;
use context_domain::ports::{Commit, Expect, Op, Outcome, Subtree};
use context_domain::tree::{Level, NodeKey, Place, Scope};
use rusqlite::{Connection, Row};

use super::changes::{self, ChangeRecorder, NewChange};
use super::failure::Failure;
use super::tenant_file::Ending;
use super::{context_rows, index, rows};

/// Carries out `commit`; the transaction is rolled back for every outcome but `Done`.
pub(super) fn run_commit(
    connection: &Connection,
    tenant: &TenantId,
    commit: &Commit,
) -> Result<(Ending, Outcome), Failure> {
    let since = commit.record.at.saturating_add_micros(-IDEMPOTENCY_WINDOW_MICROS);
    if let Some(idempotency) = &commit.idempotency {
        if let Some(change) = changes::find_by_key(connection, idempotency, since)? {
            return Ok((Ending::RollBack, Outcome::Replayed(Box::new(change))));
        }
        // A change that still has the key is older than the idempotency window.
        changes::free_key(connection, idempotency)?;
    }
    let recorder = ChangeRecorder::start(connection, tenant, &commit.record)?;
    let outcome = SqliteCommit { connection, tenant, commit, recorder }.apply()?;
    let ending = if matches!(outcome, Outcome::Done(_)) { Ending::Commit } else { Ending::RollBack };
    Ok((ending, outcome))
}

/// A commit that is being carried out.
struct SqliteCommit<'a> {
    connection: &'a Connection,
    tenant: &'a TenantId,
    commit: &'a Commit,
    recorder: ChangeRecorder<'a>,
}

/// The values of a node that are needed to remove it.
struct NodeVersion {
    id: ContextId,
    version: u32,
    /// Whether it has expired, or a node above it within the subtree has.
    expired: bool,
}

impl SqliteCommit<'_> {
    fn apply(&self) -> Result<Outcome, Failure> {
        match (&self.commit.expect, &self.commit.op) {
            (Expect::Absent, Op::Put { context, scope: Some(scope), operation }) => {
                self.create_node(context, scope, *operation)
            }
            (Expect::Absent, Op::Put { context, scope: None, operation }) => {
                if context_rows::find_by_id(self.connection, self.tenant, &context.id)?.is_some() {
                    return self.conflict(&context.id);
                }
                self.create(context.as_ref().clone(), *operation)
            }
            (Expect::Version(etag), op) => match self.expected(etag)? {
                None => self.conflict(&etag.id),
                Some(current) => match op {
                    Op::Put { context, operation, .. } => self.replace(&current, context, *operation),
                    Op::Delete { subtree } => self.delete(current, *subtree),
                    Op::Keep => self.keep(current),
                },
            },
            (Expect::Absent, Op::Delete { .. } | Op::Keep) => {
                Err(Failure::Misuse("what is absent can neither be deleted nor kept".to_owned()))
            }
        }
    }

    fn at(&self) -> Timestamp {
        self.commit.record.at
    }

    fn conflict(&self, id: &ContextId) -> Result<Outcome, Failure> {
        let current = context_rows::find_live(self.connection, self.tenant, id, self.at())?;
        Ok(Outcome::Conflict { current: current.map(Box::new) })
    }

    /// Reads the live context of exactly that version.
    fn expected(&self, etag: &Etag) -> Result<Option<Context>, Failure> {
        let current = context_rows::find_live(self.connection, self.tenant, &etag.id, self.at())?;
        Ok(current.filter(|current| current.version == etag.version))
    }

    /// Creates a node, walking down from the global node: an expired node on the path is removed with all
    /// below it, and nodes missing above it are created, if the commit asks for that.
    fn create_node(
        &self,
        context: &Context,
        scope: &Scope,
        operation: Operation,
    ) -> Result<Outcome, Failure> {
        let mut above = context_rows::find_global_id(self.connection)?;
        let Some((last, keys)) = scope.keys().split_last() else { return self.conflict(&above) };
        for (depth, key) in keys.iter().enumerate() {
            above = match self.live_child(&above, key)? {
                Some(node) => node.id,
                None => match self.id_to_create(scope, depth) {
                    Some((id, level)) => self.insert_empty(id, level, above, key)?,
                    None => return Ok(Outcome::ParentMissing),
                },
            };
        }
        if let Some(node) = self.live_child(&above, last)? {
            return self.conflict(&node.id);
        }
        let place = Place { level: scope.level(), parent_id: Some(above), node_key: Some(last.clone()) };
        self.create(Context { place: Some(place), ..context.clone() }, operation)
    }

    /// Reads the child of that key. If it has expired, removes it with everything below it, and returns
    /// `None`.
    fn live_child(&self, parent: &ContextId, key: &NodeKey) -> Result<Option<NodeVersion>, Failure> {
        let sql = "SELECT id, version, expires_at IS NOT NULL AND expires_at <= ?3 FROM contexts
                   WHERE parent_id = ?1 AND node_key = ?2";
        let parameters = (parent.as_str(), key.as_str(), self.at().as_micros());
        let found = rows::query_one(self.connection, sql, parameters, read_node)?;
        if let Some(expired) = found.as_ref().filter(|node| node.expired) {
            self.remove_below(expired)?;
            self.remove(expired)?;
            return Ok(None);
        }
        Ok(found)
    }

    /// Returns the id and level of the missing node to create at `depth` on the path to `scope`; `None` if
    /// the commit does not ask for it.
    fn id_to_create(&self, scope: &Scope, depth: usize) -> Option<(ContextId, Level)> {
        let path = self.commit.ensure_path.as_ref()?;
        let covered = path.scope.keys().get(..=depth)? == scope.keys().get(..=depth)?;
        let id = path.ids.get(depth).filter(|_| covered)?;
        Some((id.clone(), *Level::ALL.get(depth + 1)?))
    }

    /// Inserts an empty node, at version 0. No change is recorded, because no caller wrote it.
    fn insert_empty(
        &self,
        id: ContextId,
        level: Level,
        above: ContextId,
        key: &NodeKey,
    ) -> Result<ContextId, Failure> {
        let context = Context {
            id,
            tenant_id: self.tenant.clone(),
            content: Content::empty_node(level),
            place: Some(Place { level, parent_id: Some(above), node_key: Some(key.clone()) }),
            created_at: self.at(),
            updated_at: self.at(),
            version: 0,
        };
        context_rows::insert(self.connection, &context)?;
        index::enter(self.connection, &context)?;
        Ok(context.id)
    }

    fn create(&self, context: Context, operation: Operation) -> Result<Outcome, Failure> {
        context_rows::insert(self.connection, &context)?;
        index::enter(self.connection, &context)?;
        self.done(context, operation)
    }

    fn replace(
        &self,
        current: &Context,
        context: &Context,
        operation: Operation,
    ) -> Result<Outcome, Failure> {
        if context.id != current.id {
            return Err(Failure::Misuse(format!("{} was to be written over {}", context.id, current.id)));
        }
        let context = Context { place: current.place.clone(), ..context.clone() };
        context_rows::update(self.connection, &context)?;
        index::enter(self.connection, &context)?;
        self.done(context, operation)
    }

    fn keep(&self, current: Context) -> Result<Outcome, Failure> {
        self.done(current, Operation::None)
    }

    /// Records the addressed context as it is now.
    fn done(&self, context: Context, operation: Operation) -> Result<Outcome, Failure> {
        self.recorder.record(&NewChange {
            id: &context.id,
            version: context.version,
            operation,
            content: Some(&context.to_json()),
            idempotency: self.commit.idempotency.as_ref(),
        })?;
        Ok(Outcome::Done(Box::new(context)))
    }

    fn delete(&self, current: Context, subtree: Subtree) -> Result<Outcome, Failure> {
        if current.place.as_ref().is_some_and(|place| place.level == Level::Global) {
            return Err(Failure::Misuse("the global node was to be deleted".to_owned()));
        }
        if subtree == Subtree::MustBeEmpty {
            let sql = "SELECT count(*) FROM contexts
                       WHERE parent_id = ?1 AND (expires_at IS NULL OR expires_at > ?2)";
            let children =
                rows::query_number(self.connection, sql, (current.id.as_str(), self.at().as_micros()))?;
            if children > 0 {
                return Ok(Outcome::HasChildren(children.unsigned_abs()));
            }
        }
        let node = NodeVersion { id: current.id.clone(), version: current.version, expired: false };
        self.remove_below(&node)?;
        self.remove(&node)?;
        Ok(Outcome::Done(Box::new(current)))
    }

    /// Removes everything below `top`, leaves first, each with its own record.
    fn remove_below(&self, top: &NodeVersion) -> Result<(), Failure> {
        let sql = "
            WITH RECURSIVE below (id, version, expired, depth) AS (
                SELECT id, version, ?2 OR (expires_at IS NOT NULL AND expires_at <= ?3), 1
                FROM contexts WHERE parent_id = ?1
                UNION ALL
                SELECT c.id, c.version, below.expired OR (c.expires_at IS NOT NULL AND c.expires_at <= ?3),
                    depth + 1
                FROM below JOIN contexts c ON c.parent_id = below.id
            )
            SELECT id, version, expired FROM below ORDER BY depth DESC";
        let parameters = (top.id.as_str(), top.expired, self.at().as_micros());
        let below = rows::query_all(self.connection, sql, parameters, read_node)?;
        below.iter().try_for_each(|node| self.remove(node))
    }

    /// Removes one node. Only the record of the addressed one carries the key: the request did not name the
    /// others.
    fn remove(&self, node: &NodeVersion) -> Result<(), Failure> {
        let addressed = matches!(&self.commit.expect, Expect::Version(etag) if etag.id == node.id);
        let version = node.version.checked_add(1);
        self.recorder.record(&NewChange {
            id: &node.id,
            version: version.ok_or_else(|| Failure::Misuse(format!("{} has no version left", node.id)))?,
            operation: if node.expired { Operation::Expire } else { Operation::Delete },
            content: None,
            idempotency: self.commit.idempotency.as_ref().filter(|_| addressed),
        })?;
        index::remove(self.connection, &node.id)?;
        rows::execute(self.connection, "DELETE FROM contexts WHERE id = ?1", [node.id.as_str()])?;
        Ok(())
    }
}

/// Reads the node in a row of its id, its version, and whether it has expired.
fn read_node(row: &Row<'_>) -> Result<NodeVersion, Failure> {
    Ok(NodeVersion { id: rows::read_id(row, 0)?, version: row.get(1)?, expired: row.get(2)? })
}
