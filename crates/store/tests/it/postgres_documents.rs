//! PostgreSQL's store keeps documents in memory, and never serves one that has changed.

use std::sync::Arc;
use std::time::Duration;

use context_domain::access::{Access, Caller, Principal};
use context_domain::clock::SystemClock;
use context_domain::context::Context;
use context_domain::error::Error;
use context_domain::id::{RandomIds, TenantId};
use context_domain::patch::Patch;
use context_domain::ports::{Expect, Op, Outcome, Subtree};
use context_domain::resolve::{CacheStatus, Explain};
use context_domain::service::{Ports, Service, WriteOptions};
use context_domain::tree::{Address, Scope};
use context_store::postgres::ConnectionMode;
use context_testing::{SUPERUSER, Server, postgres};
use serde_json::{Map, Value, json};
use tokio_postgres::Client;

use crate::installation::{install, open, tenants};
use crate::writes::{commit, creation};

const ONE: &str = "tenant-0";
const TWO: &str = "tenant-1";

/// A store in a database of its own with the tenants [`ONE`] and [`TWO`], each with the task `p/b/t`.
struct World {
    server: &'static Server,
    database: String,
    ports: Ports,
    service: Service,
}

impl World {
    async fn new(mode: ConnectionMode) -> Self {
        let server = postgres().await;
        let database = install(server, &tenants(2)).await;
        let ports = open(&server.url(&database), |options| options.connection_mode = mode).await;
        let service = Service::new(ports.clone(), Arc::new(SystemClock), Arc::new(RandomIds));
        let world = Self { server, database, ports, service };
        for name in [ONE, TWO] {
            for keys in [&["p"][..], &["p", "b"], &["p", "b", "t"]] {
                world.create(name, keys).await;
            }
        }
        world
    }

    async fn create(&self, name: &str, keys: &[&str]) {
        let data = json!({"of": format!("{name} {}", keys.join("/"))});
        let creation = creation(&tenant(name), Some(scope(keys)), object(data));
        let outcome = self.ports.contexts.commit(&tenant(name), creation).await.unwrap();
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }

    async fn chain(&self, name: &str, keys: &[&str]) -> Vec<Arc<Context>> {
        self.at(name, &Address::Scope(scope(keys))).await
    }

    async fn at(&self, name: &str, address: &Address) -> Vec<Arc<Context>> {
        self.ports.contexts.chain(&tenant(name), address).await.unwrap()
    }

    async fn psql(&self) -> Client {
        self.server.connect(SUPERUSER, &self.database).await
    }

    /// Whether the resolved task had to be merged, and its document.
    async fn resolved(&self, name: &str, explain: Explain) -> (CacheStatus, Value) {
        let task = Address::Scope(scope(&["p", "b", "t"]));
        let (resolved, status) = self.service.resolve(&caller(name), &task, explain).await.unwrap();
        let shown: Value = serde_json::from_slice(&resolved.text).unwrap();
        (status, shown["resolved_context"].clone())
    }
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn caller(name: &str) -> Caller {
    let principal = Principal { name: "tester".to_owned(), access: Access::Operator };
    Caller::in_tenant(principal, tenant(name), "request".to_owned())
}

fn scope(keys: &[&str]) -> Scope {
    let key = |index: usize| keys.get(index).copied();
    Scope::from_keys([key(0), key(1), key(2)]).unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!() };
    members
}

/// How many contexts of two chains are the same object in memory.
fn same(left: &[Arc<Context>], right: &[Arc<Context>]) -> usize {
    left.iter().zip(right).filter(|(left, right)| Arc::ptr_eq(left, right)).count()
}

const TASK: &[&str] = &["p", "b", "t"];

#[tokio::test]
async fn an_unchanged_row_is_not_read_again() {
    for mode in [ConnectionMode::Direct, ConnectionMode::Pooled] {
        let world = World::new(mode).await;
        let first = world.chain(ONE, TASK).await;
        let again = world.chain(ONE, TASK).await;
        assert_eq!((first.len(), same(&first, &again)), (4, 4), "{mode:?}");
        let task = Address::Id(first.last().unwrap().id.clone());
        assert_eq!(same(&first, &world.at(ONE, &task).await), 4);
        // An unknown node below known nodes.
        world.create(ONE, &["p", "b", "u"]).await;
        let other = world.chain(ONE, &["p", "b", "u"]).await;
        assert_eq!((other.len(), same(&first, &other)), (4, 3));
        // No node below, and the same nodes above.
        assert_eq!(same(&first, &world.chain(ONE, &["p", "b", "missing"]).await), 3);
        assert_eq!(same(&first, &world.chain(TWO, TASK).await), 0);
    }
}

