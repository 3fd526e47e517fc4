//! The ports: what the service needs of a store. One call is one short transaction.

use std::sync::Arc;

use async_trait::async_trait;

use crate::change::{Change, Idempotency, Operation, Record};
use crate::clock::Timestamp;
use crate::context::{Context, Etag};
use crate::error::Error;
use crate::id::{ContextId, KeyId, TenantId};
use crate::key::ApiKey;
use crate::search::Search;
use crate::tenant::{NewTenant, Tenant};
use crate::tree::{Address, Scope};

/// The contexts of all tenants. Every call answers [`Error::TenantNotFound`] for a tenant that is not there,
/// [`Error::TenantUnhealthy`] for one whose area is damaged, and [`Error::Unavailable`] where the store does not work.
#[async_trait]
pub trait Contexts: Send + Sync {
    /// The addressed context behind its ancestors, global first, from one snapshot; expired ones too. By scope, the
    /// nodes there are, from the top without a gap; by id, all or nothing.
    ///
    /// A context that was not changed since it was last read may come as the same [`Arc`]: what was made of it can be
    /// told to be current by that.
    async fn chain(&self, tenant: &TenantId, address: &Address) -> Result<Vec<Arc<Context>>, Error>;

    /// A page of contexts that have not expired at `query.live_at`, nor has any ancestor.
    async fn page(&self, tenant: &TenantId, query: &ContextQuery) -> Result<Vec<Context>, Error>;

    /// A page of changes, newest first.
    async fn changes(&self, tenant: &TenantId, query: &ChangeQuery) -> Result<Vec<Change>, Error>;

    /// The success that is remembered under the principal's key since `since`, whatever request it was of.
    async fn remembered(
        &self,
        tenant: &TenantId,
        idempotency: &Idempotency,
        since: Timestamp,
    ) -> Result<Option<Change>, Error>;

    /// Writes all of `commit`, or nothing.
    async fn commit(&self, tenant: &TenantId, commit: Commit) -> Result<Outcome, Error>;
}

/// Which contexts a page lists.
#[derive(Debug, Clone, PartialEq)]
pub struct ContextQuery {
    /// The list and where the page begins in it.
    pub list: ContextList,
    /// Only what has not expired at this moment.
    pub live_at: Timestamp,
    /// Items at the most.
    pub limit: usize,
}

/// A list of contexts.
#[derive(Debug, Clone, PartialEq)]
pub enum ContextList {
    /// Those of a tenant's that match, by id (which is by age).
    Matching {
        /// What they must match.
        search: Box<Search>,
        /// Begin behind this id.
        after: Option<ContextId>,
    },
    /// The nodes directly below one, by key, in byte order.
    Children {
        /// The node above.
        parent: ContextId,
        /// Begin behind this key.
        after: Option<String>,
    },
}

/// Which changes a page lists, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeQuery {
    /// Only those of this context.
    pub context: Option<ContextId>,
    /// Begin behind this change: a revision, and the context within it.
    pub before: Option<(u64, ContextId)>,
    /// Items at the most.
    pub limit: usize,
}

/// A write: what must hold, what to do, and what to record of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// What must hold of the addressed context.
    pub expect: Expect,
    /// Makes what is missing of this path first: its nodes' scope, and an id for each of its nodes, top-down.
    pub ensure_path: Option<EnsurePath>,
    /// What happens to the addressed context.
    pub op: Op,
    /// What each change record carries.
    pub record: Record,
    /// The key under which a success is remembered, on the record of the addressed context.
    pub idempotency: Option<Idempotency>,
}

/// What must hold of the addressed context when a write is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// No live context stands at the place; one that has expired, or stands below an expired one, is removed first
    /// with all below it.
    Absent,
    /// The context has just this version.
    Version(Etag),
}

