//! Tenants: created, listed, dropped, and separate from each other.

use std::sync::Arc;

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_domain::ports::{ChangeQuery, ContextQuery, Outcome, Subtree};
use context_domain::service::Ports;
use context_domain::tenant::NewTenant;
use context_domain::tree::Address;

use super::harness::{World, done, every, key, numbered, scope};

async fn listed(ports: &Ports) -> Vec<String> {
    let tenants = ports.directory.tenants(None, 1_000).await.unwrap();
    tenants.into_iter().map(|tenant| tenant.id.to_string()).collect()
}

pub(crate) async fn a_new_store_has_the_default_tenant(world: &World) {
    assert_eq!(listed(&world.ports).await, ["default"]);
    let tenant = world.ports.directory.get(&world.tenant).await.unwrap().unwrap();
    assert_eq!((&tenant.id, tenant.created_at), (&world.tenant, world.now()));
    world.ports.upkeep.ready().await.unwrap();
    let checks = world.ports.upkeep.checks().await;
    assert_eq!(
        checks.iter().map(|check| check.name.as_str()).collect::<Vec<_>>(),
        ["store", "tenant default"]
    );
    assert!(checks.iter().all(|check| check.problem.is_none()), "{checks:?}");
}

pub(crate) async fn tenants_are_created_listed_and_dropped(world: &World) {
    let mut names = vec!["default", "b", "a", "0", "a-b", "a_b", "a0", "z"];
    for name in &names[1..] {
        world.create_tenant(name).await;
    }
    names.sort_unstable();
    assert_eq!(listed(&world.ports).await, names);
    let directory = &world.ports.directory;
    let page = directory.tenants(Some(&"a".parse().unwrap()), 2).await.unwrap();
    assert_eq!(page.into_iter().map(|tenant| tenant.id.to_string()).collect::<Vec<_>>(), names[2..4]);
    let again = NewTenant::new("a".parse().unwrap(), world.clock.as_ref(), world.ids.as_ref());
    assert!(!directory.create(&again).await.unwrap());
    assert!(directory.remove(&"a".parse().unwrap()).await.unwrap());
    assert!(!directory.remove(&"a".parse().unwrap()).await.unwrap());
    assert_eq!(directory.get(&"a".parse().unwrap()).await.unwrap(), None);
    names.retain(|name| *name != "a");
    assert_eq!(listed(&world.ports).await, names);
}

pub(crate) async fn an_unknown_tenant_is_not_found(world: &World) {
    let nobody: TenantId = "nobody".parse().unwrap();
    let contexts = &world.ports.contexts;
    let global = Address::Scope(scope(&[]));
    let query = ContextQuery { list: every(None), live_at: world.now(), limit: 5 };
    let changes = ChangeQuery { context: None, before: None, limit: 5 };
    let errors = [
        contexts.chain(&nobody, &global).await.unwrap_err(),
        contexts.page(&nobody, &query).await.unwrap_err(),
        contexts.changes(&nobody, &changes).await.unwrap_err(),
        contexts.remembered(&nobody, &key("me", "k", "r"), world.now()).await.unwrap_err(),
        contexts.commit(&nobody, world.creation(&["p"], numbered(1))).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(&error, Error::TenantNotFound { tenant } if *tenant == nobody), "{error:?}");
    }
    assert_eq!(listed(&world.ports).await, ["default"]);
}

pub(crate) async fn tenants_are_apart(world: &World) {
    let other = world.create_tenant("other").await.id;
    let mine = world.create(&["p"], numbered(1)).await;
    let contexts = &world.ports.contexts;
    assert_eq!(contexts.chain(&other, &Address::Id(mine.id.clone())).await.unwrap(), []);
    assert_eq!(contexts.chain(&other, &Address::Scope(scope(&["p"]))).await.unwrap().len(), 1);
    let changes = ChangeQuery { context: None, before: None, limit: 5 };
    assert_eq!(contexts.changes(&other, &changes).await.unwrap(), []);
    let outcome = contexts.commit(&other, world.replacement(&mine, numbered(2))).await.unwrap();
    assert_eq!(outcome, Outcome::Conflict { current: None });
    // A context that names another tenant is not written.
    let misplaced = contexts.commit(&other, world.creation(&["p"], numbered(1))).await;
    assert!(misplaced.is_err());
    assert_eq!(world.chain(&["p"]).await.pop(), Some(mine));
}

