//! Databases with tenants, made as an operator makes them, and stores over them.

use std::sync::Arc;

use context_domain::change::{Operation, Record};
use context_domain::clock::{Clock, SystemClock};
use context_domain::content::Content;
use context_domain::context::Context;
use context_domain::id::{ContextId, IdSource, RandomIds};
use context_domain::ports::{Commit, Expect, Op};
use context_domain::service::Ports;
use context_domain::tenant::TenantId;
use context_domain::tree::{Level, Place, Scope};
use context_fleet::{Fleet, Plan};
use context_store::StoreOptions;
use context_store::postgres::ConnectionMode;
use context_testing::{SERVER, Server};
use serde_json::{Map, Value};

/// Makes a database with these tenants, which [`SERVER`] may serve.
pub(crate) async fn install(server: &Server, tenants: &[TenantId]) -> String {
    let database = server.create_database("installation").await;
    let url = server.url(&database).parse().unwrap();
    let mut fleet = Fleet::connect(&url, ConnectionMode::Auto).await.unwrap();
    let plan = Plan { tenants: tenants.to_vec(), serving_roles: vec![SERVER.to_owned()], workers: 2 };
    fleet.bootstrap(&plan, &mut |_| {}).await.unwrap();
    database
}

/// `count` tenants' ids.
pub(crate) fn tenants(count: usize) -> Vec<TenantId> {
    (0..count).map(|number| format!("tenant-{number}").parse().unwrap()).collect()
}

/// The store at an address, with what `adjust` makes of its options.
pub(crate) async fn open(url: &str, adjust: impl FnOnce(&mut StoreOptions)) -> Ports {
    let mut options = StoreOptions::new(url.parse().unwrap());
    adjust(&mut options);
    context_store::open(&options, Arc::new(SystemClock), Arc::new(RandomIds)).await.unwrap().ports
}

/// A write of one's own.
pub(crate) fn commit(expect: Expect, op: Op) -> Commit {
    let record = Record { at: SystemClock.now(), by: "p".to_owned(), request_id: "r".to_owned() };
    Commit { expect, ensure_path: None, op, record, idempotency: None }
}

/// Creates a context: at the scope, or outside the tree.
pub(crate) fn creation(tenant: &TenantId, scope: Option<Scope>, data: Map<String, Value>) -> Commit {
    let level = scope.as_ref().map(Scope::level);
    let context = Context {
        id: ContextId::new(RandomIds.uuid()),
        tenant_id: tenant.clone(),
        content: Content { context_data: data, ..Content::empty_node(level.unwrap_or(Level::Project)) },
        place: scope.as_ref().map(|scope| Place {
            level: scope.level(),
            parent_id: None,
            node_key: scope.key().cloned(),
        }),
        created_at: SystemClock.now(),
        updated_at: SystemClock.now(),
        version: 1,
    };
    commit(Expect::Absent, Op::Put { context: Box::new(context), scope, operation: Operation::Create })
}
