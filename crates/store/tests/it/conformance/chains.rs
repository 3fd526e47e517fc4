//! Chains: a context with its ancestors, from one snapshot.

use context_domain::content::Content;
use context_domain::tree::{Level, Place};

use super::harness::{HOUR, World, expiring, ids, numbered};

pub(crate) async fn a_new_tenant_has_its_global_node(world: &World) {
    let global = world.global().await;
    assert_eq!(global.version, 0);
    assert_eq!(global.content, Content::empty_node(Level::Global));
    assert_eq!(global.place, Some(Place { level: Level::Global, parent_id: None, node_key: None }));
    assert_eq!((global.created_at, &global.tenant_id), (world.now(), &world.tenant));
    assert_eq!(world.chain_of(&global.id).await, [global]);
}

pub(crate) async fn a_scope_gives_the_nodes_from_the_top_without_a_gap(world: &World) {
    let branch = world.create(&["p", "b"], numbered(1)).await;
    let chain = world.chain(&["p", "b", "t"]).await;
    assert_eq!(chain.len(), 3);
    assert_eq!(chain[2], branch);
    assert_eq!(chain[1].place.as_ref().unwrap().node_key.as_ref().unwrap().as_str(), "p");
    assert_eq!(world.chain(&["p", "b"]).await, chain);
    assert_eq!(world.chain(&["p", "c", "b"]).await.len(), 2);
    assert_eq!(world.chain(&["b"]).await.len(), 1);
}

pub(crate) async fn an_id_gives_the_whole_chain_or_nothing(world: &World) {
    let task = world.create(&["p", "b", "t"], numbered(1)).await;
    let chain = world.chain_of(&task.id).await;
    assert_eq!(chain, world.chain(&["p", "b", "t"]).await);
    let levels: Vec<_> = chain.iter().map(|node| node.place.as_ref().unwrap().level).collect();
    assert_eq!(levels, Level::ALL);
    assert_eq!(world.chain_of(&world.id()).await, []);
}

pub(crate) async fn expired_nodes_are_in_the_chain(world: &World) {
    let at = world.now().saturating_add_micros(HOUR);
    let project = world.create(&["p"], expiring(at)).await;
    let branch = world.create(&["p", "b"], numbered(1)).await;
    world.clock.advance(2 * HOUR);
    let global = world.global().await;
    assert_eq!(ids(&world.chain(&["p", "b"]).await), ids(&[global, project.clone(), branch.clone()]));
    assert_eq!(world.chain_of(&branch.id).await.len(), 3);
    assert_eq!(world.chain(&["p"]).await.pop(), Some(project));
}

pub(crate) async fn a_context_outside_the_tree_is_its_own_chain(world: &World) {
    let free = world.create_free(numbered(1)).await;
    assert_eq!(free.place, None);
    assert_eq!(world.chain_of(&free.id).await, [free]);
}
