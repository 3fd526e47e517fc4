//! Contexts by their place in the tree.

use serde_json::{Value, json};

use crate::support::Server;

#[tokio::test]
async fn a_put_creates_the_parents_and_an_encoded_slash_stays_in_its_key() {
    let server = Server::start().await;
    let put = server.put("tree/web/feature%2Flogin/42", &json!({"context_data": {"n": 1}})).await;
    assert_eq!(put.status, 201);
    let task = put.json();
    assert_eq!(
        (&task["context_level"], &task["node_key"], &task["version"]),
        (&json!("task"), &json!("42"), &json!(1))
    );
    assert_eq!(
        put.header("location"),
        format!("/v1/tenants/default/contexts/{}", task["id"].as_str().unwrap())
    );
    let branch = server.get("tree/web/feature%2Flogin").await;
    assert_eq!(branch.json()["node_key"], "feature/login");
    assert_eq!(branch.json()["version"], 0);
    assert!(branch.etag().ends_with("@0\""));
    assert_eq!(branch.json()["id"], task["parent_id"]);
    // Each segment of the path is one key, whatever it decodes to.
    assert_eq!(server.get("tree/web/feature/login").await.problem(404), "not_found");
    assert_eq!(server.get("tree").await.json()["context_level"], "global");
}

#[tokio::test]
async fn the_query_names_the_same_nodes_as_the_path() {
    let server = Server::start().await;
    let body = json!({"context_data": {"n": 1}});
    let put = server.put("tree?project=web&branch=feature%2Flogin&task=a+b%26", &body).await;
    assert_eq!(put.status, 201);
    let read = server.get("tree/web/feature%2Flogin/a%20b%26").await;
    assert_eq!(read.json(), put.json());
    assert_eq!(server.merge("tree?project=web", &json!({"title": "t"})).await.json()["node_key"], "web");
    assert_eq!(server.delete("tree?project=web&branch=feature/login&cascade=true").await.status, 204);
    server.get("tree?branch=main").await.names("branch");
    server.get("tree?project=web&task=1").await.names("task");
    server.get("tree?project=").await.names("project");
    server.get("tree/web?project=web").await.names("project");
    server.get("tree/web?branch=main").await.names("branch");
}

#[tokio::test]
async fn malformed_keys_are_refused_with_their_parameter() {
    let server = Server::start().await;
    server.get("tree/%2E%2E").await.names("project");
    server.get("tree/web/a%0Ab").await.names("branch");
    server.get("tree/web/main/%00").await.names("task");
    server.get("tree//main").await.names("project");
    server.get(&format!("tree/{}", "k".repeat(256))).await.names("project");
    for path in ["tree/%zz", "tree/%", "tree/a%2", "tree/%ff", "tree/web/%C3%28"] {
        server.get(path).await.names("path");
    }
    server.get("tree?project=%zz").await.names("project");
    server.get("tree?project=%ff").await.names("project");
    for path in ["tree/", "tree/web/", "tree/a/b/c/d"] {
        assert_eq!(server.get(path).await.problem(404), "route_not_found");
    }
    assert_eq!(
        server.put(&format!("tree/{}", "k".repeat(255)), &json!({"context_data": {}})).await.status,
        201
    );
    let odd = server.put("tree/%E4%B8%96%25%3F%23%2B", &json!({"context_data": {}})).await;
    assert_eq!(odd.json()["node_key"], "世%?#+");
}

#[tokio::test]
async fn every_verb_works_on_every_level() {
    let server = Server::start().await;
    for path in ["tree", "tree/p", "tree/p/b", "tree/p/b/t"] {
        let put = server.put(path, &json!({"context_data": {"n": 1}})).await;
        assert_eq!(put.status, 201, "{path}");
        let read = server.get(path).await;
        assert_eq!((read.status.as_u16(), read.json()), (200, put.json()), "{path}");
        let again =
            server.call("PUT", path).header("if-match", "*").json(&json!({"context_data": {}})).send().await;
        assert_eq!((again.status.as_u16(), &again.json()["version"]), (200, &json!(2)), "{path}");
        assert_eq!(server.merge(path, &json!({"context_data": {"a": 1}})).await.status, 200, "{path}");
        assert_eq!(server.call("HEAD", path).send().await.status, 200, "{path}");
    }
    for path in ["tree/p/b/t", "tree/p/b", "tree/p"] {
        assert_eq!(server.delete(path).await.status, 204, "{path}");
        assert_eq!(server.get(path).await.problem(404), "not_found");
    }
    assert_eq!(server.delete("tree").await.problem(422), "global_node");
}

