//! Writes: what they require, what they do, and that they do all of it or nothing.

use context_domain::change::Operation;
use context_domain::content::Content;
use context_domain::context::Etag;
use context_domain::ports::{Commit, Expect, Op, Outcome, Subtree};
use context_domain::tree::Level;
use serde_json::Value;

use super::harness::{World, conflict, done, numbered, operations};

pub(crate) async fn a_node_is_created_with_its_missing_parents(world: &World) {
    let commit = world.creation(&["p", "b", "t"], numbered(1));
    let path = commit.ensure_path.clone().unwrap();
    let task = done(world.run(commit).await);
    let chain = world.chain(&["p", "b", "t"]).await;
    assert_eq!([&chain[1].id, &chain[2].id], [&path.ids[0], &path.ids[1]]);
    assert_eq!(chain[3], task);
    assert_eq!(task.version, 1);
    for (node, level) in chain[1..3].iter().zip([Level::Project, Level::Branch]) {
        assert_eq!((node.version, &node.content), (0, &Content::empty_node(level)));
        assert_eq!(node.created_at, world.now());
    }
    for pair in chain.windows(2) {
        assert_eq!(pair[1].place.as_ref().unwrap().parent_id.as_ref(), Some(&pair[0].id));
    }
    // Nobody wrote the parents, so no change is recorded of them.
    assert_eq!(world.history().await.len(), 1);
    let sibling = world.create(&["p", "b", "u"], numbered(2)).await;
    assert_eq!(sibling.place.unwrap().parent_id.as_ref(), Some(&chain[2].id));
    assert_eq!(world.chain(&["p", "b"]).await, chain[..3]);
}

pub(crate) async fn a_parent_is_missing_where_no_path_is_ensured(world: &World) {
    let without = |keys: &[&str]| Commit { ensure_path: None, ..world.creation(keys, numbered(1)) };
    assert_eq!(world.run(without(&["p", "b"])).await, Outcome::ParentMissing);
    done(world.run(without(&["p"])).await);
    assert_eq!(world.run(without(&["p", "b", "t"])).await, Outcome::ParentMissing);
    done(world.run(without(&["p", "b"])).await);
    assert_eq!(world.chain(&["p", "b"]).await.len(), 3);
}

pub(crate) async fn an_existing_node_is_a_conflict(world: &World) {
    let first = world.create(&["p"], numbered(1)).await;
    assert_eq!(world.run(world.creation(&["p"], numbered(2))).await, conflict(Some(&first)));
    let global = world.global().await;
    assert_eq!(world.run(world.creation(&[], numbered(2))).await, conflict(Some(&global)));
}

pub(crate) async fn a_node_that_nobody_wrote_is_a_conflict_too(world: &World) {
    world.create(&["p", "b"], numbered(1)).await;
    let project = world.chain(&["p"]).await.pop().unwrap();
    assert_eq!(world.run(world.creation(&["p"], numbered(2))).await, conflict(Some(&project)));
    let written = world.replace(&project, numbered(2)).await;
    assert_eq!((written.version, world.chain(&["p"]).await.pop()), (1, Some(written.clone())));
}

pub(crate) async fn a_version_is_replaced_and_keeps_its_place(world: &World) {
    let first = world.create(&["p", "b"], numbered(1)).await;
    world.clock.advance(1);
    let mut commit = world.replacement(&first, numbered(2));
    // The store keeps the place, whatever place the writer gives.
    if let Op::Put { context, .. } = &mut commit.op {
        context.place = None;
    }
    let second = done(world.run(commit).await);
    assert_eq!((&second.place, second.version), (&first.place, 2));
    assert_eq!((second.created_at, second.updated_at), (first.created_at, world.now()));
    assert_eq!(world.chain(&["p", "b"]).await.pop(), Some(second));
}

