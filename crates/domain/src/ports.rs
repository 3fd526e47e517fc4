//! The ports: the interface through which the service uses a store.
//!
//! A store implements three traits: [`Contexts`] (what tenants store), [`Directory`] (tenants and keys) and
//! [`Upkeep`] (health). Only [`Service`](crate::service::Service) calls them, after it has authorized the
//! caller. There are two implementations, for SQLite and for PostgreSQL, in the crate `context-store`; one
//! conformance suite runs against both.
//!
//! # What every implementation guarantees
//! - **One call is one short transaction.** It sees one snapshot, and it writes everything or nothing.
//!   Nothing is held between calls: no transaction and no lock.
//! - **A success is durable.** A call that writes returns after its transaction is committed. If a connection
//!   is lost after a write was sent and before its result was received, the call fails with
//!   [`Error::OutcomeUnknown`], and never with an error that says that nothing was written.
//! - **Tenants are separate.** A call for a tenant reads and writes that tenant's data only, whatever ids it
//!   is given.
//! - **Time comes from the caller.** Expiry and recorded times follow from the [`Timestamp`]s in the
//!   arguments, never from the store's own clock.
//! - **Calls may be concurrent**, from one process or several. Of two concurrent writes that expect the same
//!   version of a context, one is done and the other gets [`Outcome::Conflict`].
//! - **Calls may be dropped** before they complete: a dropped call has written either everything or nothing.
//!
//! # Errors
//! Every call about one tenant's contexts fails with [`Error::TenantNotFound`] if the directory does not have
//! the tenant, and with [`Error::TenantUnhealthy`] if the tenant's tables are missing or damaged; other
//! tenants are not affected. Every call fails with [`Error::Unavailable`] if the store cannot be reached or
//! is overloaded; nothing was written then. If a write finds the data different from what it expects, that
//! is an [`Outcome`] and not an error.

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

/// The contexts of all tenants. The [module](self) says what holds for every call.
#[async_trait]
pub trait Contexts: Send + Sync {
    /// Returns the addressed context preceded by its ancestors, global first, from one snapshot, including
    /// expired ones. For a scope, these are the nodes that exist, from the global node down to the last one
    /// above a gap; for an id, the whole chain, or nothing if there is no such context.
    ///
    /// A context that is unchanged since it was last read may be returned as the same [`Arc`], and a context
    /// that was changed must not be: results that were made from a context are reused if the pointer is the
    /// same.
    async fn chain(&self, tenant: &TenantId, address: &Address) -> Result<Vec<Arc<Context>>, Error>;

    /// Returns a page of the contexts that have not expired at `query.live_at` and have no ancestor that has.
    async fn page(&self, tenant: &TenantId, query: &ContextQuery) -> Result<Vec<Context>, Error>;

    /// Returns a page of changes, newest first. Changes stay after their context is deleted.
    async fn changes(&self, tenant: &TenantId, query: &ChangeQuery) -> Result<Vec<Change>, Error>;

    /// Returns the change that was recorded under the principal's idempotency key at `since` or later,
    /// whatever request it was recorded for.
    async fn remembered(
        &self,
        tenant: &TenantId,
        idempotency: &Idempotency,
        since: Timestamp,
    ) -> Result<Option<Change>, Error>;

    /// Carries out a write with its change records, or does nothing and returns why.
    ///
    /// The idempotency key takes precedence: if a change was recorded under it within the last
    /// [`IDEMPOTENCY_WINDOW_HOURS`](crate::limits::IDEMPOTENCY_WINDOW_HOURS), that change is returned as
    /// [`Outcome::Replayed`], whatever else holds.
    async fn commit(&self, tenant: &TenantId, commit: Commit) -> Result<Outcome, Error>;
}

/// A page of contexts to read.
#[derive(Debug, Clone, PartialEq)]
pub struct ContextQuery {
    /// The list, and where in it the page begins.
    pub list: ContextList,
    /// Only contexts that have not expired at this moment.
    pub live_at: Timestamp,
    /// Maximum number of items.
    pub limit: usize,
}

/// A list of contexts.
#[derive(Debug, Clone, PartialEq)]
pub enum ContextList {
    /// The tenant's contexts that match, by id and therefore by age.
    Matching {
        /// The filters.
        search: Box<Search>,
        /// The page begins after this id.
        after: Option<ContextId>,
    },
    /// The children of a node, by key in byte order.
    Children {
        /// The node.
        parent: ContextId,
        /// The page begins after this key.
        after: Option<String>,
    },
}

/// A page of changes to read, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeQuery {
    /// Only the changes of this context.
    pub context: Option<ContextId>,
    /// The page begins after this change: its revision, and its context within that.
    pub before: Option<(u64, ContextId)>,
    /// Maximum number of items.
    pub limit: usize,
}

