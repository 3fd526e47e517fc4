//! Deletions: of a leaf, of a subtree, and the refusal to delete a node that has children.

use context_domain::change::Operation;
use context_domain::context::Etag;
use context_domain::id::ContextId;
use context_domain::ports::{Expect, Op, Outcome, Subtree};
use serde_json::Value;

use super::harness::{HOUR, World, conflict, done, expiring, numbered, operations};

pub(crate) async fn a_leaf_is_removed(world: &World) {
    let leaf = world.create(&["p", "b"], numbered(1)).await;
    let removed = done(world.run(world.deletion(&leaf, Subtree::MustBeEmpty)).await);
    assert_eq!(removed, leaf, "the context as it was");
    assert_eq!(world.chain_of(&leaf.id).await, []);
    assert_eq!(world.chain(&["p", "b"]).await.len(), 2);
    let history = world.history_of(&leaf.id).await;
    assert_eq!(operations(&history), [Operation::Delete, Operation::Create]);
    assert_eq!((history[0].version, &history[0].content), (2, &Value::Null));
    let free = world.create_free(numbered(2)).await;
    done(world.run(world.deletion(&free, Subtree::MustBeEmpty)).await);
    assert_eq!(world.chain_of(&free.id).await, []);
}

pub(crate) async fn children_are_counted(world: &World) {
    for task in ["t", "u", "v"] {
        world.create(&["p", "b", task], numbered(1)).await;
    }
    world.create(&["p", "c"], numbered(1)).await;
    let before = (world.all().await, world.history().await);
    let project = world.chain(&["p"]).await.pop().unwrap();
    let branch = world.chain(&["p", "b"]).await.pop().unwrap();
    assert_eq!(world.run(world.deletion(&project, Subtree::MustBeEmpty)).await, Outcome::HasChildren(2));
    assert_eq!(world.run(world.deletion(&branch, Subtree::MustBeEmpty)).await, Outcome::HasChildren(3));
    assert_eq!((world.all().await, world.history().await), before);
}

pub(crate) async fn a_subtree_is_removed_with_a_record_each(world: &World) {
    let soon = world.now().saturating_add_micros(HOUR);
    let task = world.create(&["p", "b", "t"], numbered(1)).await;
    let expired = world.create(&["p", "b", "u"], expiring(soon)).await;
    let other = world.create(&["q", "b"], numbered(1)).await;
    world.clock.advance(HOUR);
    let chain = world.chain(&["p", "b"]).await;
    let before = world.history().await.len();
    done(world.run(world.deletion(&chain[1], Subtree::Remove)).await);
    let history = world.history().await;
    assert_eq!(history.len(), before + 4);
    let of = |id: &ContextId| history.iter().find(|change| change.context_id == *id).unwrap();
    for (id, version, operation) in [
        (&chain[1].id, 1, Operation::Delete),
        (&chain[2].id, 1, Operation::Delete),
        (&task.id, 2, Operation::Delete),
        (&expired.id, 2, Operation::Expire),
    ] {
        let change = of(id);
        assert_eq!((change.version, change.operation), (version, operation));
        assert_eq!((change.revision, &change.content), (history[0].revision, &Value::Null));
        assert_eq!(world.chain_of(id).await, []);
    }
    assert_eq!(world.chain(&["q", "b"]).await.pop(), Some(other));
}

pub(crate) async fn expired_children_do_not_count(world: &World) {
    let soon = world.now().saturating_add_micros(HOUR);
    let branch = world.create(&["p", "b"], expiring(soon)).await;
    let task = world.create(&["p", "b", "t"], numbered(1)).await;
    let live = world.create(&["p", "c"], numbered(1)).await;
    let project = world.chain(&["p"]).await.pop().unwrap();
    assert_eq!(world.run(world.deletion(&project, Subtree::MustBeEmpty)).await, Outcome::HasChildren(2));
    world.clock.advance(HOUR);
    assert_eq!(world.run(world.deletion(&project, Subtree::MustBeEmpty)).await, Outcome::HasChildren(1));
    assert_eq!(world.chain_of(&branch.id).await.len(), 3, "a refusal removes nothing");
    done(world.run(world.deletion(&live, Subtree::MustBeEmpty)).await);
    done(world.run(world.deletion(&project, Subtree::MustBeEmpty)).await);
    for id in [&branch.id, &task.id] {
        assert_eq!(world.chain_of(id).await, []);
        let history = world.history_of(id).await;
        assert_eq!(operations(&history), [Operation::Expire, Operation::Create]);
        assert_eq!((history[0].version, &history[0].content), (2, &Value::Null));
    }
}

pub(crate) async fn another_version_is_not_removed(world: &World) {
    let first = world.create(&["p"], numbered(1)).await;
    let second = world.replace(&first, numbered(2)).await;
    assert_eq!(world.run(world.deletion(&first, Subtree::Remove)).await, conflict(Some(&second)));
    let strange = Etag { id: world.id(), version: 1 };
    let deletion = world.commit(Expect::Version(strange), Op::Delete { subtree: Subtree::Remove });
    assert_eq!(world.run(deletion).await, conflict(None));
}

pub(crate) async fn a_node_created_again_is_another(world: &World) {
    let first = world.create(&["p"], numbered(1)).await;
    done(world.run(world.deletion(&first, Subtree::MustBeEmpty)).await);
    let second = world.create(&["p"], numbered(1)).await;
    assert_ne!(first.etag(), second.etag());
    assert_eq!(world.run(world.replacement(&first, numbered(2))).await, conflict(None));
    assert_eq!(world.chain(&["p"]).await.pop(), Some(second));
}
