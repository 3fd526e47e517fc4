//! Problems: unknown routes and methods, bodies that break rules, timeouts, handlers that panic.

use std::time::Duration;

use context_server::HttpConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Server;

#[tokio::test]
async fn unknown_routes_and_methods_are_problems() {
    let server = Server::start().await;
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/tenants/",
        "/metrics",
        "/mcp",
        "/v1/tenants/default/cache",
        "/v2/tenants",
        "/openapi.yaml",
        "/docs/",
        "/docs/x",
        "/V1/tenants",
        "/v1/tenants/default/contexts/x/y",
    ] {
        assert_eq!(server.get(path).await.problem(404), "route_not_found", "{path}");
    }
    for (method, path, allow) in [
        ("PATCH", "/v1/tenants", "GET, HEAD, POST"),
        ("PUT", "/v1/tenants/default", "DELETE, GET, HEAD"),
        ("DELETE", "/v1/tenants/default/contexts", "GET, HEAD, POST"),
        ("OPTIONS", "/v1/tenants/default/contexts", "GET, HEAD, POST"),
        ("POST", "/v1/tenants/default/tree/p", "DELETE, GET, HEAD, PATCH, PUT"),
        ("TRACE", "/livez", "GET, HEAD"),
        ("BREW", "/health", "GET, HEAD"),
    ] {
        let answer = server.call(method, path).send().await;
        assert_eq!(answer.problem(405), "method_not_allowed", "{method} {path}");
        let mut methods: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
        methods.sort_unstable();
        assert_eq!(methods.join(", "), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn a_request_id_is_accepted_if_it_fits_into_a_log() {
    let server = Server::start().await;
    let sent = |id: String| server.call("GET", "/livez").header("x-request-id", &id).send();
    let longest = "r".repeat(100);
    for id in ["a", "3f-{}\"<>", longest.as_str()] {
        assert_eq!(sent(id.to_owned()).await.header("x-request-id"), id);
    }
    for id in ["", "a b", "é", "r\tr", &"r".repeat(101)] {
        let made = sent(id.to_owned()).await.header("x-request-id").to_owned();
        assert!(made.parse::<uuid::Uuid>().is_ok(), "{id:?} became {made}");
    }
    let one = server.get("/livez").await;
    assert_ne!(one.header("x-request-id"), server.get("/livez").await.header("x-request-id"));
}

/// Returns bodies that each break a rule, with the pointer that the problem must name.
fn broken_documents() -> Vec<(String, &'static str)> {
    let write = |data: &str| format!("{{\"context_type\":\"n\",\"context_data\":{data}}}");
    let deep = |levels: usize| format!("{}{}", "{\"a\":".repeat(levels - 1) + "{", "}".repeat(levels));
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1024 * 1024 + 1 - 8));
    let tags: Vec<_> = (0..21).map(|n| n.to_string()).collect();
    vec![
        (write(&large), "/context_data"),
        (write(&deep(65)), "/context_data"),
        (write("{\"a\":{\"b\":1,\"b\":1}}"), "/context_data/a/b"),
        (write("{\"a\":\"x\\u0000\"}"), "/context_data/a"),
        (write("{\"a\":[1e400]}"), "/context_data/a/0"),
        (write("{\"a\":0.1234567890123456789}"), "/context_data/a"),
        (write("[]"), "/context_data"),
        (json!({"context_type": "n", "context_data": {}, "tags": tags}).to_string(), "/tags"),
        (json!({"context_type": "n", "context_data": {}, "tags": ["a b"]}).to_string(), "/tags/0"),
        (json!({"context_type": "a b", "context_data": {}}).to_string(), "/context_type"),
        (json!({"context_type": "n", "context_data": {}, "title": "t".repeat(256)}).to_string(), "/title"),
        (json!({"context_type": "n", "context_data": {}, "expires_at": "soon"}).to_string(), "/expires_at"),
        (
            json!({"context_type": "n", "context_data": {}, "expires_at": "1999-01-01T00:00:00Z"})
                .to_string(),
            "/expires_at",
        ),
        (json!({"context_type": "n", "context_data": {}, "version": 7}).to_string(), "/version"),
        (json!({"context_type": "n"}).to_string(), "/context_data"),
        ("[]".to_owned(), ""),
        ("3".to_owned(), ""),
        ("\"x\"".to_owned(), ""),
        ("null".to_owned(), ""),
    ]
}