/// A write: what must hold, what to do, and what to record.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The state of the addressed context that is required.
    pub expect: Expect,
    /// Nodes to create first if they are missing.
    pub ensure_path: Option<EnsurePath>,
    /// The operation on the addressed context.
    pub op: Op,
    /// The part of each change record that describes the request.
    pub record: Record,
    /// The key under which a success is remembered; it is recorded with the change of the addressed context.
    pub idempotency: Option<Idempotency>,
}

/// The state of the addressed context that a write requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// There is no live context at the address. One that has expired, or has an expired ancestor, is deleted
    /// first with everything below it.
    Absent,
    /// The context has exactly this version.
    Version(Etag),
}

/// Nodes to create if they are missing: empty, at version 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnsurePath {
    /// The lowest node that must exist.
    pub scope: Scope,
    /// One id for each node of the scope, project first; used if the node is missing.
    pub ids: Vec<ContextId>,
}

/// The operation of a write on the addressed context.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Writes the context as given: with [`Expect::Absent`] as a new one, at `scope` if that is given (the
    /// store fills in the parent), with [`Expect::Version`] over the existing one.
    Put {
        /// The context after the write.
        context: Box<Context>,
        /// The scope of a new node; `None` outside the tree and for an existing context.
        scope: Option<Scope>,
        /// The operation that the change record names.
        operation: Operation,
    },
    /// Deletes the context.
    Delete {
        /// The treatment of its descendants.
        subtree: Subtree,
    },
    /// Leaves the context unchanged and records a change, so that the idempotency key is remembered.
    Keep,
}

/// The treatment of a node's descendants by a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subtree {
    /// Refuses the deletion if a child is live.
    MustBeEmpty,
    /// Deletes them too, each with its own change record.
    Remove,
}

/// The result of a write.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The write was carried out. The context is as it is now; after a deletion, as it was before.
    Done(Box<Context>),
    /// The idempotency key was used before, and nothing was done. This is the change recorded under it.
    Replayed(Box<Change>),
    /// The expectation does not hold, and nothing was done.
    Conflict {
        /// The live context at the address, if there is one.
        current: Option<Box<Context>>,
    },
    /// The node has this many live children, and was not deleted.
    HasChildren(u64),
    /// The parent of the new node is missing and was not to be created; nothing was done.
    ParentMissing,
}

/// A page of keys to read, by id and therefore by age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyQuery {
    /// Only the keys of this tenant.
    pub tenant: Option<TenantId>,
    /// The page begins after this id.
    pub after: Option<KeyId>,
    /// Maximum number of items.
    pub limit: usize,
}

/// The tenants of the installation and its API keys. The [module](self) says what holds for every call.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Creates a tenant with its global node. Returns false if a tenant of that id exists.
    async fn create(&self, new: &NewTenant) -> Result<bool, Error>;

    /// Returns the tenant of that id.
    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, Error>;

    /// Returns a page of tenants by id, beginning after `after`.
    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<Tenant>, Error>;

    /// Deletes the tenant and everything that belongs to it, including its keys. Returns false if there is no
    /// such tenant.
    async fn remove(&self, id: &TenantId) -> Result<bool, Error>;

    /// Adds a key. In the same transaction, the key that it replaces is revoked as of the given moment,
    /// unless it ends earlier. Fails with [`Error::TenantNotFound`] if the key's tenant does not exist.
    async fn add_key(&self, key: &ApiKey, replaces: Option<(&KeyId, Timestamp)>) -> Result<(), Error>;

    /// Returns the key of that id, even if it has expired or was revoked.
    async fn key(&self, id: &KeyId) -> Result<Option<ApiKey>, Error>;

    /// Returns a page of keys.
    async fn keys(&self, query: &KeyQuery) -> Result<Vec<ApiKey>, Error>;

    /// Revokes a key as of `at`, unless it was revoked as of an earlier moment. Returns false if there is no
    /// such key.
    async fn end_key(&self, id: &KeyId, at: Timestamp) -> Result<bool, Error>;

    /// Records that a key was used at `at`.
    async fn key_used(&self, id: &KeyId, at: Timestamp) -> Result<(), Error>;
}

/// The health of a store.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Checks the store and every tenant, quickly enough for a health probe, and returns one entry for each.
    /// A tenant whose calls failed because its tables are damaged is unhealthy even if the quick check finds
    /// nothing.
    async fn checks(&self) -> Vec<Check>;

    /// Like [`Upkeep::checks`], but reads everything that is stored.
    async fn inspect(&self) -> Vec<Check>;

    /// Checks that the store can be used at all. A problem of a single tenant is not an error.
    async fn ready(&self) -> Result<(), Error>;

    /// Returns facts about the store and its connection, in words for people.
    async fn facts(&self) -> Result<Vec<Fact>, Error>;
}

/// A fact about a store: a name and a value.
pub type Fact = (&'static str, String);

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The subject of the check: `store`, or `tenant <id>`.
    pub name: String,
    /// The problem that was found; `None` if the subject is healthy.
    pub problem: Option<String>,
}
