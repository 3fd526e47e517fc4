//! Idempotency keys: a success is remembered for a day, a failure is not.

use context_domain::change::{Idempotency, Operation};
use context_domain::limits::IDEMPOTENCY_WINDOW_MICROS;
use context_domain::ports::{Commit, Outcome, Subtree};

use super::harness::{World, conflict, done, key, numbered, replayed};

fn with(commit: Commit, idempotency: &Idempotency) -> Commit {
    Commit { idempotency: Some(idempotency.clone()), ..commit }
}

pub(crate) async fn a_known_key_replays(world: &World) {
    let idempotency = key("me", "k", "request");
    let first = done(world.run(with(world.creation(&["p"], numbered(1)), &idempotency)).await);
    let before = (world.all().await, world.history().await);
    // The service decides whether the request is the same: the store returns what it was.
    let other = key("me", "k", "another request");
    let change = replayed(world.run(with(world.creation(&["q"], numbered(2)), &other)).await);
    assert_eq!((&change.context_id, change.version, change.operation), (&first.id, 1, Operation::Create));
    assert_eq!((&change.content, change.idempotency), (&first.to_json(), Some(idempotency)));
    assert_eq!((world.all().await, world.history().await), before);
}

pub(crate) async fn a_key_belongs_to_its_principal(world: &World) {
    done(world.run(with(world.creation(&["p"], numbered(1)), &key("me", "k", "r"))).await);
    done(world.run(with(world.creation(&["q"], numbered(1)), &key("you", "k", "r"))).await);
    done(world.run(with(world.creation(&["r"], numbered(1)), &key("me", "K", "r"))).await);
}

pub(crate) async fn a_failure_is_not_remembered(world: &World) {
    let first = world.create(&["p"], numbered(1)).await;
    let idempotency = key("me", "k", "r");
    let refused = world.run(with(world.creation(&["p"], numbered(2)), &idempotency)).await;
    assert_eq!(refused, conflict(Some(&first)));
    done(world.run(with(world.creation(&["q"], numbered(2)), &idempotency)).await);
}

pub(crate) async fn a_key_is_known_for_a_day(world: &World) {
    let idempotency = key("me", "k", "r");
    let first = done(world.run(with(world.creation(&["p"], numbered(1)), &idempotency)).await);
    world.clock.advance(IDEMPOTENCY_WINDOW_MICROS - 1);
    replayed(world.run(with(world.replacement(&first, numbered(2)), &idempotency)).await);
    world.clock.advance(1);
    let stale = world.replacement(&world.replace(&first, numbered(5)).await, numbered(6));
    // After a write that fails, the old row still has the key.
    let refused = world.run(with(world.replacement(&first, numbered(2)), &idempotency)).await;
    assert!(matches!(refused, Outcome::Conflict { .. }));
    let keys = |history: Vec<context_domain::change::Change>| {
        history.into_iter().map(|change| change.idempotency.is_some()).collect::<Vec<_>>()
    };
    assert_eq!(keys(world.history_of(&first.id).await), [false, true]);
    done(world.run(with(stale, &idempotency)).await);
    assert_eq!(keys(world.history_of(&first.id).await), [true, false, false]);
}

pub(crate) async fn a_deletion_is_remembered(world: &World) {
    let node = world.create(&["p"], numbered(1)).await;
    world.create(&["p", "b"], numbered(1)).await;
    let deletion = with(world.deletion(&node, Subtree::Remove), &key("me", "k", "r"));
    done(world.run(deletion.clone()).await);
    let change = replayed(world.run(deletion).await);
    assert_eq!((change.context_id, change.version, change.operation), (node.id, 2, Operation::Delete));
}

pub(crate) async fn remembered_finds_changes_made_since(world: &World) {
    let idempotency = key("me", "k", "r");
    let start = world.now();
    let remembered = async |key: &Idempotency, micros: i64| {
        let since = start.saturating_add_micros(micros);
        world.ports.contexts.remembered(&world.tenant, key, since).await.unwrap()
    };
    assert_eq!(remembered(&idempotency, -1).await, None);
    done(world.run(with(world.creation(&["p"], numbered(1)), &idempotency)).await);
    let change = world.history().await.pop();
    assert_eq!(change.as_ref().unwrap().idempotency, Some(idempotency));
    assert_eq!(remembered(&key("me", "k", "whatever"), -1).await, change);
    // The window excludes its old end, here as in a commit.
    assert_eq!(remembered(&key("me", "k", "whatever"), 0).await, None);
    assert_eq!(remembered(&key("you", "k", "r"), -1).await, None);
}

pub(crate) async fn one_key_at_once_writes_once(world: &World) {
    let idempotency = key("me", "k", "r");
    let writers: Vec<_> = (0..8)
        .map(|n| {
            let (contexts, tenant) = (world.ports.contexts.clone(), world.tenant.clone());
            let commit = with(world.free_creation(numbered(n)), &idempotency);
            tokio::spawn(async move { contexts.commit(&tenant, commit).await.unwrap() })
        })
        .collect();
    let mut done = 0;
    for writer in writers {
        match writer.await.unwrap() {
            Outcome::Done(_) => done += 1,
            Outcome::Replayed(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((done, world.all().await.len()), (1, 2));
}

pub(crate) async fn the_key_comes_before_the_condition(world: &World) {
    let first = world.create(&["p"], numbered(1)).await;
    let replacement = with(world.replacement(&first, numbered(2)), &key("me", "k", "r"));
    let second = done(world.run(replacement.clone()).await);
    world.replace(&second, numbered(3)).await;
    assert_eq!(replayed(world.run(replacement).await).content, second.to_json());
}

pub(crate) async fn only_the_addressed_context_carries_the_key(world: &World) {
    world.create(&["p", "b", "t"], numbered(1)).await;
    let project = world.chain(&["p"]).await.pop().unwrap();
    done(world.run(with(world.deletion(&project, Subtree::Remove), &key("me", "k", "r"))).await);
    let carriers = world.history().await.into_iter().filter(|change| change.idempotency.is_some());
    let carriers: Vec<_> = carriers.map(|change| change.context_id).collect();
    assert_eq!(carriers, [project.id]);
}
