//! Idempotency keys: one request, done once.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::{Call, Server};

const KEY: &str = "idempotency-key";

fn create(server: &Server) -> Call {
    server.call("POST", "contexts").json(&json!({"context_type": "note", "context_data": {"n": 1}}))
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_response() {
    let server = Server::start().await;
    let put = |n: i64| server.call("PUT", "tree/p/b").json(&json!({"context_data": {"n": n}}));
    let patch = || server.call("PATCH", "tree/p").merge(&json!({"title": "t"}));
    let nothing = || server.call("PATCH", "tree/p").merge(&json!({"title": "t"}));
    let replace = || server.call("PUT", "tree/p").header("if-match", "*").json(&json!({"context_data": {}}));
    let delete = || server.call("DELETE", "tree/p?cascade=true");
    let requests: [(&str, Call); 6] = [
        ("1", create(&server)),
        ("2", put(1)),
        ("3", patch()),
        ("4", nothing()),
        ("5", replace()),
        ("6", delete()),
    ];
    let mut first = Vec::new();
    for (key, call) in &requests {
        let answer = call.clone().header(KEY, key).send().await;
        assert!(answer.status.is_success(), "{answer:?}");
        assert!(!answer.headers.contains_key("idempotency-replayed"));
        first.push(answer);
    }
    let writes = server.writes("default").await;
    for ((key, call), first) in requests.iter().zip(&first) {
        let again = call.clone().header(KEY, key).send().await;
        assert_eq!(again.header("idempotency-replayed"), "true", "{key}");
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{key}");
        for name in ["etag", "location"] {
            assert_eq!(again.headers.get(name), first.headers.get(name), "{key} {name}");
        }
    }
    assert_eq!(server.writes("default").await, writes);
    assert_eq!(server.get("tree/p").await.problem(404), "not_found");
}

#[tokio::test]
async fn a_key_with_another_request_is_refused() {
    let server = Server::start().await;
    let place = format!("contexts/{}", server.created(&json!({"n": 0})).await);
    let patch = |target: &str| server.call("PATCH", target).header(KEY, "k");
    let body = json!({"title": "t"});
    let etag = server.get(&place).await.etag().to_owned();
    assert_eq!(patch(&place).merge(&body).send().await.status, 200);
    let others = [
        patch(&place).merge(&json!({"title": "u"})),
        patch(&place).body("application/merge-patch+json; charset=utf-8", body.to_string()),
        patch(&place).header("if-match", &etag).merge(&body),
        patch(&place).header("if-match", "*").merge(&body),
        patch("tree").merge(&body),
        patch("tree?project=p").merge(&body),
        server.call("DELETE", &place).header(KEY, "k"),
        create(&server).header(KEY, "k"),
    ];
    for other in others {
        assert_eq!(other.send().await.problem(422), "idempotency_key_reused");
    }
    assert_eq!(patch(&place).merge(&body).send().await.header("idempotency-replayed"), "true");
    assert_eq!(server.writes("default").await, 2);
}

#[tokio::test]
async fn a_failure_is_not_recorded_under_the_key() {
    let server = Server::start().await;
    let patch = || server.call("PATCH", "tree/p").header(KEY, "k").merge(&json!({"title": "t"}));
    assert_eq!(patch().send().await.problem(404), "not_found");
    server.put("tree/p", &json!({"context_data": {}})).await;
    let done = patch().send().await;
    assert_eq!(done.status, 200);
    assert!(!done.headers.contains_key("idempotency-replayed"));
}

#[tokio::test]
async fn the_same_key_from_eight_clients_at_once_is_one_write() {
    let server = Arc::new(Server::start().await);
    let requests: [fn(&Server) -> Call; 3] = [
        create,
        |server| server.call("PUT", "tree/p/b").json(&json!({"context_data": {}})),
        |server| server.call("PATCH", "tree").merge(&json!({"context_data": {"x": 1}})),
    ];
    for (round, request) in requests.into_iter().enumerate() {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let server = Arc::clone(&server);
                tokio::spawn(
                    async move { request(&server).header(KEY, &format!("key-{round}")).send().await },
                )
            })
            .collect();
        let mut answers = Vec::new();
        for client in clients {
            answers.push(client.await.unwrap());
        }
        let replayed = answers.iter().filter(|answer| answer.headers.contains_key("idempotency-replayed"));
        assert_eq!(replayed.count(), 7, "{answers:?}");
        assert!(
            answers.iter().all(|answer| answer.status == answers[0].status && answer.body == answers[0].body)
        );
        let keyed = server.get("changes?limit=200").await.json()["items"].as_array().unwrap().len();
        assert_eq!(keyed, round + 1);
    }
}

#[tokio::test]
async fn a_key_is_visible_ascii_and_refused_where_it_has_no_meaning() {
    let server = Server::start().await;
    let longest = "k".repeat(255);
    for key in ["k", "\"quoted\"", longest.as_str()] {
        assert_eq!(create(&server).header(KEY, key).send().await.status, 201);
    }
    for key in ["", "a b", "é", &"k".repeat(256)] {
        create(&server).header(KEY, key).send().await.names("Idempotency-Key");
    }
    create(&server).header(KEY, "a").header(KEY, "b").send().await.names("Idempotency-Key");
    for (method, target, body) in [
        ("GET", "contexts", Value::Null),
        ("GET", "tree", Value::Null),
        ("GET", "/livez", Value::Null),
        ("POST", "/v1/tenants", json!({"id": "t"})),
        ("DELETE", "/v1/tenants/default", Value::Null),
    ] {
        let call = server.call(method, target).header(KEY, "k");
        let call = if body.is_null() { call } else { call.json(&body) };
        call.send().await.names("Idempotency-Key");
    }
    assert_eq!(server.writes("default").await, 3);
}
