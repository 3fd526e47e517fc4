//! Expiry: an expired context is absent from that instant on, and a write over it removes it.

use context_domain::change::Operation;
use context_domain::ports::{Commit, Outcome, Subtree};
use serde_json::Value;

use super::harness::{HOUR, World, conflict, done, expiring, numbered, operations};

pub(crate) async fn a_write_over_an_expired_node_removes_it_with_its_subtree(world: &World) {
    let soon = world.now().saturating_add_micros(HOUR);
    let old = world.create(&["p", "b"], expiring(soon)).await;
    let below = world.create(&["p", "b", "t"], numbered(1)).await;
    world.clock.advance(HOUR);
    let new = world.create(&["p", "b"], numbered(2)).await;
    assert_ne!(new.id, old.id);
    assert_eq!((new.version, world.chain(&["p", "b"]).await.pop()), (1, Some(new.clone())));
    assert_eq!(world.chain(&["p", "b", "t"]).await.len(), 3);
    let history = world.history().await;
    for id in [&old.id, &below.id] {
        let change = history.iter().find(|change| change.context_id == *id).unwrap();
        assert_eq!((change.version, change.operation), (2, Operation::Expire));
        assert_eq!((&change.content, change.revision), (&Value::Null, history[0].revision));
        assert_eq!(change.changed_by, "somebody");
    }
    assert_eq!(operations(&world.history_of(&new.id).await), [Operation::Create]);
}

pub(crate) async fn an_expired_ancestor_is_removed_on_the_path(world: &World) {
    let soon = world.now().saturating_add_micros(HOUR);
    let project = world.create(&["p"], expiring(soon)).await;
    let task = world.create(&["p", "b", "t"], numbered(1)).await;
    world.clock.advance(HOUR);
    let orphan = Commit { ensure_path: None, ..world.creation(&["p", "b", "t"], numbered(2)) };
    assert_eq!(world.run(orphan).await, Outcome::ParentMissing);
    assert_eq!(world.chain_of(&task.id).await.len(), 4, "a refusal removes nothing");
    let new = world.create(&["p", "b", "t"], numbered(3)).await;
    let chain = world.chain(&["p", "b", "t"]).await;
    assert_ne!(chain[1].id, project.id);
    assert_eq!([chain[1].version, chain[2].version], [0, 0]);
    assert_eq!(chain[3], new);
    assert_eq!(world.chain_of(&task.id).await, []);
    // The project, the branch that nobody wrote, and the task.
    let expired = world.history().await.into_iter().filter(|change| change.operation == Operation::Expire);
    let mut versions: Vec<_> = expired.map(|change| change.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 2]);
}

pub(crate) async fn an_expired_context_has_no_current_version(world: &World) {
    let soon = world.now().saturating_add_micros(HOUR);
    let node = world.create(&["p"], expiring(soon)).await;
    let free = world.create_free(expiring(soon)).await;
    world.clock.advance(HOUR);
    for context in [&node, &free] {
        assert_eq!(world.run(world.replacement(context, numbered(2))).await, conflict(None));
        assert_eq!(world.run(world.deletion(context, Subtree::Remove)).await, conflict(None));
    }
}

pub(crate) async fn a_context_below_an_expired_one_cannot_be_written(world: &World) {
    let soon = world.now().saturating_add_micros(HOUR);
    world.create(&["p"], expiring(soon)).await;
    let task = world.create(&["p", "b", "t"], numbered(1)).await;
    world.replace(&task, numbered(2)).await;
    let task = world.chain_of(&task.id).await.pop().unwrap();
    world.clock.advance(HOUR);
    assert_eq!(world.run(world.replacement(&task, numbered(3))).await, conflict(None));
    assert_eq!(world.run(world.deletion(&task, Subtree::Remove)).await, conflict(None));
}

pub(crate) async fn expiry_is_at_the_instant(world: &World) {
    let soon = world.now().saturating_add_micros(HOUR);
    let node = world.create(&["p"], expiring(soon)).await;
    world.clock.advance(HOUR - 1);
    assert_eq!(world.all().await.len(), 2);
    let node = world.replace(&node, expiring(soon)).await;
    assert_eq!(world.run(world.creation(&["p"], numbered(1))).await, conflict(Some(&node)));
    world.clock.advance(1);
    assert_eq!(world.all().await.len(), 1);
    assert_eq!(world.run(world.replacement(&node, numbered(2))).await, conflict(None));
    done(world.run(world.creation(&["p"], numbered(2))).await);
}
