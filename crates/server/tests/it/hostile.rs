//! Requests that only a broken or malicious client sends.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Server;

#[tokio::test]
async fn malformed_http_never_succeeds_and_never_stops_the_server() {
    let server = Server::start().await;
    let mut many = "GET /livez HTTP/1.1\r\nhost: localhost\r\n".to_owned();
    for n in 0..2_000 {
        write!(many, "x-{n}: y\r\n").unwrap();
    }
    let long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(200_000));
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"\r\n\r\n\r\n\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /livez HTTP/9.9\r\nhost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost: localhost\r\nx: \0\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nhost : localhost\r\n\r\n",
        b"POST /v1/tenants HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n",
        b"POST /v1/tenants HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        b"POST /v1/tenants HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
          transfer-encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut text)).await;
        read.expect("the server keeps the connection open").ok();
        let (sent, received) = (bytes.escape_ascii().to_string(), String::from_utf8_lossy(&text));
        assert!(!text.starts_with(b"HTTP/1.1 2"), "{sent:?} gave {received:?}");
    }
    for text in [many + "\r\n", long] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // The server may refuse before everything is sent.
        stream.write_all(text.as_bytes()).await.ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        assert!(!answer.starts_with(b"HTTP/1.1 2"));
    }
    assert_eq!(server.get("/livez").await.status, 200);
    assert_eq!(server.get("/v1/tenants").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn odd_targets_are_answered_with_problems() {
    let server = Server::start().await;
    for (line, status) in [
        ("OPTIONS *", "404"),
        ("CONNECT localhost:80", "404"),
        ("GET /v1/tenants/default/tree/..", "400"),
        ("GET /v1/tenants/default/tree/../../../livez", "404"),
        ("GET //livez", "404"),
        ("GET /livez/", "404"),
        ("GET /livez?a=b;c=d", "400"),
        ("GET /livez?%00", "400"),
        ("GET /v1/tenants/..%2Fdefault/tree", "404"),
        ("GET /v1/tenants/default%00/tree", "404"),
        ("GET /v1/tenants/%2e%2e/contexts", "404"),
        ("GET /docs/..%2F..%2FCargo.toml", "404"),
        ("GET /docs/%2e%2e", "404"),
    ] {
        let text = server
            .raw(format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes())
            .await;
        assert!(
            text.starts_with(&format!("HTTP/1.1 {status} ")) && text.contains("\"request_id\":"),
            "{line}: {text}"
        );
    }
}

#[tokio::test]
async fn a_second_request_in_a_body_is_not_smuggled() {
    let server = Server::start().await;
    let inner = "DELETE /v1/tenants/default HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let head =
        "POST /v1/tenants/default/contexts HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    for framing in [
        // If both give the length of the body, a proxy may use one and a server the other.
        format!("content-length: 0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{inner}"),
        format!("transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n{inner}"),
        format!("content-length: {}\r\nconnection: close\r\n\r\n{inner}", inner.len()),
    ] {
        let text = server.raw(format!("{head}{framing}").as_bytes()).await;
        assert!(text.starts_with("HTTP/1.1 4") && text.matches("HTTP/1.1").count() == 1, "{text}");
    }
    assert_eq!(server.get("/v1/tenants/default").await.status, 200);
}

#[tokio::test]
async fn deep_and_wide_documents_are_refused() {
    let server = Server::start().await;
    let deep = "[".repeat(8 * 1024 * 1024 - 1);
    server.call("POST", "contexts").body("application/json", deep).send().await.points_at(&"/0".repeat(68));
    let wide = format!("{{\"context_type\":\"n\",\"context_data\":{{\"a\":[{}0]}}}}", "0,".repeat(4_000_000));
    server.call("POST", "contexts").body("application/json", wide).send().await.points_at("/context_data");
    let unknown: serde_json::Map<_, _> = (0..50_000).map(|n| (n.to_string(), json!(0))).collect();
    let many = server.call("POST", "contexts").json(&json!(unknown)).send().await;
    assert_eq!(many.problem(422), "invalid");
    assert_eq!(server.writes("default").await, 0);
}

#[tokio::test]
async fn clients_that_disconnect_do_not_affect_others() {
    let server = Server::start().await;
    for _ in 0..50 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = "POST /v1/tenants/default/contexts HTTP/1.1\r\nhost: localhost\r\n\
                    content-type: application/json\r\ncontent-length: 500\r\n\r\n{\"context_type\":";
        stream.write_all(head.as_bytes()).await.unwrap();
    }
    assert_eq!(server.get("contexts").await.status, 200);
    assert_eq!(server.writes("default").await, 0);
}