#[tokio::test]
async fn a_body_that_breaks_a_rule_is_refused_with_a_pointer_and_not_stored() {
    let server = Server::start().await;
    let id = server.created(&json!({"kept": true})).await;
    server.put("tree/p", &json!({"context_data": {"kept": true}})).await;
    let writes = server.writes("default").await;
    for (body, pointer) in broken_documents() {
        for (method, target) in [
            ("POST", "contexts"),
            ("PUT", &format!("contexts/{id}")),
            ("PUT", "tree/p"),
            ("PUT", "tree/new/branch"),
        ] {
            let call = server.call(method, target).body("application/json", body.clone());
            let call =
                if target.contains("new") || method == "POST" { call } else { call.header("if-match", "*") };
            call.send().await.points_at(pointer);
        }
    }
    assert_eq!(server.writes("default").await, writes);
    assert_eq!(server.get("tree/new").await.problem(404), "not_found");
    assert_eq!(server.get(&format!("contexts/{id}")).await.json()["version"], 1);
}

#[tokio::test]
async fn a_patch_that_breaks_a_rule_changes_nothing() {
    let server = Server::start().await;
    let place = format!("contexts/{}", server.created(&json!({"n": 1})).await);
    for (body, pointer) in [
        (json!({"context_data": null}), "/context_data"),
        (json!({"tags": ["a b"]}), "/tags/0"),
        (json!({"id": "x"}), "/id"),
        (json!([]), ""),
        (json!({"inheritance": {"inherit": false}}), "/inheritance"),
    ] {
        server.merge(&place, &body).await.points_at(pointer);
    }
    let copy = json!({"op": "copy", "from": "", "path": "/context_data/x"});
    for (body, pointer) in [
        (json!({}), ""),
        (json!([{"op": "jump", "path": "/a"}]), "/0"),
        (json!([{"op": "add", "path": "/title", "value": "x"}, {"op": "remove", "path": "/none"}]), "/1"),
        (json!([{"op": "add", "path": "no-slash", "value": 1}]), "/0"),
        (json!([{"op": "replace", "path": "", "value": 3}]), ""),
        (Value::Array(vec![copy.clone(); 256]), "/60"),
        (Value::Array(vec![copy; 257]), ""),
    ] {
        let answer = server.call("PATCH", &place).operations(&body).send().await;
        assert_eq!(answer.problem(422), "invalid");
        if pointer != "/60" {
            answer.points_at(pointer);
        }
    }
    let test = json!([
        {"op": "test", "path": "/context_data/n", "value": 2},
        {"op": "add", "path": "/title", "value": "x"},
    ]);
    let failed = server.call("PATCH", &place).operations(&test).send().await;
    assert_eq!(failed.problem(409), "patch_test_failed");
    assert_eq!(
        (&failed.json()["current_version"], &failed.json()["current"]["context_data"]),
        (&json!(1), &json!({"n": 1}))
    );
    assert_eq!(server.writes("default").await, 1);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_with_its_line_and_not_stored() {
    let server = Server::start().await;
    let place = format!("contexts/{}", server.created(&json!({})).await);
    for body in [&b""[..], b"{", b"{}x", b"{'a':1}", b"\xff", b"{\"a\":NaN}", b"{\"context_data\":{},}"] {
        for (method, target, kind) in [
            ("POST", "contexts", "application/json"),
            ("PUT", "tree/q", "application/json"),
            ("PATCH", place.as_str(), "application/merge-patch+json"),
            ("PATCH", place.as_str(), "application/json-patch+json"),
            ("POST", "/v1/tenants", "application/json"),
        ] {
            let answer = server.call(method, target).body(kind, body.to_vec()).send().await;
            assert_eq!(answer.problem(400), "invalid_json", "{body:?}");
            assert!(answer.json()["detail"].as_str().unwrap().contains("line 1"));
        }
    }
    assert_eq!(server.writes("default").await, 1);
}

#[tokio::test]
async fn other_media_types_are_refused_and_the_supported_ones_named() {
    let server = Server::start().await;
    let place = format!("contexts/{}", server.created(&json!({})).await);
    let good = json!({"context_type": "n", "context_data": {}}).to_string();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "application/jsonx",
        "application/json; profile=x",
        "application/merge-patch+json",
        "multipart/form-data",
        "",
    ] {
        for target in
            [("POST", "contexts"), ("PUT", place.as_str()), ("PUT", "tree/q"), ("POST", "/v1/tenants")]
        {
            let answer = server.call(target.0, target.1).body(kind, good.clone()).send().await;
            assert_eq!(answer.problem(415), "unsupported_media_type", "{kind}");
        }
    }
    for kind in ["application/json", "text/plain", "application/xml"] {
        let answer = server.call("PATCH", &place).body(kind, "{}").send().await;
        assert_eq!(answer.problem(415), "unsupported_media_type");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.contains("application/merge-patch+json") && detail.contains("application/json-patch+json")
        );
        assert_eq!(
            answer.header("accept-patch"),
            "application/merge-patch+json, application/json-patch+json"
        );
    }
    let missing =
        server.call("POST", "contexts").body("x/y", good.clone()).without("content-type").send().await;
    assert_eq!(
        (missing.problem(415), missing.header("accept")),
        ("unsupported_media_type".to_owned(), "application/json")
    );
    let packed = server
        .call("POST", "contexts")
        .body("application/json", good.clone())
        .header("content-encoding", "gzip");
    assert_eq!(packed.send().await.problem(415), "unsupported_media_type");
    let twice = server.call("POST", "contexts").json(&json!({})).header("content-type", "text/plain");
    twice.send().await.names("Content-Type");
    assert_eq!(server.writes("default").await, 1);
    for kind in ["APPLICATION/JSON", "application/json;charset=utf-8", "application/json; charset=\"UTF-8\""]
    {
        assert_eq!(server.call("POST", "contexts").body(kind, good.clone()).send().await.status, 201);
    }
}