pub(crate) async fn another_version_is_a_conflict_with_the_present_one(world: &World) {
    let first = world.create(&["p"], numbered(1)).await;
    let second = world.replace(&first, numbered(2)).await;
    assert_eq!(world.run(world.replacement(&first, numbered(3))).await, conflict(Some(&second)));
    let ahead = Etag { version: 3, ..second.etag() };
    assert_eq!(world.run(world.commit(Expect::Version(ahead), Op::Keep)).await, conflict(Some(&second)));
}

pub(crate) async fn a_removed_context_is_a_conflict_with_nothing(world: &World) {
    let first = world.create(&["p"], numbered(1)).await;
    done(world.run(world.deletion(&first, Subtree::MustBeEmpty)).await);
    assert_eq!(world.run(world.replacement(&first, numbered(2))).await, conflict(None));
    assert_eq!(world.run(world.deletion(&first, Subtree::Remove)).await, conflict(None));
    assert_eq!(world.run(world.commit(Expect::Version(first.etag()), Op::Keep)).await, conflict(None));
}

pub(crate) async fn nothing_is_written_on_a_conflict(world: &World) {
    let first = world.create(&["p", "b", "t"], numbered(1)).await;
    let before = (world.all().await, world.history().await);
    world.run(world.creation(&["p", "b", "t"], numbered(2))).await;
    let stale = Etag { version: 7, ..first.etag() };
    world.run(world.commit(Expect::Version(stale), Op::Delete { subtree: Subtree::Remove })).await;
    let orphan = Commit { ensure_path: None, ..world.creation(&["x", "y"], numbered(3)) };
    assert_eq!(world.run(orphan).await, Outcome::ParentMissing);
    assert_eq!((world.all().await, world.history().await), before);
}

pub(crate) async fn a_known_id_is_a_conflict(world: &World) {
    let commit = world.free_creation(numbered(1));
    let first = done(world.run(commit.clone()).await);
    assert_eq!(world.run(commit).await, conflict(Some(&first)));
}

pub(crate) async fn keep_records_and_changes_nothing(world: &World) {
    let first = world.create(&["p"], numbered(1)).await;
    world.clock.advance(1);
    let kept = done(world.run(world.commit(Expect::Version(first.etag()), Op::Keep)).await);
    assert_eq!(kept, first);
    assert_eq!(world.chain(&["p"]).await.pop(), Some(first.clone()));
    let history = world.history_of(&first.id).await;
    assert_eq!(operations(&history), [Operation::None, Operation::Create]);
    assert_eq!((history[0].version, &history[0].content), (1, &first.to_json()));
    assert_ne!(history[0].content, Value::Null);
}

pub(crate) async fn two_at_once_under_a_missing_project(world: &World) {
    for round in 0..20 {
        let project = format!("p{round}");
        let (left, right) = ([project.as_str(), "b", "l"], [project.as_str(), "b", "r"]);
        let (left, right) = tokio::join!(
            world.run(world.creation(&left, numbered(1))),
            world.run(world.creation(&right, numbered(2)))
        );
        let parents = [left, right].map(|outcome| done(outcome).place.unwrap().parent_id);
        assert_eq!(parents[0], parents[1]);
    }
}

pub(crate) async fn one_of_many_at_once_wins(world: &World) {
    let current = world.create(&["p"], numbered(0)).await;
    let writers: Vec<_> = (1..=16)
        .map(|n| {
            let (contexts, tenant) = (world.ports.contexts.clone(), world.tenant.clone());
            let commit = world.replacement(&current, numbered(n));
            tokio::spawn(async move { contexts.commit(&tenant, commit).await.unwrap() })
        })
        .collect();
    let mut winners = Vec::new();
    let mut losers = Vec::new();
    for writer in writers {
        match writer.await.unwrap() {
            Outcome::Done(context) => winners.push(*context),
            Outcome::Conflict { current: Some(current) } => losers.push(*current),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((winners.len(), losers.len()), (1, 15));
    assert!(losers.iter().all(|current| *current == winners[0]));
    assert_eq!(world.chain(&["p"]).await.pop(), winners.pop());
}
