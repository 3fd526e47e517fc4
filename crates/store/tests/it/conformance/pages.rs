//! Pages: lists in byte order that continue after a key and hide expired contexts.

use context_domain::ports::ContextList;

use super::harness::{HOUR, World, every, expiring, ids, numbered};

pub(crate) async fn all_contexts_by_id(world: &World) {
    let mut expected = vec![world.global().await.id];
    for n in 0..5 {
        expected.push(world.create_free(numbered(n)).await.id);
    }
    expected.push(world.create(&["p"], numbered(5)).await.id);
    expected.sort_unstable();
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = world.page(every(after), 3).await;
        found.extend(ids(&page));
        after = page.last().map(|context| context.id.clone());
        if page.len() < 3 {
            break;
        }
    }
    assert_eq!(found, expected);
}

pub(crate) async fn children_by_key_in_byte_order(world: &World) {
    let mut keys =
        vec!["a", "B", "b", "a ", " a", "a-", "a_", "aa", "é", "z", "Z", "10", "9", "世", "🌍", "\u{ffff}"];
    for key in &keys {
        world.create(&["p", key], numbered(1)).await;
    }
    world.create(&["q", "other"], numbered(1)).await;
    world.create(&["p", "a", "deeper"], numbered(1)).await;
    keys.sort_unstable();
    let parent = world.chain(&["p"]).await.pop().unwrap().id;
    let mut found = Vec::new();
    loop {
        let list = ContextList::Children { parent: parent.clone(), after: found.last().cloned() };
        let page = world.page(list, 5).await;
        let key = |node: &context_domain::context::Context| node.place.clone().unwrap().node_key.unwrap();
        found.extend(page.iter().map(|node| key(node).to_string()));
        if page.len() < 5 {
            break;
        }
    }
    assert_eq!(found, keys);
}

pub(crate) async fn expired_ones_are_hidden(world: &World) {
    let parent = world.create(&["p"], numbered(0)).await.id;
    let mut live = Vec::new();
    for n in 0..20 {
        let at = world.now().saturating_add_micros(if n % 3 == 0 { 3 * HOUR } else { HOUR });
        let child = world.create(&["p", &format!("{n:02}")], expiring(at)).await;
        world.create_free(expiring(at)).await;
        if n % 3 == 0 {
            live.push(child.id);
        }
    }
    assert_eq!(world.all().await.len(), 42);
    world.clock.advance(HOUR);
    assert_eq!(world.all().await.len(), 16);
    let page = world.page(ContextList::Children { parent: parent.clone(), after: None }, 4).await;
    assert_eq!(ids(&page), live[..4], "a page is full although others are hidden");
    let after = Some("09".to_owned());
    assert_eq!(ids(&world.page(ContextList::Children { parent, after }, 9).await), live[4..]);
}

pub(crate) async fn a_context_below_an_expired_one_is_hidden(world: &World) {
    let soon = world.now().saturating_add_micros(HOUR);
    let project = world.create(&["p"], expiring(soon)).await;
    world.create(&["p", "b", "t"], numbered(1)).await;
    let branch = world.create(&["q", "b"], expiring(soon)).await;
    world.create(&["q", "b", "t"], numbered(1)).await;
    assert_eq!(world.all().await.len(), 7);
    world.clock.advance(HOUR);
    assert_eq!(world.all().await.len(), 2, "the global node and the project q");
    for parent in [project.id, branch.id] {
        assert_eq!(world.page(ContextList::Children { parent, after: None }, 9).await, []);
    }
}

pub(crate) async fn pages_of_nothing(world: &World) {
    assert_eq!(world.page(every(Some(world.id())), 5).await, []);
    let parent = world.global().await.id;
    assert_eq!(world.page(ContextList::Children { parent: parent.clone(), after: None }, 5).await, []);
    world.create(&["p"], numbered(1)).await;
    let after = Some("p".to_owned());
    assert_eq!(world.page(ContextList::Children { parent, after }, 5).await, []);
    let parent = world.id();
    assert_eq!(world.page(ContextList::Children { parent, after: None }, 5).await, []);
    assert_eq!(world.page(every(None), 0).await, []);
}
