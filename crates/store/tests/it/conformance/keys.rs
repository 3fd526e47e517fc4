//! Keys: added, listed, ended, replaced and used, and removed with their tenant.

use context_domain::access::{Access, Permission};
use context_domain::clock::Timestamp;
use context_domain::error::Error;
use context_domain::id::{IdSource, KeyId, TenantId};
use context_domain::key::{ApiKey, Token};
use context_domain::ports::KeyQuery;

use super::harness::{HOUR, World};

/// A key that is not added yet.
fn new_key(world: &World, access: Access) -> ApiKey {
    let token = Token::new(KeyId::new(world.ids.uuid()), world.ids.secret().unwrap());
    ApiKey {
        id: token.id().clone(),
        name: "a key, 世".to_owned(),
        access,
        secret_hash: token.secret_hash(),
        created_at: world.now(),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}

fn access_to(tenant: &TenantId, permission: Permission) -> Access {
    Access::Tenant { tenant: tenant.clone(), permission }
}

async fn add(world: &World, key: &ApiKey) {
    world.ports.directory.add_key(key, None).await.unwrap();
}

async fn key(world: &World, id: &KeyId) -> Option<ApiKey> {
    world.ports.directory.key(id).await.unwrap()
}

async fn listed(
    world: &World,
    tenant: Option<&TenantId>,
    after: Option<&ApiKey>,
    limit: usize,
) -> Vec<ApiKey> {
    let query = KeyQuery { tenant: tenant.cloned(), after: after.map(|key| key.id.clone()), limit };
    world.ports.directory.keys(&query).await.unwrap()
}

fn later(world: &World, micros: i64) -> Timestamp {
    world.now().saturating_add_micros(micros)
}

pub(crate) async fn a_key_comes_back_identical(world: &World) {
    let mut keys = vec![new_key(world, Access::Operator)];
    keys.extend(Permission::ALL.map(|permission| new_key(world, access_to(&world.tenant, permission))));
    keys[1].expires_at = Some(later(world, HOUR));
    keys[2].revoked_at = Some(later(world, 1));
    keys[3].last_used_at = Some(world.now());
    for key in &keys {
        add(world, key).await;
    }
    let reopened = world.reopened().await;
    for expected in &keys {
        assert_eq!(key(world, &expected.id).await.as_ref(), Some(expected));
        assert_eq!(reopened.directory.key(&expected.id).await.unwrap().as_ref(), Some(expected));
    }
    assert_eq!(key(world, &KeyId::new(world.ids.uuid())).await, None);
    assert!(world.ports.directory.add_key(&keys[0], None).await.is_err(), "an id is used once");
}

pub(crate) async fn keys_are_listed_by_id(world: &World) {
    let other = world.create_tenant("other").await.id;
    assert_eq!(listed(world, None, None, 9).await, []);
    let mut all = Vec::new();
    for n in 0..9 {
        let access = match n % 3 {
            0 => Access::Operator,
            1 => access_to(&world.tenant, Permission::Read),
            _ => access_to(&other, Permission::Admin),
        };
        all.push(new_key(world, access));
    }
    for n in [4, 0, 8, 2, 6, 1, 3, 7, 5] {
        add(world, &all[n]).await;
    }
    assert_eq!(listed(world, None, None, 99).await, all);
    assert_eq!(listed(world, None, Some(&all[3]), 3).await, all[4..7]);
    assert_eq!(listed(world, None, Some(&all[8]), 3).await, []);
    assert_eq!(listed(world, None, None, 0).await, []);
    let mine: Vec<_> = all.iter().skip(1).step_by(3).cloned().collect();
    assert_eq!(listed(world, Some(&world.tenant), None, 99).await, mine);
    assert_eq!(listed(world, Some(&world.tenant), Some(&all[2]), 1).await, mine[1..2]);
    assert_eq!(listed(world, Some(&world.tenant), Some(&mine[2]), 9).await, []);
    assert_eq!(listed(world, Some(&"nobody".parse().unwrap()), None, 9).await, []);
}

pub(crate) async fn a_key_is_ended_once(world: &World) {
    let directory = &world.ports.directory;
    let expiring = ApiKey { expires_at: Some(later(world, HOUR)), ..new_key(world, Access::Operator) };
    for added in [new_key(world, access_to(&world.tenant, Permission::Write)), expiring] {
        add(world, &added).await;
        for (at, expected) in [(HOUR / 2, HOUR / 2), (HOUR / 2 + 1, HOUR / 2), (9 * HOUR, HOUR / 2), (5, 5)] {
            assert!(directory.end_key(&added.id, later(world, at)).await.unwrap());
            let ended = ApiKey { revoked_at: Some(later(world, expected)), ..added.clone() };
            assert_eq!(key(world, &added.id).await, Some(ended));
        }
    }
    let expired = ApiKey { expires_at: Some(world.now()), ..new_key(world, Access::Operator) };
    add(world, &expired).await;
    assert!(directory.end_key(&expired.id, world.now()).await.unwrap());
    assert_eq!(key(world, &expired.id).await, Some(expired), "a key that has ended does not change");
    assert!(!directory.end_key(&KeyId::new(world.ids.uuid()), world.now()).await.unwrap());
}

pub(crate) async fn a_key_replaces_another(world: &World) {
    let directory = &world.ports.directory;
    for (expires, at, end) in
        [(None, HOUR, HOUR), (Some(HOUR), 2 * HOUR, HOUR), (Some(2 * HOUR), HOUR, HOUR), (None, 0, 0)]
    {
        let mut old = new_key(world, access_to(&world.tenant, Permission::Write));
        old.expires_at = expires.map(|at| later(world, at));
        add(world, &old).await;
        let new = new_key(world, old.access.clone());
        directory.add_key(&new, Some((&old.id, later(world, at)))).await.unwrap();
        assert_eq!(key(world, &new.id).await, Some(new));
        let ended = key(world, &old.id).await.unwrap();
        assert!(!ended.works(later(world, end)));
        assert!(end == 0 || ended.works(later(world, end - 1)));
    }
}

pub(crate) async fn a_key_that_cannot_be_added_changes_nothing(world: &World) {
    let directory = &world.ports.directory;
    let nobody: TenantId = "nobody".parse().unwrap();
    let old = new_key(world, Access::Operator);
    add(world, &old).await;
    let homeless = new_key(world, access_to(&nobody, Permission::Read));
    let refused = directory.add_key(&homeless, Some((&old.id, world.now()))).await.unwrap_err();
    assert!(matches!(&refused, Error::TenantNotFound { tenant } if *tenant == nobody), "{refused:?}");
    let (new, unknown) = (new_key(world, Access::Operator), KeyId::new(world.ids.uuid()));
    let refused = directory.add_key(&new, Some((&unknown, world.now()))).await.unwrap_err();
    assert!(matches!(&refused, Error::KeyNotFound(id) if *id == unknown), "{refused:?}");
    assert!(directory.add_key(&old, Some((&old.id, world.now()))).await.is_err(), "its id is taken");
    assert_eq!(listed(world, None, None, 9).await, [old]);
}

pub(crate) async fn the_last_use_is_recorded(world: &World) {
    let directory = &world.ports.directory;
    let (used, idle) = (new_key(world, Access::Operator), new_key(world, Access::Operator));
    add(world, &used).await;
    add(world, &idle).await;
    for (at, expected) in [(2, 2), (5, 5), (3, 5)] {
        directory.key_used(&used.id, later(world, at)).await.unwrap();
        let expected = ApiKey { last_used_at: Some(later(world, expected)), ..used.clone() };
        assert_eq!(key(world, &used.id).await, Some(expected), "the latest use is the last one");
    }
    assert_eq!(key(world, &idle.id).await, Some(idle));
    directory.key_used(&KeyId::new(world.ids.uuid()), world.now()).await.unwrap();
}

pub(crate) async fn keys_go_with_their_tenant(world: &World) {
    let mine = new_key(world, access_to(&world.tenant, Permission::Admin));
    let operators = new_key(world, Access::Operator);
    let other = world.create_tenant("other").await.id;
    let theirs = new_key(world, access_to(&other, Permission::Admin));
    for key in [&mine, &operators, &theirs] {
        add(world, key).await;
    }
    assert!(world.ports.directory.remove(&other).await.unwrap());
    assert_eq!(key(world, &theirs.id).await, None);
    world.create_tenant("other").await;
    assert_eq!(key(world, &theirs.id).await, None);
    assert_eq!(listed(world, Some(&other), None, 9).await, []);
    assert_eq!(listed(world, None, None, 9).await, [mine, operators]);
}

/// While a tenant keeps being dropped and created again, each key belongs to the generation in which it was
/// added.
pub(crate) async fn no_key_outlives_its_tenants_generation(world: &World) {
    let other: TenantId = "other".parse().unwrap();
    for _ in 0..20 {
        world.create_tenant("other").await;
        let adders: Vec<_> = (0..4)
            .map(|_| {
                let (directory, key) =
                    (world.ports.directory.clone(), new_key(world, access_to(&other, Permission::Read)));
                tokio::spawn(async move {
                    match directory.add_key(&key, None).await {
                        Ok(()) | Err(Error::TenantNotFound { .. }) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                })
            })
            .collect();
        assert!(world.ports.directory.remove(&other).await.unwrap());
        for adder in adders {
            adder.await.unwrap();
        }
        assert_eq!(listed(world, None, None, 9).await, []);
    }
}
