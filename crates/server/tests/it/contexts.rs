//! Contexts by id: create, list, read, replace, patch, delete.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Server;

fn note(data: &Value) -> Value {
    json!({"context_type": "note", "context_data": data})
}

#[tokio::test]
async fn a_context_lives_from_create_to_delete() {
    let server = Server::start().await;
    let body = json!({
        "context_type": "note", "context_data": {"b": 1, "a": [null]}, "title": "t", "description": "d",
        "tags": ["x", "y"], "user_id": "u", "expires_at": "2999-01-01T01:00:00+01:00"
    });
    let created = server.post("contexts", &body).await;
    assert_eq!(created.status, 201);
    let context = created.json();
    let id = context["id"].as_str().unwrap();
    assert_eq!(created.header("location"), format!("/v1/tenants/default/contexts/{id}"));
    assert_eq!(created.etag(), format!("\"{id}@1\""));
    assert_eq!(created.header("content-type"), "application/json");
    assert!(!created.headers.contains_key("idempotency-replayed"));
    for (name, value) in [
        ("context_data", json!({"a": [null], "b": 1})),
        ("tags", json!(["x", "y"])),
        ("expires_at", json!("2999-01-01T00:00:00.000000Z")),
        ("version", json!(1)),
        ("tenant_id", json!("default")),
        ("context_level", Value::Null),
        ("parent_id", Value::Null),
    ] {
        assert_eq!(context[name], value, "{name}");
    }

    let read = server.get(created.header("location")).await;
    assert_eq!((read.status.as_u16(), read.etag()), (200, created.etag()));
    assert_eq!(read.json(), context);
    assert_eq!(read.header("cache-control"), "private, no-cache");

    let place = format!("contexts/{id}");
    let replaced =
        server.call("PUT", &place).header("if-match", read.etag()).json(&note(&json!({"c": 1}))).send().await;
    assert_eq!((replaced.status.as_u16(), replaced.etag()), (200, format!("\"{id}@2\"").as_str()));
    assert_eq!(replaced.json()["title"], Value::Null);

    let merged = server.merge(&place, &json!({"context_data": {"c": null, "d": 2}, "title": "new"})).await;
    assert_eq!((merged.status.as_u16(), &merged.json()["context_data"]), (200, &json!({"d": 2})));
    let operations = json!([
        {"op": "test", "path": "/title", "value": "new"},
        {"op": "add", "path": "/context_data/e", "value": null},
    ]);
    let patched = server.call("PATCH", &place).operations(&operations).send().await;
    assert_eq!(patched.json()["context_data"], json!({"d": 2, "e": null}));
    assert_eq!(patched.json()["version"], 4);

    let deleted = server.delete(&place).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
    for method in ["GET", "DELETE"] {
        assert_eq!(server.call(method, &place).send().await.problem(404), "not_found");
    }
}

#[tokio::test]
async fn an_accepted_document_is_returned_with_equal_values_and_sorted_members() {
    let server = Server::start().await;
    let text = concat!(
        r#"{"context_type":"note","context_data":{"é":"世界🌍","z":[],"a":{"":{},"#,
        r#""n":[0,-1,9223372036854775807,18446744073709551615,-9223372036854775808,"#,
        r#"0.1,5e-324,1.7976931348623157e308]},"Z":null,"#,
        r#""s":"\u0001\n\"\\/"}}"#
    );
    let created = server.call("POST", "contexts").body("application/json; charset=UTF-8", text).send().await;
    assert_eq!(created.status, 201);
    let sent: Value = serde_json::from_str(text).unwrap();
    let read = server.get(created.header("location")).await;
    assert_eq!(read.json()["context_data"], sent["context_data"]);
    assert_eq!(read.body, created.body);
    // Members are sorted by bytes: upper case, lower case, then non-ASCII.
    let text = std::str::from_utf8(&read.body).unwrap().to_owned();
    let at = |name: &str| text.find(name).unwrap_or_else(|| panic!("no {name} in {text}"));
    assert!(at("\"Z\":") < at("\"a\":") && at("\"a\":") < at("\"z\":") && at("\"z\":") < at("\"é\":"));
    assert!(at("\"context_data\"") < at("\"context_level\"") && at("\"user_id\"") < at("\"version\""));
}

#[tokio::test]
async fn a_write_that_changes_nothing_changes_no_version() {
    let server = Server::start().await;
    let id = server.created(&json!({"n": 1})).await;
    let place = format!("contexts/{id}");
    for body in [json!({}), json!({"context_data": {"n": 1.0}}), json!({"title": null})] {
        let answer = server.merge(&place, &body).await;
        assert_eq!((answer.status.as_u16(), answer.etag()), (200, format!("\"{id}@1\"").as_str()));
    }
    assert_eq!(server.writes("default").await, 1);
}

