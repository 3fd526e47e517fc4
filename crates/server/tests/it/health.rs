//! Probes, and what `/health` reports when something is wrong.

use std::fs;

use context_server::Authentication;
use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn an_intact_server_is_alive_ready_and_healthy() {
    let server = Server::start().await;
    assert_eq!(server.get("/livez").await.json(), json!({"status": "alive"}));
    assert_eq!(server.get("/readyz").await.json(), json!({"status": "ready"}));
    let health = server.get("/health").await;
    assert_eq!(health.status, 200);
    let healthy = |name| json!({"name": name, "status": "healthy", "detail": null});
    assert_eq!(
        health.json(),
        json!({"status": "healthy", "checks": [healthy("store"), healthy("tenant default")]})
    );
    for path in ["/livez", "/readyz", "/health"] {
        assert_eq!(server.call("HEAD", path).send().await.status, 200);
        server.get(&format!("{path}?verbose=1")).await.names("verbose");
        assert_eq!(server.post(path, &json!({})).await.problem(405), "method_not_allowed");
    }
}

#[tokio::test]
async fn one_damaged_tenant_is_unhealthy_on_its_own_routes_only() {
    let server = Server::start().await;
    server.post("/v1/tenants", &json!({"id": "damaged"})).await;
    for entry in fs::read_dir(server.folder.path().join("tenants")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("damaged.") {
            fs::write(&path, b"this is no database").unwrap();
        }
    }
    let unhealthy = server.get("/v1/tenants/damaged/tree").await;
    assert_eq!(unhealthy.problem(503), "tenant_unhealthy");
    assert_eq!(server.get("tree").await.status, 200);
    let health = server.get("/health").await;
    assert_eq!(health.status, 503);
    assert_eq!(health.json()["status"], "unhealthy");
    let checks = health.json()["checks"].as_array().unwrap().clone();
    let damaged = checks.iter().find(|check| check["name"] == "tenant damaged").unwrap();
    assert_eq!(damaged["status"], "unhealthy");
    assert!(damaged["detail"].is_string());
    assert!(checks.iter().any(|check| check["name"] == "tenant default" && check["status"] == "healthy"));
    // One damaged tenant must not take the whole process out of service.
    assert_eq!(server.get("/readyz").await.status, 200);
    assert_eq!(server.get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_server_that_lost_its_store_is_alive_and_not_ready() {
    let server = Server::that_lost_its_store(Authentication::Open).await;
    let unready = server.get("/readyz").await;
    assert_eq!((unready.problem(503), unready.header("retry-after")), ("store_unavailable".to_owned(), "5"));
    // The driver's message is for the log only.
    assert!(!String::from_utf8_lossy(&unready.body).contains("driver"));
    assert_eq!(server.get("/v1/tenants").await.problem(503), "store_unavailable");
    let health = server.get("/health").await;
    assert_eq!((health.status.as_u16(), &health.json()["status"]), (503, &json!("unhealthy")));
    assert_eq!(server.get("/livez").await.status, 200);
}
