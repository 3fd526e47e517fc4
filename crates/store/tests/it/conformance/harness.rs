//! A store under test with a fake clock and counted ids, and short forms of the writes and reads of the
//! cases.

use std::sync::Arc;

use async_trait::async_trait;
use context_domain::change::{Change, Idempotency, Operation, Record, RequestHash};
use context_domain::clock::{Clock, Timestamp};
use context_domain::content::Content;
use context_domain::context::Context;
use context_domain::error::Error;
use context_domain::id::{ContextId, IdSource, TenantId};
use context_domain::ports::{
    ChangeQuery, Commit, ContextList, ContextQuery, EnsurePath, Expect, Op, Outcome, Subtree,
};
use context_domain::service::Ports;
use context_domain::tenant::{NewTenant, Tenant};
use context_domain::tree::{Address, Level, Place, Scope};
use serde_json::{Value, json};

use crate::fakes::{CountedIds, FakeClock};

pub(crate) const HOUR: i64 = 3_600_000_000;

/// A store of some kind, which does not exist at first.
#[async_trait]
pub(crate) trait StoreUnderTest: Send + Sync {
    /// Opens the store as another process would. The first call creates it.
    async fn open(&self, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Result<Ports, Error>;

    /// A place where there is no store yet.
    fn elsewhere(&self) -> Arc<dyn StoreUnderTest>;

    /// Destroys the table or file that holds the tenant's contexts.
    async fn damage(&self, tenant: &Tenant);
}

/// A store with its clock and source of ids.
pub(crate) struct World {
    pub(crate) store: Box<dyn StoreUnderTest>,
    pub(crate) ports: Ports,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) ids: Arc<CountedIds>,
    pub(crate) tenant: TenantId,
}

impl World {
    pub(crate) async fn new(store: Box<dyn StoreUnderTest>) -> Self {
        let (clock, ids) = (Arc::new(FakeClock::new()), Arc::new(CountedIds::new()));
        let ports = store.open(clock.clone(), ids.clone()).await.unwrap();
        Self { store, ports, clock, ids, tenant: "default".parse().unwrap() }
    }

