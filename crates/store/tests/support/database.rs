//! A database with an installation, opened as a role that owns nothing.

use std::sync::Arc;

use context_domain::clock::Clock;
use context_domain::error::Error;
use context_domain::id::IdSource;
use context_domain::service::Ports;
use context_domain::tenant::NewTenant;
use context_fleet::{Fleet, Plan};
use context_store::postgres::ConnectionMode;
use context_store::{OpenedStore, StoreOptions};
use context_testing::SERVER;
use tokio::sync::{Mutex, OnceCell};

/// The name of a database with an installation and no tenant, of which each test gets a copy. No connection
/// is kept, because each test has a runtime of its own.
static TEMPLATE: OnceCell<String> = OnceCell::const_new();
/// The lock under which copies are made: on the server, one would wait for the other anyway.
static COPYING: Mutex<()> = Mutex::const_new(());

/// A database that is created when it is first opened.
#[derive(Default)]
pub(crate) struct Database {
    name: OnceCell<String>,
}

impl Database {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The name of the database.
    pub(crate) fn name(&self) -> &str {
        self.name.get().unwrap()
    }

    /// Opens it as another process would. The first call creates it, with the tenant `default`.
    pub(crate) async fn opened(
        &self,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Result<OpenedStore, Error> {
        self.name.get_or_init(|| create_database(clock.clone(), ids.clone())).await;
        context_store::open(&options(self.name()).await, clock, ids).await
    }

    /// Opens it and returns its ports.
    pub(crate) async fn ports(&self, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Result<Ports, Error> {
        Ok(self.opened(clock, ids).await?.ports)
    }
}

/// The options with which the serving role opens a database; tenants are created as the owner.
pub(crate) async fn options(name: &str) -> StoreOptions {
    let server = context_testing::postgres().await;
    let url = server.url_as(SERVER, name).parse().unwrap();
    let admin = Some(server.url(name).parse().unwrap());
    StoreOptions { admin, connection_mode: ConnectionMode::Direct, ..StoreOptions::new(url) }
}

/// Creates a database with the tenant `default`.
async fn create_database(clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> String {
    let template = TEMPLATE.get_or_init(bootstrap_template).await;
    let turn = COPYING.lock().await;
    let name = context_testing::postgres().await.clone_database(template, "store").await;
    drop(turn);
    let new = NewTenant::new("default".parse().unwrap(), clock.as_ref(), ids.as_ref());
    let opened = context_store::open(&options(&name).await, clock, ids).await.unwrap();
    assert!(opened.ports.directory.create(&new).await.unwrap());
    name
}

/// Creates a database with an installation and no tenant.
async fn bootstrap_template() -> String {
    let server = context_testing::postgres().await;
    let name = server.create_database("template").await;
    let url = server.url(&name).parse().unwrap();
    let mut fleet = Fleet::connect(&url, ConnectionMode::Direct).await.unwrap();
    let plan = Plan { tenants: Vec::new(), serving_roles: vec![SERVER.to_owned()], workers: 1 };
    let report = fleet.bootstrap(&plan, &mut |_| {}).await.unwrap();
    assert_eq!(report.wrong, []);
    name
}
