//! Tenants, and that no tenant sees another.

use serde_json::{Value, json};

use crate::support::Server;

const ABSENT: &str = "ctx_0197f6a0-3b1c-7c43-9d0e-5a1b2c3d4e5f";

#[tokio::test]
async fn a_tenant_lives_from_create_to_drop() {
    let server = Server::start().await;
    let created = server.post("/v1/tenants", &json!({"id": "my-team"})).await;
    assert_eq!((created.status.as_u16(), created.header("location")), (201, "/v1/tenants/my-team"));
    assert_eq!(created.json()["id"], "my-team");
    let shown = server.get("/v1/tenants/my-team").await;
    assert_eq!((shown.status.as_u16(), shown.json()), (200, created.json()));
    assert_eq!(server.post("/v1/tenants", &json!({"id": "my-team"})).await.problem(409), "tenant_exists");
    // Ids are not normalized: this is another tenant.
    assert_eq!(server.post("/v1/tenants", &json!({"id": "my_team"})).await.status, 201);
    let first = server.get("/v1/tenants?limit=2").await.json();
    let token = first["next_page_token"].as_str().unwrap();
    let second = server.get(&format!("/v1/tenants?limit=2&page_token={token}")).await.json();
    let ids: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["default", "my-team", "my_team"]);
    server.put("/v1/tenants/my-team/tree/p", &json!({"context_data": {}})).await;
    assert_eq!(server.delete("/v1/tenants/my-team").await.status, 204);
    for (method, target) in [
        ("GET", "/v1/tenants/my-team"),
        ("DELETE", "/v1/tenants/my-team"),
        ("GET", "/v1/tenants/my-team/tree/p"),
    ] {
        assert_eq!(server.call(method, target).send().await.problem(404), "tenant_not_found");
    }
    // A new tenant with the same id begins empty.
    let successor = server.post("/v1/tenants", &json!({"id": "my-team"})).await.json();
    assert_ne!(successor["generation"], created.json()["generation"]);
    assert_eq!(server.get("/v1/tenants/my-team/tree/p").await.problem(404), "not_found");
}

#[tokio::test]
async fn a_malformed_tenant_is_refused_with_the_rule() {
    let server = Server::start().await;
    let long = "a".repeat(49);
    for id in ["A", "a b", "", "-a", "a.b", long.as_str()] {
        server.post("/v1/tenants", &json!({"id": id})).await.points_at("/id");
    }
    for body in [json!({}), json!({"id": 1}), json!({"id": null})] {
        server.post("/v1/tenants", &body).await.points_at("/id");
    }
    server.post("/v1/tenants", &json!({"id": "ok", "name": "x"})).await.points_at("/name");
    server.post("/v1/tenants", &json!(["ok"])).await.points_at("");
    assert_eq!(server.get("/v1/tenants/ok").await.problem(404), "tenant_not_found");
    for id in ["DEFAULT", "Default", "default%20", "a.b", "%22", long.as_str()] {
        let answer = server.get(&format!("/v1/tenants/{id}/contexts")).await;
        assert_eq!(answer.problem(404), "tenant_not_found");
        assert!(answer.json()["detail"].as_str().unwrap().contains("a-z, 0-9"));
    }
    server.get("/v1/tenants?page_token=x").await.names("page_token");
    server.get("/v1/tenants?q=x").await.names("q");
    server.get("/v1/tenants/default?q=x").await.names("q");
}

