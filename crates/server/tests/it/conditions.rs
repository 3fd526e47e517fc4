//! Conditional requests: honoured or refused, never ignored.

use serde_json::{Value, json};

use crate::support::{Answer, Server};

fn note(n: i64) -> Value {
    json!({"context_type": "note", "context_data": {"n": n}})
}

#[track_caller]
fn carries(answer: &Answer, version: u64, n: i64) {
    let problem = answer.json();
    assert_eq!(problem["current_version"], version);
    assert_eq!(
        (&problem["current"]["version"], &problem["current"]["context_data"]["n"]),
        (&json!(version), &json!(n))
    );
}

#[tokio::test]
async fn a_put_without_a_condition_creates_and_never_overwrites() {
    let server = Server::start().await;
    assert_eq!(server.put("tree/p", &note(1)).await.status, 201);
    let refused = server.put("tree/p", &note(2)).await;
    assert_eq!(refused.problem(428), "precondition_required");
    carries(&refused, 1, 1);
    let id = refused.json()["current"]["id"].as_str().unwrap().to_owned();
    assert_eq!(server.put(&format!("contexts/{id}"), &note(2)).await.problem(428), "precondition_required");
    assert_eq!(server.call("PUT", "tree/p").header("if-match", "*").json(&note(2)).send().await.status, 200);
    assert_eq!(
        server.call("PUT", "tree/absent").header("if-match", "*").json(&note(2)).send().await.problem(412),
        "precondition_failed"
    );
}

#[tokio::test]
async fn a_stale_condition_is_refused_with_the_current_context() {
    let server = Server::start().await;
    let first = server.put("tree/p", &note(1)).await;
    server.merge("tree/p", &json!({"context_data": {"n": 2}})).await;
    for method in ["PUT", "PATCH", "DELETE"] {
        let call = server.call(method, "tree/p").header("if-match", first.etag());
        let call = match method {
            "PUT" => call.json(&note(3)),
            "PATCH" => call.merge(&json!({"context_data": {"n": 3}})),
            _ => call,
        };
        let refused = call.send().await;
        assert_eq!(refused.problem(412), "precondition_failed", "{method}");
        carries(&refused, 2, 2);
    }
    assert_eq!(server.get("tree/p").await.json()["version"], 2);
}

#[tokio::test]
async fn a_recreated_node_does_not_match_the_tag_of_its_predecessor() {
    let server = Server::start().await;
    let old = server.put("tree/p", &note(1)).await.etag().to_owned();
    server.delete("tree/p").await;
    let new = server.put("tree/p", &note(1)).await;
    assert_ne!(new.etag(), old);
    let put = server.call("PUT", "tree/p").header("if-match", &old).json(&note(2)).send().await;
    assert_eq!(put.problem(412), "precondition_failed");
    assert_eq!(
        server.call("DELETE", "tree/p").header("if-match", &old).send().await.problem(412),
        "precondition_failed"
    );
    assert_eq!(server.call("GET", "tree/p").header("if-none-match", &old).send().await.status, 200);
}

#[tokio::test]
async fn any_tag_of_a_list_may_match_but_weak_and_foreign_tags_never_do() {
    let server = Server::start().await;
    let id = server.created(&json!({"n": 0})).await;
    let place = format!("contexts/{id}");
    let send = |value: String| {
        server.call("PATCH", &place).header("if-match", &value).merge(&json!({"title": value})).send()
    };
    let mut version = 1;
    for list in [format!("\"{id}@1\""), format!("\"x\", \"{id}@2\""), format!(",W/\"a\",,\"{id}@3\" ,")] {
        let answer = send(list).await;
        version += 1;
        assert_eq!((answer.status.as_u16(), &answer.json()["version"]), (200, &json!(version)));
    }
    for value in [
        format!("W/\"{id}@4\""),
        "\"x\"".to_owned(),
        "\"\"".to_owned(),
        format!("\"{id}@04\""),
        format!("\"{id}@+4\""),
        format!("\"{id}@3\""),
    ] {
        assert_eq!(send(value.clone()).await.problem(412), "precondition_failed", "{value}");
    }
    for value in [
        format!("{id}@4"),
        "\"x".to_owned(),
        format!("\"{id}@4\" \"y\""),
        "*, \"x\"".to_owned(),
        String::new(),
        ",".to_owned(),
        "w/\"x\"".to_owned(),
    ] {
        send(value).await.names("If-Match");
    }
    let lines =
        server.call("PATCH", &place).header("if-match", "\"x\"").header("if-match", &format!("\"{id}@4\""));
    assert_eq!(lines.merge(&json!({"title": "two lines"})).send().await.status, 200);
}