/// Nodes to make where they are missing: empty, at version 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnsurePath {
    /// The lowest node that must exist.
    pub scope: Scope,
    /// An id for each node of the scope, the project first, used where the node is missing.
    pub ids: Vec<ContextId>,
}

/// What happens to the addressed context.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Writes the context as given; under [`Expect::Absent`] as a new one, at `scope` if there is one (the store
    /// then fills in the parent), under [`Expect::Version`] over the one of that id.
    Put {
        /// The context after the write.
        context: Box<Context>,
        /// Where a new node stands; none outside the tree and for what exists already.
        scope: Option<Scope>,
        /// What the change record calls it.
        operation: Operation,
    },
    /// Removes the context.
    Delete {
        /// What becomes of the nodes below.
        subtree: Subtree,
    },
    /// Leaves the context as it is and records that, for the idempotency key's sake.
    Keep,
}

/// What a deletion does with the nodes below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subtree {
    /// Refuse, if any is live.
    MustBeEmpty,
    /// Remove them too, each with its own change record.
    Remove,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was carried out; the context as it stands now, or as it stood before its removal.
    Done(Box<Context>),
    /// The idempotency key is known: nothing was done; this is the change that it stands on.
    Replayed(Box<Change>),
    /// What was expected does not hold; the context that is there instead.
    Conflict {
        /// The live context at the place or of the id, if there is one.
        current: Option<Box<Context>>,
    },
    /// The node has this many live children.
    HasChildren(u64),
    /// The parent of the new node is missing, and no path was to be made.
    ParentMissing,
}

/// Which keys a page lists, by id (which is by age).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyQuery {
    /// Only those of this tenant.
    pub tenant: Option<TenantId>,
    /// Begin behind this id.
    pub after: Option<KeyId>,
    /// Items at the most.
    pub limit: usize,
}

/// The tenants of the installation, and the keys to it.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Makes a tenant with its global node; false if one of that id exists.
    async fn create(&self, new: &NewTenant) -> Result<bool, Error>;

    /// The tenant of that id.
    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, Error>;

    /// A page of tenants, by id.
    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<Tenant>, Error>;

    /// Removes the tenant and everything in it, its keys too; false if there is none.
    async fn remove(&self, id: &TenantId) -> Result<bool, Error>;

    /// Adds a key, and in the same transaction ends the one that it replaces, at the moment given or when it ends
    /// anyway. [`Error::TenantNotFound`] where the key's tenant is not there.
    async fn add_key(&self, key: &ApiKey, replaces: Option<(&KeyId, Timestamp)>) -> Result<(), Error>;

    /// The key of that id, whether it works or not.
    async fn key(&self, id: &KeyId) -> Result<Option<ApiKey>, Error>;

    /// A page of keys.
    async fn keys(&self, query: &KeyQuery) -> Result<Vec<ApiKey>, Error>;

    /// Ends a key at `at`, unless it was ended earlier; false if there is none.
    async fn end_key(&self, id: &KeyId, at: Timestamp) -> Result<bool, Error>;

    /// Notes that a key was used at `at`.
    async fn key_used(&self, id: &KeyId, at: Timestamp) -> Result<(), Error>;
}

/// What keeps a store in order.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Looks at the store and at every tenant, quickly enough for a probe; one entry for each thing looked at. A tenant
    /// whose calls failed because its area is damaged is unhealthy, whatever a quick look finds.
    async fn checks(&self) -> Vec<Check>;

    /// The same, reading everything that is stored.
    async fn inspect(&self) -> Vec<Check>;

    /// Whether the store answers at all.
    async fn ready(&self) -> Result<(), Error>;

    /// What the store is and how it is reached, in words for people.
    async fn facts(&self) -> Result<Vec<Fact>, Error>;
}

/// Something that is known of a store: what, and what it is.
pub type Fact = (&'static str, String);

/// The finding of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at: `store`, or `tenant <id>`.
    pub name: String,
    /// What is wrong with it; none if nothing is.
    pub problem: Option<String>,
}