#[tokio::test]
async fn a_row_is_read_whatever_changed_it() {
    let world = World::new(ConnectionMode::Direct).await;
    let psql = world.psql().await;
    let old = world.chain(ONE, TASK).await;
    let branch = &old[2].id;
    for (number, statements) in [
        // The trigger raises the version.
        "UPDATE \"tenant_tenant-0\".contexts SET context_data = '{\"of\": 0}' WHERE id = '{id}'",
        // The version stays.
        "SET session_replication_role = replica; \
         UPDATE \"tenant_tenant-0\".contexts SET context_data = '{\"of\": 1}' WHERE id = '{id}'",
        // A backup is restored: the same ids and versions come back with other contents.
        "SET session_replication_role = replica; \
         CREATE TABLE kept AS SELECT * FROM \"tenant_tenant-0\".contexts; \
         UPDATE kept SET context_data = '{\"of\": 2}' WHERE id = '{id}'; \
         TRUNCATE \"tenant_tenant-0\".contexts; INSERT INTO \"tenant_tenant-0\".contexts SELECT * FROM kept",
    ]
    .into_iter()
    .enumerate()
    {
        let before = world.chain(ONE, TASK).await;
        assert_eq!(same(&before, &world.chain(ONE, TASK).await), 4);
        psql.batch_execute(&statements.replace("{id}", branch.as_str())).await.unwrap();
        let after = world.chain(ONE, TASK).await;
        assert_eq!(after[2].data()["of"], number, "{statements}");
        assert_eq!(world.resolved(ONE, Explain::No).await.1, json!({"of": "tenant-0 p/b/t"}));
    }
}

#[tokio::test]
async fn a_node_created_again_is_another() {
    let world = World::new(ConnectionMode::Direct).await;
    let old = world.chain(ONE, TASK).await;
    let project = &old[1];
    let expect = Expect::Version(project.etag());
    let removal = commit(expect, Op::Delete { subtree: Subtree::Remove });
    assert!(matches!(world.ports.contexts.commit(&tenant(ONE), removal).await.unwrap(), Outcome::Done(_)));
    let left = world.chain(ONE, TASK).await;
    assert_eq!((left.len(), same(&old, &left)), (1, 1));
    let task = Address::Id(old.last().unwrap().id.clone());
    assert_eq!(world.at(ONE, &task).await, []);
    for keys in [&["p"][..], &["p", "b"], TASK] {
        world.create(ONE, keys).await;
    }
    let new = world.chain(ONE, TASK).await;
    assert_eq!((new.len(), same(&old, &new)), (4, 1));
    assert_ne!(new[1].id, project.id);
}

#[tokio::test]
async fn copies_in_two_tenants_are_two_documents() {
    let world = World::new(ConnectionMode::Direct).await;
    let psql = world.psql().await;
    // One tenant's rows are loaded into another's tables: with the same ids, versions and even transactions.
    psql.batch_execute(
        "SET session_replication_role = replica; \
         CREATE TABLE kept AS SELECT * FROM \"tenant_tenant-0\".contexts; \
         BEGIN; TRUNCATE \"tenant_tenant-0\".contexts, \"tenant_tenant-1\".contexts; \
         INSERT INTO \"tenant_tenant-0\".contexts SELECT * FROM kept; \
         UPDATE kept SET tenant_id = 'tenant-1', context_data = '{\"of\": \"the copy\"}'; \
         INSERT INTO \"tenant_tenant-1\".contexts SELECT * FROM kept; COMMIT",
    )
    .await
    .unwrap();
    for _ in 0..3 {
        for (name, says) in [(ONE, "tenant-0 p/b/t"), (TWO, "the copy")] {
            let chain = world.chain(name, TASK).await;
            assert!(chain.iter().all(|context| context.tenant_id.as_str() == name));
            assert_eq!(chain.last().unwrap().data()["of"], says);
            assert_eq!(world.resolved(name, Explain::No).await.1, json!({"of": says}));
        }
    }
}

