//! A primary and its standby: which of them accepts writes, and what the store does when the primary is
//! killed.

use std::time::{Duration, Instant};

use context_domain::error::Error;
use context_domain::id::{ContextId, TenantId};
use context_domain::ports::{Op, Outcome};
use context_domain::service::Ports;
use context_domain::tree::{Address, Scope};
use context_testing::{SERVER, Server};
use serde_json::Map;
use tokio::time::sleep;

use crate::{installation, writes};

/// How soon the store must work after the standby was promoted.
const RECOVERY: Duration = Duration::from_secs(10);
/// Pause between two attempts while nothing works.
const PAUSE: Duration = Duration::from_millis(10);

/// A primary whose commits wait for its standby, with one tenant.
struct Pair {
    primary: Server,
    standby: Server,
    database: String,
    tenant: TenantId,
}

impl Pair {
    async fn new() -> Self {
        let primary = Server::builder().durable().start().await;
        let tenants = installation::tenants(1);
        let database = installation::install(&primary, &tenants).await;
        let standby = primary.standby("follower").await;
        for statement in
            ["ALTER SYSTEM SET synchronous_standby_names = 'follower'", "SELECT pg_reload_conf()"]
        {
            primary.execute("postgres", statement).await;
        }
        until_synchronous(&primary).await;
        Self { primary, standby, database, tenant: tenants[0].clone() }
    }

    /// Opens the store with the standby as the first host and the primary as the second.
    async fn store(&self, parameters: &str) -> Ports {
        let (standby, primary) = (self.standby.port(), self.primary.port());
        let hosts = format!("127.0.0.1:{standby},127.0.0.1:{primary}");
        let url = format!("postgres://{SERVER}@{hosts}/{}{parameters}", self.database);
        installation::open(&url, |_| {}).await
    }

    /// Creates a context.
    async fn write(&self, store: &Ports) -> Result<ContextId, Error> {
        let creation = writes::creation(&self.tenant, None, Map::new());
        let Op::Put { context, .. } = &creation.op else { panic!("a creation puts") };
        let id = context.id.clone();
        match store.contexts.commit(&self.tenant, creation).await? {
            Outcome::Done(_) => Ok(id),
            other => panic!("{other:?}"),
        }
    }

    async fn read(&self, store: &Ports, address: Address) -> Result<usize, Error> {
        Ok(store.contexts.chain(&self.tenant, &address).await?.len())
    }
}

/// Waits until the standby is synchronous: commits wait for it.
async fn until_synchronous(primary: &Server) {
    let client = primary.connect("postgres", "postgres").await;
    let begun = Instant::now();
    let sql = "SELECT FROM pg_stat_replication WHERE application_name = 'follower' AND sync_state = 'sync'";
    while client.query(sql, &[]).await.unwrap().is_empty() {
        assert!(begun.elapsed() < RECOVERY, "the primary does not wait for its standby");
        sleep(PAUSE).await;
    }
}

#[tokio::test]
async fn a_standby_answers_reads_and_refuses_writes() {
    let pair = Pair::new().await;
    for parameters in ["", "?target_session_attrs=any", "?target_session_attrs=prefer-standby"] {
        let store = pair.store(parameters).await;
        let refused = pair.write(&store).await.unwrap_err();
        assert_eq!(refused.code(), "store_unavailable");
        let said = refused.to_string();
        assert!(said.contains("takes no writes: it is a standby"), "{parameters}: {said}");
        assert!(said.contains("target_session_attrs=read-write"), "{parameters}: {said}");
        assert_eq!(pair.read(&store, Address::Scope(Scope::global())).await.unwrap(), 1);
        let checks = store.upkeep.checks().await;
        let problem = checks[0].problem.as_deref().unwrap();
        assert!(problem.contains("takes no writes"), "{parameters}: {problem}");
        store.upkeep.ready().await.unwrap();
    }
    for target in ["primary", "read-write"] {
        let store = pair.store(&format!("?target_session_attrs={target}")).await;
        let id = pair.write(&store).await.unwrap();
        assert_eq!(pair.read(&store, Address::Id(id)).await.unwrap(), 1);
        assert!(store.upkeep.checks().await.iter().all(|check| check.problem.is_none()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_standby_is_found_and_has_all_acknowledged_writes() {
    let pair = Pair::new().await;
    let store = pair.store("?target_session_attrs=read-write").await;
    let mut acknowledged = Vec::new();
    let dying = async {
        sleep(Duration::from_millis(300)).await;
        tokio::task::block_in_place(|| pair.primary.kill());
    };
    let writing = async {
        loop {
            match pair.write(&store).await {
                Ok(id) => acknowledged.push(id),
                Err(Error::Unavailable { .. } | Error::OutcomeUnknown(_)) => break,
                Err(error) => panic!("{error:?}"),
            }
        }
    };
    tokio::join!(dying, writing);
    assert!(!acknowledged.is_empty());
    let refused = pair.write(&store).await.unwrap_err();
    assert_eq!(refused.code(), "store_unavailable", "{refused}");
    pair.standby.execute("postgres", "SELECT pg_promote()").await;
    let promoted = Instant::now();
    let after = loop {
        match pair.write(&store).await {
            Ok(id) => break id,
            Err(error) => assert!(promoted.elapsed() < RECOVERY, "the store does not recover: {error}"),
        }
        sleep(PAUSE).await;
    };
    println!("{} writes were acknowledged; the next one {:?} after", acknowledged.len(), promoted.elapsed());
    acknowledged.push(after);
    for id in acknowledged {
        assert_eq!(pair.read(&store, Address::Id(id.clone())).await.unwrap(), 1, "{id} is lost");
    }
    assert!(store.upkeep.checks().await.iter().all(|check| check.problem.is_none()));
}