#[tokio::test]
async fn if_none_match_creates_only() {
    let server = Server::start().await;
    let create = |path: &str| server.call("PUT", path).header("if-none-match", "*").json(&note(1)).send();
    assert_eq!(create("tree/p").await.status, 201);
    let again = create("tree/p").await;
    assert_eq!(again.problem(412), "precondition_failed");
    carries(&again, 1, 1);
    server.put("tree/q/b", &note(1)).await;
    // A node that was created only as a parent counts as absent.
    assert_eq!(create("tree/q").await.status, 201);
    let etag = again.json()["current"]["id"].as_str().map(|id| format!("\"{id}@1\"")).unwrap();
    let put = || server.call("PUT", "tree/p").json(&note(2));
    put().header("if-none-match", &etag).send().await.names("If-None-Match");
    put().header("if-none-match", "*").header("if-match", "*").send().await.names("If-None-Match");
    put().header("if-none-match", "?").send().await.names("If-None-Match");
}

#[tokio::test]
async fn a_read_returns_304_if_the_client_has_the_entity_tag() {
    let server = Server::start().await;
    let id = server.created(&json!({"n": 1})).await;
    for place in [format!("contexts/{id}"), format!("contexts/{id}/resolved"), "tree".to_owned()] {
        let read = server.get(&place).await;
        let tag = read.etag().to_owned();
        for known in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            for method in ["GET", "HEAD"] {
                let answer = server.call(method, &place).header("if-none-match", &known).send().await;
                assert_eq!(
                    (answer.status.as_u16(), answer.body.len(), answer.etag()),
                    (304, 0, tag.as_str())
                );
                assert_eq!(answer.header("cache-control"), "private, no-cache");
            }
        }
        assert_eq!(server.call("GET", &place).header("if-none-match", "\"x\"").send().await.status, 200);
        server.call("GET", &place).header("if-none-match", "x").send().await.names("If-None-Match");
        server.call("GET", &place).header("if-match", &tag).send().await.names("If-Match");
    }
    let missing = server.call("GET", "tree/none").header("if-none-match", "*").send().await;
    assert_eq!(missing.problem(404), "not_found");
}

#[tokio::test]
async fn conditions_that_are_not_honoured_are_refused() {
    let server = Server::start().await;
    let place = format!("contexts/{}", server.created(&json!({})).await);
    let headers = [
        ("If-Unmodified-Since", "Sat, 29 Oct 1994 19:43:31 GMT"),
        ("If-Modified-Since", "Sat, 29 Oct 1994 19:43:31 GMT"),
        ("If-Range", "\"x\""),
        ("Content-Range", "bytes 0-1/2"),
        ("Range", "bytes=0-1"),
    ];
    for (name, value) in headers {
        let with = |method, target| server.call(method, target).header(name, value);
        with("PUT", &place).json(&note(1)).send().await.names(name);
        with("PATCH", &place).merge(&json!({})).send().await.names(name);
        with("POST", "contexts").json(&note(1)).send().await.names(name);
        with("DELETE", &place).send().await.names(name);
        with("DELETE", "/v1/tenants/default").send().await.names(name);
    }
    for (method, target, name) in [
        ("POST", "contexts", "If-Match"),
        ("POST", "contexts", "If-None-Match"),
        ("POST", "/v1/tenants", "If-Match"),
        ("GET", "contexts", "If-None-Match"),
        ("GET", "changes", "If-None-Match"),
        ("DELETE", place.as_str(), "If-None-Match"),
        ("PATCH", place.as_str(), "If-None-Match"),
        ("GET", "/livez", "If-None-Match"),
        ("DELETE", "/v1/tenants/default", "If-Match"),
    ] {
        let call = server.call(method, target).header(name, "*");
        let call = if matches!(method, "POST") { call.json(&note(1)) } else { call };
        let call = if matches!(method, "PATCH") { call.merge(&json!({})) } else { call };
        call.send().await.names(name);
    }
    assert_eq!(server.writes("default").await, 1);
    assert_eq!(server.get(&place).await.status, 200);
}