#[tokio::test]
async fn a_result_is_merged_once_while_its_chain_stays() {
    let world = World::new(ConnectionMode::Direct).await;
    let (merged, kept) = (CacheStatus::Miss, CacheStatus::Validated);
    let says = json!({"of": "tenant-0 p/b/t"});
    assert_eq!(world.resolved(ONE, Explain::No).await, (merged, says.clone()));
    assert_eq!(world.resolved(ONE, Explain::No).await, (kept, says.clone()));
    assert_eq!(world.resolved(ONE, Explain::Yes).await, (merged, says.clone()));
    assert_eq!(world.resolved(TWO, Explain::No).await, (merged, json!({"of": "tenant-1 p/b/t"})));
    for keys in [&[][..], &["p"], &["p", "b"], TASK] {
        assert_eq!(world.resolved(ONE, Explain::No).await.0, kept);
        let level = format!("level {}", keys.len());
        let body = object(json!({"context_data": {(level.clone()): true}}));
        let patch = Patch::Merge(body);
        let address = Address::Scope(scope(keys));
        world.service.patch(&caller(ONE), &address, patch, WriteOptions::default()).await.unwrap();
        let (status, document) = world.resolved(ONE, Explain::No).await;
        assert_eq!((status, &document[level]), (merged, &json!(true)));
    }
    // A sibling changes nothing above it.
    world.create(ONE, &["p", "b", "u"]).await;
    assert_eq!(world.resolved(ONE, Explain::No).await.0, kept);
}

#[tokio::test]
async fn an_expired_context_is_not_served_from_memory() {
    let world = World::new(ConnectionMode::Direct).await;
    assert_eq!(world.resolved(ONE, Explain::No).await.0, CacheStatus::Miss);
    let psql = world.psql().await;
    let expiring =
        "UPDATE \"tenant_tenant-0\".contexts SET expires_at = now() + '300 ms' WHERE node_key = 'p'";
    psql.batch_execute(expiring).await.unwrap();
    world.resolved(ONE, Explain::No).await;
    assert_eq!(world.resolved(ONE, Explain::No).await.0, CacheStatus::Validated);
    tokio::time::sleep(Duration::from_millis(400)).await;
    let task = Address::Scope(scope(TASK));
    let refused = world.service.resolve(&caller(ONE), &task, Explain::No).await;
    assert!(matches!(refused, Err(Error::NotFound(_))), "{refused:?}");
}

#[tokio::test]
async fn nothing_in_memory_outlives_a_restart_of_the_server() {
    let server = Server::builder().start().await;
    let database = install(&server, &tenants(1)).await;
    let ports = open(&server.url(&database), |_| {}).await;
    let global = Address::Scope(Scope::global());
    let chain = async || ports.contexts.chain(&tenant(ONE), &global).await;
    let before = chain().await.unwrap();
    assert_eq!(same(&before, &chain().await.unwrap()), 1);
    server.stop();
    server.restart();
    let after = chain().await.unwrap();
    assert_eq!((same(&before, &after), &before), (0, &after));
    // The store notices a moment later that the old connections have ended, and empties the memory again.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let settled = chain().await.unwrap();
    assert_eq!(same(&settled, &chain().await.unwrap()), 1);
}

#[tokio::test]
async fn a_lost_connection_empties_the_memory() {
    let world = World::new(ConnectionMode::Direct).await;
    let before = world.chain(ONE, TASK).await;
    assert_eq!(same(&before, &world.chain(ONE, TASK).await), 4);
    let psql = world.psql().await;
    let others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert!(!psql.query(others, &[]).await.unwrap().is_empty());
    // The store notices the end of a connection a moment after its backend has gone.
    let mut after = world.chain(ONE, TASK).await;
    for _ in 0..100 {
        if same(&before, &after) == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        after = world.chain(ONE, TASK).await;
    }
    assert_eq!((same(&before, &after), &before), (0, &after));
}

#[tokio::test]
async fn a_read_during_which_a_connection_is_lost_does_not_use_the_memory() {
    let world = World::new(ConnectionMode::Direct).await;
    // Several connections: one will wait and the others will be lost.
    tokio::join!(
        world.chain(TWO, TASK),
        world.chain(TWO, TASK),
        world.chain(ONE, TASK),
        world.chain(ONE, TASK)
    );
    let before = world.chain(ONE, TASK).await;
    let mut locker = world.psql().await;
    let locking = locker.transaction().await.unwrap();
    locking.batch_execute("LOCK TABLE \"tenant_tenant-0\".contexts").await.unwrap();
    let psql = world.psql().await;
    let lose = async {
        let waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)";
        while !psql.query_one(waiting, &[]).await.unwrap().get::<_, bool>(0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let idle = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle'";
        assert!(!psql.query(idle, &[]).await.unwrap().is_empty(), "no connection was idle");
        tokio::time::sleep(Duration::from_millis(200)).await;
        locking.rollback().await.unwrap();
    };
    let read = world.chain(ONE, TASK);
    let limit = Duration::from_secs(30);
    let (after, ()) = tokio::time::timeout(limit, async { tokio::join!(read, lose) }).await.unwrap();
    assert_eq!((same(&before, &after), &before), (0, &after));
}