#[tokio::test]
async fn pages_reach_the_end_of_a_list_in_order() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for n in 0..7 {
        ids.push(server.created(&json!({"n": n})).await);
    }
    let mut seen = Vec::new();
    let mut target = "contexts?limit=3".to_owned();
    loop {
        let answer = server.get(&target).await;
        assert_eq!(answer.status, 200);
        let page = answer.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(
            items.iter().filter(|item| item["context_level"].is_null()).map(|item| item["id"].clone()),
        );
        let Some(token) = page["next_page_token"].as_str() else { break };
        target = format!("contexts?limit=3&page_token={token}");
    }
    assert_eq!(seen, ids);
    for bad in ["limit=0", "limit=201", "limit=x", "limit=", "limit=1&limit=2"] {
        server.get(&format!("contexts?{bad}")).await.names("limit");
    }
    server.get("contexts?page_token=x").await.names("page_token");
    let other = server.get("changes?limit=1").await.json()["next_page_token"].as_str().unwrap().to_owned();
    server.get(&format!("contexts?page_token={other}")).await.names("page_token");
}

#[tokio::test]
async fn a_context_is_not_found_from_its_expiry_on() {
    let server = Server::start().await;
    let soon = json!({"context_type": "note", "context_data": {}, "expires_at": "2100-01-01T00:00:00Z"});
    let id = server.post("contexts", &soon).await.json()["id"].as_str().unwrap().to_owned();
    let place = format!("contexts/{id}");
    assert_eq!(server.get(&place).await.status, 200);
    server.knobs.advance(Duration::from_hours(24 * 366 * 75));
    assert_eq!(server.get(&place).await.problem(404), "not_found");
    assert_eq!(server.get(&format!("{place}/resolved")).await.problem(404), "not_found");
    assert_eq!(server.merge(&place, &json!({"title": "x"})).await.problem(404), "not_found");
    let listed = server.get("contexts").await.json();
    assert!(listed["items"].as_array().unwrap().iter().all(|item| item["id"] != id.as_str()));
}

#[tokio::test]
async fn increments_with_if_match_by_eight_clients_are_all_kept() {
    let server = std::sync::Arc::new(Server::start().await);
    let place = format!("contexts/{}", server.created(&json!({"n": 0})).await);
    let clients = (0..8).map(|_| {
        let (server, place) = (std::sync::Arc::clone(&server), place.clone());
        tokio::spawn(async move {
            for _ in 0..50 {
                loop {
                    let read = server.get(&place).await;
                    let n = read.json()["context_data"]["n"].as_i64().unwrap();
                    let body = note(&json!({"n": n + 1}));
                    let put =
                        server.call("PUT", &place).header("if-match", read.etag()).json(&body).send().await;
                    if put.status == 200 {
                        break;
                    }
                    assert_eq!(put.problem(412), "precondition_failed");
                }
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let end = server.get(&place).await.json();
    assert_eq!((&end["context_data"]["n"], &end["version"]), (&json!(400), &json!(401)));
}

#[tokio::test]
async fn patches_of_different_members_by_eight_clients_are_all_kept() {
    let server = std::sync::Arc::new(Server::start().await);
    let place = format!("contexts/{}", server.created(&json!({})).await);
    let clients = (0..8).map(|client| {
        let (server, place) = (std::sync::Arc::clone(&server), place.clone());
        tokio::spawn(async move {
            for n in 0..50 {
                let member = format!("{client}-{n}");
                let answer = server.merge(&place, &json!({"context_data": {member: true}})).await;
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let end = server.get(&place).await.json();
    assert_eq!(end["context_data"].as_object().unwrap().len(), 400);
}

#[tokio::test]
async fn a_malformed_id_is_not_found() {
    let server = Server::start().await;
    for id in
        ["x", "ctx_", "CTX_0197f6a0-3b1c-7c43-9d0e-5a1b2c3d4e5f", "ctx_0197F6A0-3b1c-7c43-9d0e-5a1b2c3d4e5f"]
    {
        for rest in ["", "/resolved", "/changes"] {
            assert_eq!(server.get(&format!("contexts/{id}{rest}")).await.problem(404), "not_found");
        }
        assert_eq!(server.put(&format!("contexts/{id}"), &note(&json!({}))).await.problem(404), "not_found");
        assert_eq!(server.merge(&format!("contexts/{id}"), &json!({})).await.problem(404), "not_found");
        assert_eq!(server.delete(&format!("contexts/{id}")).await.problem(404), "not_found");
    }
    let unknown = "contexts/ctx_0197f6a0-3b1c-7c43-9d0e-5a1b2c3d4e5f";
    assert_eq!(server.put(unknown, &note(&json!({}))).await.problem(404), "not_found");
}
