//! `Host` and `Origin`, on every route: a web page must not reach a loopback server under a name of its own.

use context_server::HttpConfig;
use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn every_route_refuses_foreign_hosts_and_so_does_an_unknown_path() {
    let server = Server::start().await;
    let id = server.created(&json!({})).await;
    let mut targets: Vec<_> = crate::openapi::operations()
        .map(|(method, path)| {
            let path = path.replace("{tenant}", "default").replace("{id}", &id).replace("{file}", "page.js");
            (method, path.replace("{project}", "p").replace("{branch}", "b").replace("{task}", "t"))
        })
        .collect();
    targets.extend([("GET".to_owned(), "/nowhere".to_owned()), ("OPTIONS".to_owned(), "/livez".to_owned())]);
    for (method, path) in targets {
        let call = || server.call(&method, &path);
        let send = |call: crate::support::Call| match method.as_str() {
            "POST" | "PUT" => {
                call.json(&json!({"id": "made", "context_type": "n", "context_data": {}})).send()
            }
            "PATCH" => call.merge(&json!({"title": "changed"})).send(),
            _ => call.send(),
        };
        let host = send(call().header("host", "attacker.example")).await;
        assert_eq!(
            (host.status.as_u16(), host.json()["code"].as_str()),
            (403, Some("host_not_allowed")),
            "{method} {path}"
        );
        for origin in ["http://attacker.example", "null", "http://localhost.attacker.example"] {
            let refused = send(call().header("origin", origin)).await;
            assert_eq!(refused.json()["code"], "origin_not_allowed", "{method} {path} {origin}");
        }
    }
    assert_eq!(server.writes("default").await, 1);
    assert_eq!(server.get(&format!("contexts/{id}")).await.json()["version"], 1);
}

#[tokio::test]
async fn loopback_and_allowed_hosts_are_answered() {
    let hosts = ["memory.example.com", "192.0.2.7", "[2001:db8::1]"];
    let allowed_hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    let server = Server::with(HttpConfig { allowed_hosts, ..HttpConfig::default() }).await;
    for host in [
        "localhost",
        "LocalHost:8000",
        "localhost.:1",
        "127.0.0.1",
        "127.8.9.10:99",
        "[::1]",
        "[::1]:8000",
        "memory.example.com",
        "MEMORY.EXAMPLE.COM.:443",
        "192.0.2.7:80",
        "[2001:DB8:0::1]",
    ] {
        assert_eq!(server.call("GET", "/livez").header("host", host).send().await.status, 200, "{host}");
        for scheme in ["http", "https"] {
            let call = server.call("GET", "/livez").header("origin", &format!("{scheme}://{host}"));
            assert_eq!(call.send().await.status, 200, "{host}");
        }
    }
    for host in [
        "example.com",
        "xmemory.example.com",
        "a.memory.example.com",
        "192.0.2.70",
        "128.0.0.1",
        "[::2]",
        "0.0.0.0",
        "",
        "localhost:x",
        "user@localhost",
    ] {
        assert_eq!(
            server.call("GET", "/livez").header("host", host).send().await.problem(403),
            "host_not_allowed",
            "{host}"
        );
    }
    for origin in [
        "",
        "localhost",
        "ftp://localhost",
        "http://user@localhost",
        "http://localhost/",
        "http://",
        "chrome-extension://localhost",
    ] {
        let answer = server.call("GET", "/livez").header("origin", origin).send().await;
        assert_eq!(answer.problem(403), "origin_not_allowed", "{origin}");
    }
    let two = server
        .call("GET", "/livez")
        .header("origin", "http://localhost")
        .header("origin", "http://attacker.example");
    assert_eq!(two.send().await.problem(403), "origin_not_allowed");
}

#[tokio::test]
async fn a_request_names_one_host() {
    let server = Server::start().await;
    let raw = async |head: &str| server.raw(format!("{head}connection: close\r\n\r\n").as_bytes()).await;
    for head in [
        "GET /livez HTTP/1.1\r\n",
        "GET /livez HTTP/1.0\r\n",
        "GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n",
        "GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: attacker.example\r\n",
    ] {
        let text = raw(head).await;
        assert!(text.starts_with("HTTP/1.") && text.contains(" 400 ") && text.contains("Host: "), "{text}");
    }
    let absolute = raw("GET http://attacker.example/livez HTTP/1.1\r\nhost: localhost\r\n").await;
    assert!(absolute.starts_with("HTTP/1.1 403 ") && absolute.contains("host_not_allowed"), "{absolute}");
    let both = raw("GET http://localhost/livez HTTP/1.1\r\nhost: 127.0.0.1\r\n").await;
    assert!(both.starts_with("HTTP/1.1 200 "), "{both}");
}
