//! Several hosts: the first acceptable one is used, and the URL says what is acceptable.

use context_testing::{OWNER, Server, postgres};
use tokio::net::TcpListener;

use super::{open, refusal, select_text};

const PORT: &str = "SELECT inet_server_port()::text";

/// Opens a port that accepts connections and never sends anything.
async fn silent_port() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn url(ports: &[u16], parameters: &str) -> String {
    let hosts: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    format!("postgres://{OWNER}@{}/postgres?{parameters}", hosts.join(","))
}

async fn port_of(ports: &[u16], parameters: &str) -> u16 {
    let session = open(&url(ports, parameters)).await.unwrap();
    select_text(&session, PORT).await.parse().unwrap()
}

#[tokio::test]
async fn hosts_that_are_closed_or_silent_are_skipped() {
    let server = postgres().await;
    let (listener, silent) = silent_port().await;
    let (dead, port) = silent_port().await;
    drop(dead);
    assert_eq!(port_of(&[port, silent, server.port()], "").await, server.port());
    let said = refusal(&url(&[port, silent], "")).await;
    for part in
        [format!("127.0.0.1:{port}: nothing listens"), format!("127.0.0.1:{silent}: it did not answer")]
    {
        assert!(said.contains(&part), "{said}");
    }
    drop(listener);
}

#[tokio::test]
async fn each_address_of_a_name_is_tried() {
    // Most systems give localhost ::1 as well, where the tests' servers do not listen.
    let server = postgres().await;
    let url = format!("postgres://{OWNER}@localhost:{}/postgres", server.port());
    assert_eq!(select_text(&open(&url).await.unwrap(), PORT).await, server.port().to_string());
}

#[tokio::test]
async fn target_session_attrs_is_respected() {
    let writes = postgres().await;
    let reads = Server::builder().start().await;
    reads.execute("postgres", "ALTER SYSTEM SET default_transaction_read_only = on").await;
    reads.stop();
    reads.restart();
    let (w, r) = (writes.port(), reads.port());
    for (target, expected) in [
        ("any", r),
        ("read-write", w),
        ("read-only", r),
        ("primary", r),
        // Both are primaries: without a standby, the first one is used.
        ("prefer-standby", r),
    ] {
        let found = port_of(&[r, w], &format!("target_session_attrs={target}")).await;
        assert_eq!(found, expected, "{target}");
    }
    assert_eq!(port_of(&[w, r], "target_session_attrs=read-only").await, r);
    let said = refusal(&url(&[r, w], "target_session_attrs=standby")).await;
    assert_eq!(said.matches("it is not a standby, and target_session_attrs=standby").count(), 2, "{said}");
    let said = refusal(&url(&[r], "target_session_attrs=read-write")).await;
    assert!(said.contains("it takes no writes, and target_session_attrs=read-write"), "{said}");
    let said = refusal(&url(&[w], "target_session_attrs=read-only")).await;
    assert!(said.contains("it takes writes"), "{said}");
}

#[tokio::test]
async fn a_standby_and_its_primary_are_distinguished() {
    let primary = postgres().await;
    let standby = Server::builder().start().await;
    // With this file in its data directory, a server starts as a standby; this one has no primary.
    let signal = standby.socket_folder().join("data/standby.signal");
    standby.execute("postgres", &format!("COPY (SELECT 1) TO '{}'", signal.display())).await;
    standby.stop();
    standby.restart();
    let (p, s) = (primary.port(), standby.port());
    for (target, expected) in
        [("read-write", p), ("read-only", s), ("primary", p), ("standby", s), ("prefer-standby", s)]
    {
        for ports in [[s, p], [p, s]] {
            assert_eq!(
                port_of(&ports, &format!("target_session_attrs={target}")).await,
                expected,
                "{target}"
            );
        }
    }
    let said = refusal(&url(&[s], "target_session_attrs=primary")).await;
    assert!(said.contains("it is a standby, and target_session_attrs=primary"), "{said}");
}

#[tokio::test]
async fn a_wrong_password_is_sent_to_one_host_only() {
    let first = Server::builder().start().await;
    let second = postgres().await;
    let said = refusal(&format!(
        "postgres://{}:wrong-5f0c@127.0.0.1:{},127.0.0.1:{}/postgres",
        context_testing::PASSWORD_USER,
        first.port(),
        second.port()
    ))
    .await;
    assert_eq!(said.matches("is wrong").count(), 1, "{said}");
}

#[tokio::test]
async fn load_balance_hosts_random_uses_every_host() {
    let (one, other) = (postgres().await, Server::builder().start().await);
    let ports = [one.port(), other.port()];
    let mut met = Vec::new();
    for _ in 0..64 {
        met.push(port_of(&ports, "load_balance_hosts=random").await);
        if ports.iter().all(|port| met.contains(port)) {
            return;
        }
    }
    panic!("64 times the same host: {met:?}");
}
