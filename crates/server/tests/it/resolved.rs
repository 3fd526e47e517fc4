//! Resolved contexts over HTTP; their content is tested where they are merged.

use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn a_resolved_context_has_its_chain_and_its_hash_as_etag() {
    let server = Server::start().await;
    let task = server.put("tree/web/a%2Fb/1", &json!({"context_data": {"n": 1}})).await.json();
    let by_id = format!("contexts/{}/resolved", task["id"].as_str().unwrap());
    let resolved = server.get(&by_id).await;
    assert_eq!(resolved.status, 200);
    let body = resolved.json();
    assert_eq!(body["context_id"], task["id"]);
    assert_eq!(body["resolution_path"], "global/web/a%2Fb/1");
    assert_eq!(body["chain"].as_array().unwrap().len(), 4);
    assert_eq!(body["resolved_context"]["n"], 1);
    assert!(body.get("explain").is_none());
    assert_eq!(resolved.etag(), format!("\"{}\"", body["dependencies_hash"].as_str().unwrap()));
    assert_eq!(resolved.header("context-cache"), "miss");
    assert_eq!(resolved.header("cache-control"), "private, no-cache");
    assert_eq!(server.get("tree/web/a%2Fb/1?view=resolved").await.json(), body);
    assert_eq!(
        server.get("tree?project=web&branch=a/b&task=1&view=resolved&consistency=strong").await.json(),
        body
    );
    server.merge("tree/web", &json!({"context_data": {"m": 2}})).await;
    assert_ne!(server.get(&by_id).await.etag(), resolved.etag());
}

#[tokio::test]
async fn a_context_outside_the_tree_resolves_to_itself() {
    let server = Server::start().await;
    let id = server.created(&json!({"n": 1})).await;
    let resolved = server.get(&format!("contexts/{id}/resolved?explain=false")).await.json();
    assert_eq!(
        (&resolved["resolution_path"], &resolved["resolved_context"]),
        (&json!("direct"), &json!({"n": 1}))
    );
}

#[tokio::test]
async fn an_explained_response_has_an_etag_of_its_own() {
    let server = Server::start().await;
    server.put("tree/p", &json!({"context_data": {"n": 1}})).await;
    let plain = server.get("tree/p?view=resolved").await;
    let explained = server.get("tree/p?view=resolved&explain=true").await;
    assert!(explained.json()["explain"].is_object());
    assert_eq!(explained.etag(), plain.etag().trim_end_matches('"').to_owned() + "+explain\"");
    let known = |etag: &str| server.call("GET", "tree/p?view=resolved").header("if-none-match", etag).send();
    let same = known(plain.etag()).await;
    assert_eq!((same.status.as_u16(), same.body.len(), same.etag()), (304, 0, plain.etag()));
    assert_eq!(same.header("context-cache"), "miss");
    assert_eq!(known(explained.etag()).await.status, 200);
    server.merge("tree", &json!({"context_data": {"g": 1}})).await;
    assert_eq!(known(plain.etag()).await.status, 200);
}

#[tokio::test]
async fn unsupported_parameters_are_refused() {
    let server = Server::start().await;
    let id = server.created(&json!({})).await;
    let bounded = server.get(&format!("contexts/{id}/resolved?consistency=bounded")).await;
    bounded.names("consistency");
    assert!(bounded.json()["detail"].as_str().unwrap().contains("not available yet, use strong"));
    for (query, name) in [
        ("consistency=weak", "consistency"),
        ("consistency=", "consistency"),
        ("explain=1", "explain"),
        ("explain", "explain"),
        ("max_staleness=1", "max_staleness"),
        ("view=own", "view"),
        ("limit=1", "limit"),
    ] {
        server.get(&format!("contexts/{id}/resolved?{query}")).await.names(name);
    }
    let missing = "contexts/ctx_0197f6a0-3b1c-7c43-9d0e-5a1b2c3d4e5f/resolved";
    assert_eq!(server.get(missing).await.problem(404), "not_found");
    assert_eq!(server.get("tree/nowhere?view=resolved").await.problem(404), "not_found");
}
