//! What a server's process holds in memory after it has served many tenants.
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

/// What a process may hold that it shares with no other.
const MOST: u64 = 64 << 20;

/// The same where it serves 1,000 tenants all its life.
const MOST_BEHIND_A_POOLER: u64 = 160 << 20;

/// After so many tenants the processes are looked at.
const LOOK_EVERY: usize = 20;

/// Tenants: 100, or `MEMORY_TENANTS`.
fn count() -> usize {
    env::var("MEMORY_TENANTS").map_or(100, |text| text.parse().unwrap())
}

/// Everything that the service asks for, often enough that it is prepared.
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

/// The bytes that a process shares with no other.
fn private(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kilobytes = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once("Private_")?;
        rest.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    Some(kilobytes.sum::<u64>() * 1024)
}

/// Uses all tenants over `url`, and answers how much the largest process of the server held meanwhile.
async fn largest(server: &Server, database: &str, url: &str) -> u64 {
    let ports = open(url, |_| {}).await;
    let watcher = server.connect(SUPERUSER, SUPERUSER).await;
    let mut most: BTreeMap<i32, u64> = BTreeMap::new();
    for some in tenants(count()).chunks(LOOK_EVERY) {
        let tasks: Vec<_> =
            some.iter().map(|tenant| tokio::spawn(use_tenant(ports.clone(), tenant.clone()))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        let sql = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND usename = $2";
        for row in watcher.query(sql, &[&database, &SERVER]).await.unwrap() {
            let pid = row.get(0);
            let held = most.entry(pid).or_default();
            *held = private(pid).unwrap_or_default().max(*held);
        }
    }
    let largest = most.values().max().copied().unwrap();
    assert!(largest > 1 << 20, "nothing was measured");
    largest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_the_server_stays_small() {
    let server = context_testing::postgres().await;
    let database = install(server, &tenants(count())).await;
    let largest = largest(server, &database, &server.url_as(SERVER, &database)).await;
    println!("{} tenants: the largest process held {} MB", count(), largest >> 20);
    assert!(largest <= MOST, "a process holds {} MB", largest >> 20);
}

/// There the service cannot give a process up: each of these serves all tenants, until the pooler ends it
/// (`server_lifetime`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_behind_a_pooler_grows_with_the_tenants_only() {
    let server = context_testing::postgres().await;
    let database = install(server, &tenants(count())).await;
    let pooler = pgbouncer(server, PoolMode::Transaction, 2).await;
    let largest = largest(server, &database, &pooler.url_as(SERVER, &database)).await;
    println!("{} tenants: the largest process held {} MB", count(), largest >> 20);
    assert!(largest <= MOST_BEHIND_A_POOLER, "a process holds {} MB", largest >> 20);
}