pub(crate) async fn a_tenant_created_again_starts_empty(world: &World) {
    let before = world.ports.directory.get(&world.tenant).await.unwrap().unwrap();
    let global = world.global().await;
    let written = world.create(&["p"], numbered(1)).await;
    let other = world.reopened().await;
    assert_eq!(other.contexts.chain(&world.tenant, &Address::Id(written.id.clone())).await.unwrap().len(), 2);
    assert!(world.ports.directory.remove(&world.tenant).await.unwrap());
    assert!(matches!(
        world.ports.contexts.chain(&world.tenant, &Address::Id(written.id.clone())).await,
        Err(Error::TenantNotFound { .. })
    ));
    let again = world.create_tenant("default").await;
    assert_ne!(again.generation, before.generation);
    for ports in [&world.ports, &other] {
        assert_eq!(ports.directory.get(&world.tenant).await.unwrap(), Some(again.clone()));
        let chain = ports.contexts.chain(&world.tenant, &Address::Scope(scope(&["p"]))).await.unwrap();
        assert_eq!(chain.len(), 1);
        assert_ne!(chain[0].id, global.id);
        let stale =
            ports.contexts.commit(&world.tenant, world.replacement(&written, numbered(2))).await.unwrap();
        assert_eq!(stale, Outcome::Conflict { current: None });
    }
    assert_eq!(world.history().await, []);
}

pub(crate) async fn a_tenant_dropped_elsewhere_is_gone(world: &World) {
    let other = world.reopened().await;
    let written = world.create(&["p"], numbered(1)).await;
    assert!(other.directory.remove(&world.tenant).await.unwrap());
    let write = world.ports.contexts.commit(&world.tenant, world.replacement(&written, numbered(2))).await;
    assert!(matches!(write, Err(Error::TenantNotFound { .. })), "{write:?}");
    let read = world.ports.contexts.chain(&world.tenant, &Address::Id(written.id)).await;
    assert!(matches!(read, Err(Error::TenantNotFound { .. })));
    assert!(!world.ports.directory.remove(&world.tenant).await.unwrap());
    assert_eq!(world.ports.upkeep.checks().await.len(), 1);
}

pub(crate) async fn a_dropped_default_stays_dropped(world: &World) {
    world.create_tenant("other").await;
    assert!(world.ports.directory.remove(&world.tenant).await.unwrap());
    assert_eq!(listed(&world.reopened().await).await, ["other"]);
}

pub(crate) async fn an_unhealthy_tenant_leaves_others_working(world: &World) {
    let broken = world.create_tenant("broken").await;
    world.store.damage(&broken).await;
    let ports = world.reopened().await;
    let address = Address::Scope(scope(&[]));
    for _ in 0..2 {
        let error = ports.contexts.chain(&broken.id, &address).await.unwrap_err();
        assert!(matches!(&error, Error::TenantUnhealthy { tenant, .. } if *tenant == broken.id), "{error:?}");
        let error = ports.contexts.commit(&broken.id, world.creation(&["p"], numbered(1))).await.unwrap_err();
        assert!(matches!(&error, Error::TenantUnhealthy { .. }), "{error:?}");
    }
    assert_eq!(ports.contexts.chain(&world.tenant, &address).await.unwrap().len(), 1);
    ports.upkeep.ready().await.unwrap();
    let checks = ports.upkeep.checks().await;
    let unhealthy: Vec<_> = checks.iter().filter(|check| check.problem.is_some()).collect();
    assert_eq!((checks.len(), unhealthy.len(), unhealthy[0].name.as_str()), (3, 1, "tenant broken"));
    let new = NewTenant::new(broken.id.clone(), world.clock.as_ref(), world.ids.as_ref());
    assert!(!ports.directory.create(&new).await.unwrap(), "the tenant is unhealthy, not dropped");
}

