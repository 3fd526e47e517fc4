//! Changes: the record of each write, newest first.

use context_domain::change::{Operation, Record};
use context_domain::ports::{ChangeQuery, Subtree};

use super::harness::{World, done, numbered, operations};

pub(crate) async fn newest_first_after_a_position(world: &World) {
    for n in 0..3 {
        world.create(&[&format!("p{n}"), "b", "t"], numbered(n)).await;
    }
    for n in 0..3 {
        let project = world.chain(&[&format!("p{n}")]).await.pop().unwrap();
        done(world.run(world.deletion(&project, Subtree::Remove)).await);
    }
    let all = world.history().await;
    assert_eq!(all.len(), 12);
    assert!(
        all.windows(2).all(|pair| {
            (pair[0].revision, &pair[0].context_id) > (pair[1].revision, &pair[1].context_id)
        })
    );
    let mut found = Vec::new();
    loop {
        let before = found
            .last()
            .map(|change: &context_domain::change::Change| (change.revision, change.context_id.clone()));
        let page = world.changes(ChangeQuery { context: None, before, limit: 5 }).await;
        let last = page.len() < 5;
        found.extend(page);
        if last {
            break;
        }
    }
    assert_eq!(found, all);
}

pub(crate) async fn of_one_context(world: &World) {
    let mut node = world.create(&["p"], numbered(0)).await;
    for n in 1..5 {
        world.create_free(numbered(n)).await;
        node = world.replace(&node, numbered(n)).await;
    }
    let all = world.history_of(&node.id).await;
    assert_eq!(all.iter().map(|change| change.version).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
    assert!(all.iter().all(|change| change.context_id == node.id));
    assert_eq!(all[0].content, node.to_json());
    let before = Some((all[1].revision, node.id.clone()));
    let page = world.changes(ChangeQuery { context: Some(node.id.clone()), before, limit: 2 }).await;
    assert_eq!(page, all[2..4]);
    let before = Some((u64::MAX, node.id.clone()));
    assert_eq!(world.changes(ChangeQuery { context: Some(node.id), before, limit: 9 }).await, all);
    assert_eq!(world.history_of(&world.id()).await, []);
}

pub(crate) async fn one_revision_for_a_whole_transaction(world: &World) {
    world.create(&["p", "b", "t"], numbered(1)).await;
    let created = world.history().await[0].revision;
    let project = world.chain(&["p"]).await.pop().unwrap();
    done(world.run(world.deletion(&project, Subtree::Remove)).await);
    let history = world.history().await;
    let revisions: Vec<_> = history.iter().map(|change| change.revision).collect();
    let removed = revisions[0];
    assert!(removed > created, "a later transaction has the greater number");
    assert_eq!(revisions, [removed, removed, removed, created]);
}

pub(crate) async fn a_record_says_who_and_when(world: &World) {
    world.clock.advance(17);
    let mut commit = world.creation(&["p"], numbered(1));
    commit.record = Record { by: "né世".to_owned(), request_id: "r-1".to_owned(), ..commit.record };
    let node = done(world.run(commit).await);
    let change = world.history().await.pop().unwrap();
    assert_eq!((change.changed_at, change.changed_by.as_str()), (world.now(), "né世"));
    assert_eq!((change.request_id.as_str(), change.idempotency), ("r-1", None));
    assert_eq!((change.version, change.content), (1, node.to_json()));
}

pub(crate) async fn history_stays_after_removal(world: &World) {
    let first = world.create(&["p"], numbered(1)).await;
    let second = world.replace(&first, numbered(2)).await;
    done(world.run(world.deletion(&second, Subtree::MustBeEmpty)).await);
    let history = world.history_of(&first.id).await;
    assert_eq!(operations(&history), [Operation::Delete, Operation::Update, Operation::Create]);
    assert_eq!([&history[1].content, &history[2].content], [&second.to_json(), &first.to_json()]);
}

pub(crate) async fn later_writes_have_greater_revisions(world: &World) {
    let mut node = world.create(&["p"], numbered(0)).await;
    for n in 1..20 {
        world.run(world.creation(&["p"], numbered(n))).await;
        node = world.replace(&node, numbered(n)).await;
    }
    let history = world.history_of(&node.id).await;
    assert_eq!(history.len(), 20);
    assert!(
        history
            .windows(2)
            .all(|pair| { pair[0].revision > pair[1].revision && pair[0].version == pair[1].version + 1 })
    );
}