    /// The same store, opened once more.
    pub(crate) async fn reopened(&self) -> Ports {
        self.store.open(self.clock.clone(), self.ids.clone()).await.unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn id(&self) -> ContextId {
        ContextId::new(self.ids.uuid())
    }

    pub(crate) async fn create_tenant(&self, id: &str) -> Tenant {
        let new = NewTenant::new(id.parse().unwrap(), self.clock.as_ref(), self.ids.as_ref());
        assert!(self.ports.directory.create(&new).await.unwrap());
        new.tenant
    }

    // Commits as the service makes them.

    pub(crate) fn commit(&self, expect: Expect, op: Op) -> Commit {
        let record = Record { at: self.now(), by: "somebody".to_owned(), request_id: "request".to_owned() };
        Commit { expect, ensure_path: None, op, record, idempotency: None }
    }

    /// Creates a node with its missing parents.
    pub(crate) fn creation(&self, keys: &[&str], content: Content) -> Commit {
        let scope = scope(keys);
        let place = Place { level: scope.level(), parent_id: None, node_key: scope.key().cloned() };
        let context = Box::new(Context { place: Some(place), ..self.free(content) });
        let ensure_path = scope.parent().map(|above| {
            let ids = above.keys().iter().map(|_| self.id()).collect();
            EnsurePath { scope: above, ids }
        });
        let op = Op::Put { context, scope: Some(scope), operation: Operation::Create };
        Commit { ensure_path, ..self.commit(Expect::Absent, op) }
    }

    /// Creates a context outside the tree.
    pub(crate) fn free_creation(&self, content: Content) -> Commit {
        let context = Box::new(self.free(content));
        self.commit(Expect::Absent, Op::Put { context, scope: None, operation: Operation::Create })
    }

    fn free(&self, content: Content) -> Context {
        Context {
            id: self.id(),
            tenant_id: self.tenant.clone(),
            content,
            place: None,
            created_at: self.now(),
            updated_at: self.now(),
            version: 1,
        }
    }

    /// Replaces a context that was read.
    pub(crate) fn replacement(&self, current: &Context, content: Content) -> Commit {
        let version = current.version + 1;
        let context = Context { content, version, updated_at: self.now(), ..current.clone() };
        let op = Op::Put { context: Box::new(context), scope: None, operation: Operation::Update };
        self.commit(Expect::Version(current.etag()), op)
    }

    pub(crate) fn deletion(&self, current: &Context, subtree: Subtree) -> Commit {
        self.commit(Expect::Version(current.etag()), Op::Delete { subtree })
    }

    // Commits that are carried out.

    pub(crate) async fn run(&self, commit: Commit) -> Outcome {
        self.ports.contexts.commit(&self.tenant, commit).await.unwrap()
    }

    pub(crate) async fn create(&self, keys: &[&str], content: Content) -> Context {
        done(self.run(self.creation(keys, content)).await)
    }

    pub(crate) async fn create_free(&self, content: Content) -> Context {
        done(self.run(self.free_creation(content)).await)
    }

    pub(crate) async fn replace(&self, current: &Context, content: Content) -> Context {
        done(self.run(self.replacement(current, content)).await)
    }

    // Reads.

    pub(crate) async fn chain(&self, keys: &[&str]) -> Vec<Context> {
        let chain = self.ports.contexts.chain(&self.tenant, &Address::Scope(scope(keys))).await.unwrap();
        chain.into_iter().map(Arc::unwrap_or_clone).collect()
    }

    pub(crate) async fn chain_of(&self, id: &ContextId) -> Vec<Context> {
        let chain = self.ports.contexts.chain(&self.tenant, &Address::Id(id.clone())).await.unwrap();
        chain.into_iter().map(Arc::unwrap_or_clone).collect()
    }

    pub(crate) async fn global(&self) -> Context {
        self.chain(&[]).await.pop().unwrap()
    }

    pub(crate) async fn page(&self, list: ContextList, limit: usize) -> Vec<Context> {
        let query = ContextQuery { list, live_at: self.now(), limit };
        self.ports.contexts.page(&self.tenant, &query).await.unwrap()
    }

    /// Every context that is live, by id.
    pub(crate) async fn all(&self) -> Vec<Context> {
        self.page(every(None), 1_000).await
    }

    pub(crate) async fn changes(&self, query: ChangeQuery) -> Vec<Change> {
        self.ports.contexts.changes(&self.tenant, &query).await.unwrap()
    }

    /// Every change, newest first.
    pub(crate) async fn history(&self) -> Vec<Change> {
        self.changes(ChangeQuery { context: None, before: None, limit: 1_000 }).await
    }

    /// Every change of one context, newest first.
    pub(crate) async fn history_of(&self, id: &ContextId) -> Vec<Change> {
        self.changes(ChangeQuery { context: Some(id.clone()), before: None, limit: 1_000 }).await
    }
}

/// The list of all contexts.
pub(crate) fn every(after: Option<ContextId>) -> ContextList {
    ContextList::Matching { search: Box::default(), after }
}

pub(crate) fn scope(keys: &[&str]) -> Scope {
    let key = |depth: usize| keys.get(depth).copied();
    Scope::from_keys([key(0), key(1), key(2)]).unwrap()
}

/// A content whose document is `data`.
pub(crate) fn content(data: Value) -> Content {
    let Value::Object(context_data) = data else { panic!("a document is an object") };
    Content { context_data, context_type: "note".to_owned(), ..Content::empty_node(Level::Project) }
}

/// A content whose document has the member `n`.
pub(crate) fn numbered(n: u32) -> Content {
    content(json!({"n": n}))
}

/// A content that expires.
pub(crate) fn expiring(at: Timestamp) -> Content {
    Content { expires_at: Some(at), ..numbered(0) }
}

pub(crate) fn key(principal: &str, key: &str, request: &str) -> Idempotency {
    Idempotency {
        principal: principal.to_owned(),
        key: key.parse().unwrap(),
        request: RequestHash::from_parts(&[request.as_bytes()]),
    }
}

pub(crate) fn done(outcome: Outcome) -> Context {
    match outcome {
        Outcome::Done(context) => *context,
        other => panic!("not done: {other:?}"),
    }
}

pub(crate) fn replayed(outcome: Outcome) -> Change {
    match outcome {
        Outcome::Replayed(change) => *change,
        other => panic!("not replayed: {other:?}"),
    }
}

/// The outcome of a write that found `current` instead of what it expected.
pub(crate) fn conflict(current: Option<&Context>) -> Outcome {
    Outcome::Conflict { current: current.cloned().map(Box::new) }
}

pub(crate) fn operations(changes: &[Change]) -> Vec<Operation> {
    changes.iter().map(|change| change.operation).collect()
}

pub(crate) fn ids(contexts: &[Context]) -> Vec<ContextId> {
    contexts.iter().map(|context| context.id.clone()).collect()
}