#[tokio::test]
async fn a_body_has_a_limit_with_and_without_content_length() {
    let server = Server::start().await;
    let most = 8 * 1024 * 1024;
    let spaces =
        |count: usize| format!("{{\"context_type\":\"n\",\"context_data\":{{}}}}{}", " ".repeat(count));
    let longest = spaces(most - spaces(0).len());
    assert_eq!(
        server.call("POST", "contexts").body("application/json", longest.clone()).send().await.status,
        201
    );
    let over = server.call("POST", "contexts").body("application/json", longest + " ").send().await;
    assert_eq!(over.problem(413), "too_large");
    assert!(over.json()["detail"].as_str().unwrap().contains("8388608"));

    let head = "POST /v1/tenants/default/contexts HTTP/1.1\r\nhost: localhost\r\n\
                content-type: application/json\r\nconnection: close\r\n";
    let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..24 {
        chunked.extend(format!("{:x}\r\n{}\r\n", 1024 * 1024, " ".repeat(1024 * 1024)).as_bytes());
    }
    chunked.extend(b"0\r\n\r\n");
    let text = server.raw(&chunked).await;
    assert!(text.starts_with("HTTP/1.1 413 ") && text.contains("\"code\":\"too_large\""), "{text}");
    // A client that asks first is refused before it sends a single byte.
    let asked = format!("{head}content-length: 9000000000\r\nexpect: 100-continue\r\n\r\n");
    assert!(server.raw(asked.as_bytes()).await.starts_with("HTTP/1.1 413 "));
    assert_eq!(server.writes("default").await, 1);
}