/// Returns a request that would succeed for every operation below a tenant: method, path, body.
fn requests(id: &str) -> Vec<(&'static str, String, Value)> {
    let data = json!({"context_type": "note", "context_data": {}});
    let mut requests = vec![
        ("GET", String::new(), Value::Null),
        ("DELETE", String::new(), Value::Null),
        ("POST", "/contexts".to_owned(), data.clone()),
        ("GET", "/contexts".to_owned(), Value::Null),
        ("GET", "/changes".to_owned(), Value::Null),
        ("GET", format!("/contexts/{id}"), Value::Null),
        ("PUT", format!("/contexts/{id}"), data.clone()),
        ("PATCH", format!("/contexts/{id}"), json!({})),
        ("DELETE", format!("/contexts/{id}"), Value::Null),
        ("GET", format!("/contexts/{id}/resolved"), Value::Null),
        ("GET", format!("/contexts/{id}/changes"), Value::Null),
    ];
    for path in ["/tree", "/tree/p", "/tree/p/b", "/tree/p/b/t"] {
        requests.extend([
            ("GET", path.to_owned(), Value::Null),
            ("GET", format!("{path}?view=resolved"), Value::Null),
            ("GET", format!("{path}?view=children"), Value::Null),
            ("PUT", path.to_owned(), data.clone()),
            ("PATCH", path.to_owned(), json!({})),
            ("DELETE", path.to_owned(), Value::Null),
        ]);
    }
    requests
}

fn call(server: &Server, tenant: &str, (method, path, body): &(&str, String, Value)) -> crate::support::Call {
    let call = server.call(method, &format!("/v1/tenants/{tenant}{path}"));
    match (*method, body) {
        (_, Value::Null) => call,
        ("PATCH", body) => call.merge(body),
        (_, body) => call.json(body),
    }
}

#[tokio::test]
async fn an_unprovisioned_tenant_is_not_found_on_every_route() {
    let server = Server::start().await;
    let mut covered = std::collections::BTreeSet::new();
    for request in requests(ABSENT) {
        let answer = call(&server, "nobody", &request).send().await;
        assert_eq!(answer.problem(404), "tenant_not_found", "{request:?}");
        let path = format!("/v1/tenants/nobody{}", request.1);
        covered.insert(crate::openapi::template_of(request.0, path.split('?').next().unwrap()));
    }
    // This fails if a route is added without a case here.
    assert_eq!(covered, crate::openapi::operations().filter(|(_, path)| path.contains("{tenant}")).collect());
    assert_eq!(server.get("/v1/tenants").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn another_tenants_context_is_not_found_like_one_that_never_existed() {
    let server = Server::start().await;
    server.post("/v1/tenants", &json!({"id": "other"})).await;
    let id = server.created(&json!({"secret": true})).await;
    let with_id =
        |id: &str| requests(id).into_iter().filter(|(_, path, _)| path.contains("ctx_")).collect::<Vec<_>>();
    assert_eq!(with_id(ABSENT).len(), 6);
    for (theirs, absent) in with_id(&id).into_iter().zip(with_id(ABSENT)) {
        let found = call(&server, "other", &theirs).header("x-request-id", "r").send().await;
        let missing = call(&server, "other", &absent).header("x-request-id", "r").send().await;
        assert_eq!(found.problem(404), "not_found", "{theirs:?}");
        let plain = |answer: &crate::support::Answer, id: &str| {
            String::from_utf8_lossy(&answer.body).replace(id, "<id>")
        };
        assert_eq!(plain(&found, &id), plain(&missing, ABSENT));
    }
    assert_eq!(server.get(&format!("contexts/{id}")).await.json()["version"], 1);
    assert_eq!(server.writes("other").await, 0);
    let listed = server.get("/v1/tenants/other/contexts").await.json();
    assert_eq!(
        listed["items"].as_array().unwrap().iter().filter(|item| item["context_level"].is_null()).count(),
        0
    );
}

#[tokio::test]
async fn a_page_token_continues_the_list_of_its_own_tenant_only() {
    let server = Server::start().await;
    server.post("/v1/tenants", &json!({"id": "other"})).await;
    server.created(&json!({})).await;
    server.created(&json!({})).await;
    for list in ["contexts", "changes"] {
        let token = server.get(&format!("{list}?limit=1")).await.json()["next_page_token"]
            .as_str()
            .unwrap()
            .to_owned();
        server.get(&format!("/v1/tenants/other/{list}?page_token={token}")).await.names("page_token");
    }
}