pub(crate) async fn everything_is_there_after_reopening(world: &World) {
    let task = world.create(&["p", "b", "t"], numbered(1)).await;
    let removed = world.create_free(numbered(2)).await;
    done(world.run(world.deletion(&removed, Subtree::MustBeEmpty)).await);
    let ports = world.reopened().await;
    let chain = ports.contexts.chain(&world.tenant, &Address::Id(task.id.clone())).await.unwrap();
    let chain: Vec<_> = chain.into_iter().map(Arc::unwrap_or_clone).collect();
    assert_eq!(chain, world.chain_of(&task.id).await);
    let changes = ChangeQuery { context: None, before: None, limit: 9 };
    assert_eq!(ports.contexts.changes(&world.tenant, &changes).await.unwrap(), world.history().await);
}

pub(crate) async fn a_tenant_created_by_many_at_once_is_one(world: &World) {
    for round in 0..5 {
        let id: TenantId = format!("t{round}").parse().unwrap();
        let makers: Vec<_> = (0..8)
            .map(|_| {
                let directory = world.ports.directory.clone();
                let new = NewTenant::new(id.clone(), world.clock.as_ref(), world.ids.as_ref());
                tokio::spawn(async move {
                    directory.create(&new).await.unwrap().then_some((new.tenant, new.global))
                })
            })
            .collect();
        let mut made = Vec::new();
        for maker in makers {
            made.extend(maker.await.unwrap());
        }
        let [(tenant, global)] = &made[..] else { panic!("{made:?}") };
        assert_eq!(world.ports.directory.get(&id).await.unwrap().as_ref(), Some(tenant));
        let chain = world.ports.contexts.chain(&id, &Address::Scope(scope(&[]))).await.unwrap();
        assert_eq!(chain, [Arc::new(global.clone())]);
    }
}

pub(crate) async fn many_tenants_at_once(world: &World) {
    let names: Vec<_> = (0..100).map(|n| format!("t{n:03}")).collect();
    for name in &names {
        world.create_tenant(name).await;
    }
    for round in 1..=2_usize {
        let writers: Vec<_> = names
            .iter()
            .map(|name| {
                let tenant: TenantId = name.parse().unwrap();
                let contexts = world.ports.contexts.clone();
                let mut commit = world.creation(&[&format!("p{round}")], numbered(1));
                if let context_domain::ports::Op::Put { context, .. } = &mut commit.op {
                    context.tenant_id = tenant.clone();
                }
                tokio::spawn(async move {
                    done(contexts.commit(&tenant, commit).await.unwrap());
                    let changes = ChangeQuery { context: None, before: None, limit: 9 };
                    contexts.changes(&tenant, &changes).await.unwrap().len()
                })
            })
            .collect();
        for writer in writers {
            assert_eq!(writer.await.unwrap(), round);
        }
    }
    assert!(world.ports.upkeep.checks().await.iter().all(|check| check.problem.is_none()));
}

pub(crate) async fn a_store_opened_by_many_at_once_is_one(world: &World) {
    for _ in 0..40 {
        let fresh = world.store.elsewhere();
        let openers: Vec<_> = (0..8)
            .map(|_| {
                let (store, clock, ids) = (Arc::clone(&fresh), world.clock.clone(), world.ids.clone());
                tokio::spawn(async move {
                    let ports = store.open(clock, ids).await.unwrap();
                    let tenant = ports.directory.get(&"default".parse().unwrap()).await.unwrap().unwrap();
                    let chain = ports.contexts.chain(&tenant.id, &Address::Scope(scope(&[]))).await.unwrap();
                    (tenant, chain)
                })
            })
            .collect();
        let mut seen = Vec::new();
        for opener in openers {
            seen.push(opener.await.unwrap());
        }
        assert!(seen.iter().all(|found| *found == seen[0]));
    }
}
