//! PostgreSQL under test behind `PgBouncer`: both roles connect through it.

use std::sync::Arc;

use async_trait::async_trait;
use context_domain::clock::Clock;
use context_domain::error::Error;
use context_domain::id::IdSource;
use context_domain::service::Ports;
use context_domain::tenant::Tenant;
use context_store::StoreOptions;
use context_testing::{PgBouncer, PoolMode, SERVER};
use tokio::sync::OnceCell;

use super::harness::StoreUnderTest;
use super::postgres::Database;

/// How many connections each role has to each database. A session keeps its connection, so these are enough
/// for the stores that a case opens at once.
const SESSIONS: u32 = 40;
const TRANSACTIONS: u32 = 2;

/// A database behind a pooler, created when it is first opened.
pub(crate) struct Pooled {
    database: Database,
    is_made: OnceCell<()>,
    mode: PoolMode,
}

impl Pooled {
    pub(crate) fn new(mode: PoolMode) -> Self {
        Self { database: Database::new(), is_made: OnceCell::new(), mode }
    }
}

#[async_trait]
impl StoreUnderTest for Pooled {
    async fn open(&self, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Result<Ports, Error> {
        let make = async || drop(self.database.ports(clock.clone(), ids.clone()).await.unwrap());
        self.is_made.get_or_init(make).await;
        let (pooler, name) = (pooler(self.mode).await, self.database.name());
        let admin = Some(pooler.url(name).parse().unwrap());
        let options =
            StoreOptions { admin, ..StoreOptions::new(pooler.url_as(SERVER, name).parse().unwrap()) };
        let ports = context_store::open(&options, clock, ids).await?.ports;
        let facts = ports.upkeep.facts().await?;
        assert!(facts.iter().any(|(_, fact)| fact.starts_with("through a pooler")), "{facts:?}");
        Ok(ports)
    }

    fn elsewhere(&self) -> Arc<dyn StoreUnderTest> {
        Arc::new(Self::new(self.mode))
    }

    async fn damage(&self, tenant: &Tenant) {
        self.database.damage(tenant).await;
    }
}

/// The pooler of all cases. It soon closes the connections that a case has left, so that the server has room
/// for the next cases.
async fn pooler(mode: PoolMode) -> &'static PgBouncer {
    static OF_SESSIONS: OnceCell<PgBouncer> = OnceCell::const_new();
    static OF_TRANSACTIONS: OnceCell<PgBouncer> = OnceCell::const_new();
    let (cell, size) = match mode {
        PoolMode::Session => (&OF_SESSIONS, SESSIONS),
        PoolMode::Transaction => (&OF_TRANSACTIONS, TRANSACTIONS),
    };
    let start = async || {
        let server = context_testing::postgres().await;
        PgBouncer::builder(mode, size)
            .database("*", server, None)
            .setting("server_idle_timeout = 1")
            .start()
            .await
    };
    cell.get_or_init(start).await
}