#[tokio::test]
async fn a_node_with_children_is_deleted_with_them_or_not_at_all() {
    let server = Server::start().await;
    server.put("tree/p/b/1", &json!({"context_data": {}})).await;
    server.put("tree/p/b/2", &json!({"context_data": {}})).await;
    let refused = server.delete("tree/p/b").await;
    assert_eq!(refused.problem(409), "has_children");
    assert!(refused.json()["detail"].as_str().unwrap().contains("2 children"));
    assert_eq!(refused.json()["current_version"], 0);
    assert_eq!(server.delete("tree/p/b?cascade=false").await.problem(409), "has_children");
    server.delete("tree/p/b?cascade=yes").await.names("cascade");
    let before = server.writes("default").await;
    assert_eq!(server.delete("tree/p/b?cascade=true").await.status, 204);
    assert_eq!(server.writes("default").await, before + 3);
    assert_eq!(server.get("tree/p/b/1").await.problem(404), "not_found");
    assert_eq!(server.get("tree/p").await.status, 200);
}

#[tokio::test]
async fn parents_are_not_created_with_create_parents_false() {
    let server = Server::start().await;
    let body = json!({"context_data": {}});
    assert_eq!(server.put("tree/p/b?create_parents=false", &body).await.problem(409), "parent_missing");
    let scoped = json!({"context_data": {}, "scope": {"project": "p", "branch": "b"}});
    assert_eq!(server.post("contexts?create_parents=false", &scoped).await.problem(409), "parent_missing");
    assert_eq!(server.writes("default").await, 0);
    assert_eq!(server.get("tree/p").await.problem(404), "not_found");
    assert_eq!(server.put("tree/p?create_parents=false", &body).await.status, 201);
    assert_eq!(server.post("contexts?create_parents=false", &scoped).await.status, 201);
    server.put("tree/q?create_parents=no", &body).await.names("create_parents");
}

#[tokio::test]
async fn a_post_with_a_scope_creates_the_node_once() {
    let server = Server::start().await;
    let body = json!({"context_data": {"n": 1}, "scope": {"project": "p", "branch": "b"}});
    let created = server.post("contexts", &body).await;
    assert_eq!(created.status, 201);
    assert_eq!(server.get("tree/p/b").await.json(), created.json());
    let again = server.post("contexts", &body).await;
    assert_eq!(again.problem(409), "already_exists");
    assert_eq!((&again.json()["current_version"], &again.json()["current"]), (&json!(1), &created.json()));
    // A node that was created only as a parent counts as absent for a create.
    let parent = json!({"context_data": {"n": 2}, "scope": {"project": "p"}});
    assert_eq!(server.post("contexts", &parent).await.json()["version"], 1);
    let gap = json!({"context_data": {}, "scope": {"project": "p", "task": "t", "x": 1}});
    let refused = server.post("contexts", &gap).await;
    refused.points_at("/scope/task");
    refused.points_at("/scope/x");
}

#[tokio::test]
async fn children_are_listed_by_key_in_pages() {
    let server = Server::start().await;
    for key in ["b", "a", "%C3%A9", "Z", "a%2Fb"] {
        server.put(&format!("tree/p/{key}"), &json!({"context_data": {}})).await;
    }
    let keys = |page: &Value| {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["node_key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = server.get("tree/p?view=children&limit=3").await.json();
    assert_eq!(keys(&first), ["Z", "a", "a/b"]);
    let token = first["next_page_token"].as_str().unwrap();
    let second = server.get(&format!("tree?project=p&view=children&limit=3&page_token={token}")).await.json();
    assert_eq!(
        (keys(&second), &second["next_page_token"]),
        (vec!["b".to_owned(), "é".to_owned()], &Value::Null)
    );
    assert_eq!(keys(&server.get("tree?view=children").await.json()), ["p"]);
    assert_eq!(server.get("tree/q?view=children").await.problem(404), "not_found");
    server.get(&format!("tree?view=children&page_token={token}")).await.names("page_token");
}

#[tokio::test]
async fn each_view_accepts_its_own_parameters_only() {
    let server = Server::start().await;
    server.put("tree/p", &json!({"context_data": {}})).await;
    for (view, refused) in [
        ("own", ["explain=true", "consistency=strong", "limit=1", "page_token=x"].as_slice()),
        ("resolved", &["limit=1", "page_token=x"]),
        ("children", &["explain=false", "consistency=strong"]),
    ] {
        for parameter in refused {
            let name = parameter.split('=').next().unwrap();
            server.get(&format!("tree/p?view={view}&{parameter}")).await.names(name);
        }
        assert_eq!(server.get(&format!("tree/p?view={view}")).await.status, 200);
    }
    server.get("tree/p?limit=1").await.names("limit");
    server.get("tree/p?view=all").await.names("view");
    server.get("tree/p?view=").await.names("view");
    server.call("GET", "tree?view=children").header("if-none-match", "*").send().await.names("If-None-Match");
    // Parameters of other methods are refused.
    server.get("tree/p?create_parents=true").await.names("create_parents");
    server.delete("tree/p?view=own").await.names("view");
    server.merge("tree/p?create_parents=true", &json!({})).await.names("create_parents");
}