#[tokio::test]
async fn every_route_refuses_unknown_parameters() {
    let server = Server::start().await;
    let id = server.created(&json!({})).await;
    for (method, path) in crate::openapi::operations() {
        let path = path.replace("{tenant}", "default").replace("{id}", &id).replace("{file}", "page.js");
        let path = path.replace("{project}", "p").replace("{branch}", "b").replace("{task}", "t");
        let search = ["filter=%7B%7D", "q=x", "context_type=n", "tag=a"];
        let searches = method == "GET" && path.ends_with("/contexts");
        let search = if searches { &search[..0] } else { &search[..] };
        for query in ["unknown=1", "Limit=1", "tags=a", "Q=x"].iter().chain(search) {
            let call = server.call(&method, &format!("{path}?{query}"));
            let call = match method.as_str() {
                "POST" | "PUT" => call.json(&json!({"id": "made", "context_type": "n", "context_data": {}})),
                "PATCH" => call.merge(&json!({"title": "changed"})),
                _ => call,
            };
            call.send().await.names(query.split('=').next().unwrap());
        }
    }
    assert_eq!(server.writes("default").await, 1);
    assert_eq!(server.get("/v1/tenants").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_delete_must_not_have_a_body() {
    let server = Server::start().await;
    let place = format!("contexts/{}", server.created(&json!({})).await);
    server.call("DELETE", &place).json(&json!({})).send().await.names("body");
    let chunked = format!(
        "DELETE /v1/tenants/default/{place} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    );
    assert!(server.raw(chunked.as_bytes()).await.starts_with("HTTP/1.1 400 "));
    assert_eq!(server.get(&place).await.status, 200);
    // On a read a body has no meaning and does no harm.
    assert_eq!(server.call("GET", &place).json(&json!({})).send().await.status, 200);
}

#[tokio::test]
async fn a_head_response_has_the_headers_of_the_get_response() {
    let server = Server::start().await;
    let id = server.created(&json!({"n": 1})).await;
    for path in [
        format!("contexts/{id}"),
        format!("contexts/{id}/resolved"),
        "contexts".to_owned(),
        "tree".to_owned(),
        "/openapi.json".to_owned(),
        "/docs".to_owned(),
    ] {
        let (get, head) = (server.get(&path).await, server.call("HEAD", &path).send().await);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
        assert_eq!(head.headers.get("etag"), get.headers.get("etag"), "{path}");
    }
    let missing = server.call("HEAD", "contexts/x").send().await;
    assert_eq!((missing.status.as_u16(), missing.body.len()), (404, 0));
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_a_problem() {
    let config = HttpConfig { request_timeout: Duration::from_millis(300), ..HttpConfig::default() };
    let server = Server::with(config).await;
    let text = server
        .raw(
            b"POST /v1/tenants/default/contexts HTTP/1.1\r\nhost: localhost\r\n\
              content-type: application/json\r\ncontent-length: 10\r\n\r\n{",
        )
        .await;
    assert!(text.starts_with("HTTP/1.1 408 ") && text.contains("\"code\":\"request_timeout\""), "{text}");
}

#[tokio::test]
async fn a_response_that_takes_too_long_is_a_problem_and_a_write_may_have_happened() {
    let config = HttpConfig { request_timeout: Duration::from_secs(2), ..HttpConfig::default() };
    let server = Server::with_slow_store(config).await;
    let place = format!("contexts/{}", server.created(&json!({})).await);
    server.knobs.slow_down(Duration::from_mins(1));
    assert_eq!(server.get("contexts").await.problem(503), "timeout");
    let keyed = || server.call("PATCH", &place).header("idempotency-key", "k").merge(&json!({"title": "t"}));
    let unknown = keyed().send().await;
    assert_eq!((unknown.problem(503).as_str(), unknown.header("retry-after")), ("outcome_unknown", "1"));
    let unknown = server.call("PATCH", &place).merge(&json!({"user_id": "u"})).send().await;
    assert_eq!(
        (unknown.problem(503).as_str(), unknown.headers.get("retry-after")),
        ("outcome_unknown", None)
    );
    server.knobs.slow_down(Duration::ZERO);
    // It did happen, and repeating it with the key shows that.
    assert_eq!(server.get(&place).await.json()["title"], "t");
    assert_eq!(keyed().send().await.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn a_handler_that_panics_is_a_problem_and_the_server_goes_on() {
    let server = Server::start().await;
    server.knobs.break_ids();
    let body = json!({"context_type": "n", "context_data": {"secret": 1}});
    let broken = server.call("POST", "contexts").header("x-request-id", "r-7").json(&body).send().await;
    assert_eq!(broken.problem(500), "internal");
    let detail = broken.json()["detail"].as_str().unwrap().to_owned();
    assert!(!detail.contains("broke") && !detail.contains("secret"), "{detail}");
    let next = server.call("GET", "contexts").header("x-request-id", "r-8").send().await;
    assert_eq!(next.status, 200);
}

#[tokio::test]
async fn one_request_too_many_is_refused_but_probes_are_not() {
    let server = Server::with(HttpConfig { max_concurrent_requests: 2, ..HttpConfig::default() }).await;
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = "POST /v1/tenants/default/contexts HTTP/1.1\r\nhost: localhost\r\n\
                    content-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    let refused = loop {
        let answer = server.get("contexts").await;
        if answer.status != 200 {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(refused.problem(503), "overloaded");
    assert_eq!(server.get("/livez").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200);
    for mut stream in waiting {
        stream.write_all(b"}").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 422 "), "{text}");
    }
    assert_eq!(server.get("contexts").await.status, 200);
}

#[tokio::test]
async fn a_stopping_server_finishes_requests_in_progress() {
    let mut server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let body = json!({"context_type": "n", "context_data": {}}).to_string();
    let (first, rest) = body.split_at(5);
    let head = format!(
        "POST /v1/tenants/default/contexts HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{first}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(TcpStream::connect(server.address).await.is_err(), "a stopping server accepts no connections");
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 201 "), "{text}");
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
    tokio::time::timeout(Duration::from_secs(5), &mut server.done).await.unwrap().unwrap().unwrap();
}
