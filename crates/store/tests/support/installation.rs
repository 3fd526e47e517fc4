//! Databases with tenants, bootstrapped as an operator does it, and stores on them.

use std::sync::Arc;

use context_domain::clock::SystemClock;
use context_domain::id::{RandomIds, TenantId};
use context_domain::service::Ports;
use context_fleet::{Fleet, Plan};
use context_store::StoreOptions;
use context_store::postgres::ConnectionMode;
use context_testing::{SERVER, Server};

/// Creates a database with these tenants, which [`SERVER`] may serve.
pub(crate) async fn install(server: &Server, tenants: &[TenantId]) -> String {
    let database = server.create_database("installation").await;
    let url = server.url(&database).parse().unwrap();
    let mut fleet = Fleet::connect(&url, ConnectionMode::Auto).await.unwrap();
    let plan = Plan { tenants: tenants.to_vec(), serving_roles: vec![SERVER.to_owned()], workers: 2 };
    fleet.bootstrap(&plan, &mut |_| {}).await.unwrap();
    database
}

/// The ids of `count` tenants.
pub(crate) fn tenants(count: usize) -> Vec<TenantId> {
    (0..count).map(|number| format!("tenant-{number}").parse().unwrap()).collect()
}

/// Opens the store at `url`, with options that `adjust` may change.
pub(crate) async fn open(url: &str, adjust: impl FnOnce(&mut StoreOptions)) -> Ports {
    let mut options = StoreOptions::new(url.parse().unwrap());
    adjust(&mut options);
    context_store::open(&options, Arc::new(SystemClock), Arc::new(RandomIds)).await.unwrap().ports
}
