//! How much memory a PostgreSQL process uses after it has served many tenants.
#![cfg(target_os = "linux")]

use std::sync::Arc;

use std::collections::BTreeMap;
use std::env;
use std::fs;

use context_domain::change::Operation;
use context_domain::clock::{Clock, SystemClock};
use context_domain::context::Context;
use context_domain::id::TenantId;
use context_domain::ports::{ChangeQuery, ContextList, ContextQuery, Expect, Op, Outcome};
use context_domain::service::Ports;
use context_domain::tree::{Address, Scope};
use context_testing::{PoolMode, SERVER, SUPERUSER, Server, pgbouncer};
use serde_json::Map;

use crate::installation::{install, open, tenants};
use crate::writes::{commit, creation};

/// The most private memory of a process.
const MAX_PRIVATE: u64 = 64 << 20;

/// The most private memory of a process behind a pooler, which serves 1,000 tenants.
const MAX_PRIVATE_POOLED: u64 = 160 << 20;

/// The processes are measured after so many tenants.
const TENANTS_PER_MEASUREMENT: usize = 20;

/// Returns the number of tenants: 100, or `MEMORY_TENANTS`.
fn tenant_count() -> usize {
    env::var("MEMORY_TENANTS").map_or(100, |text| text.parse().unwrap())
}

/// Sends every statement of the service, often enough that it is prepared.
async fn use_tenant(ports: Ports, tenant: TenantId) {
    let web = || Scope::from_keys([Some("web"), None, None]).unwrap();
    let main = Scope::from_keys([Some("web"), Some("main"), None]).unwrap();
    for scope in [web(), main.clone()] {
        let outcome =
            ports.contexts.commit(&tenant, creation(&tenant, Some(scope), Map::new())).await.unwrap();
        assert!(matches!(outcome, Outcome::Done(_)));
    }
    for _ in 0..3 {
        let mut chain = ports.contexts.chain(&tenant, &Address::Scope(main.clone())).await.unwrap();
        let current = Arc::unwrap_or_clone(chain.pop().unwrap());
        ports.contexts.chain(&tenant, &Address::Id(current.id.clone())).await.unwrap();
        let list = ContextList::Matching { search: Box::default(), after: None };
        let query = ContextQuery { list, live_at: SystemClock.now(), limit: 10 };
        assert_eq!(ports.contexts.page(&tenant, &query).await.unwrap().len(), 3);
        let changes = ChangeQuery { context: None, before: None, limit: 10 };
        ports.contexts.changes(&tenant, &changes).await.unwrap();
        let expect = Expect::Version(current.etag());
        let context = Box::new(Context { version: current.version + 1, ..current });
        let op = Op::Put { context, scope: None, operation: Operation::Update };
        assert!(matches!(
            ports.contexts.commit(&tenant, commit(expect, op)).await.unwrap(),
            Outcome::Done(_)
        ));
    }
}

/// Returns the private memory of a process, in bytes.
fn private_bytes(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kilobytes = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once("Private_")?;
        rest.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    Some(kilobytes.sum::<u64>() * 1024)
}

/// Uses all tenants over `url`, and returns the most private memory that a process of the server had.
async fn largest_process(server: &Server, database: &str, url: &str) -> u64 {
    let ports = open(url, |_| {}).await;
    let watcher = server.connect(SUPERUSER, SUPERUSER).await;
    let mut most: BTreeMap<i32, u64> = BTreeMap::new();
    for some in tenants(tenant_count()).chunks(TENANTS_PER_MEASUREMENT) {
        let tasks: Vec<_> =
            some.iter().map(|tenant| tokio::spawn(use_tenant(ports.clone(), tenant.clone()))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        let sql = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND usename = $2";
        for row in watcher.query(sql, &[&database, &SERVER]).await.unwrap() {
            let pid = row.get(0);
            let bytes = most.entry(pid).or_default();
            *bytes = private_bytes(pid).unwrap_or_default().max(*bytes);
        }
    }
    let largest = most.values().max().copied().unwrap();
    assert!(largest > 1 << 20, "nothing was measured");
    largest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_the_server_stays_small() {
    let server = context_testing::postgres().await;
    let database = install(server, &tenants(tenant_count())).await;
    let largest = largest_process(server, &database, &server.url_as(SERVER, &database)).await;
    println!("{} tenants: the largest process used {} MB", tenant_count(), largest >> 20);
    assert!(largest <= MAX_PRIVATE, "a process uses {} MB", largest >> 20);
}

/// Behind a pooler the service cannot replace a process: each one serves all tenants until the pooler closes
/// it (`server_lifetime`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_behind_a_pooler_grows_only_with_the_tenants() {
    let server = context_testing::postgres().await;
    let database = install(server, &tenants(tenant_count())).await;
    let pooler = pgbouncer(server, PoolMode::Transaction, 2).await;
    let largest = largest_process(server, &database, &pooler.url_as(SERVER, &database)).await;
    println!("{} tenants: the largest process used {} MB", tenant_count(), largest >> 20);
    assert!(largest <= MAX_PRIVATE_POOLED, "a process uses {} MB", largest >> 20);
}
