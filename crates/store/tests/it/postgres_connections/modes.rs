//! What stands between this program and the server is seen by each connection.

use context_store::postgres::{ConnectionMode, Mode, PostgresUrl, Session};
use context_testing::{OWNER, PoolMode, pgbouncer, postgres};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::answer;

/// A port that passes on what it is sent to another, as a load balancer does.
async fn proxy(to: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = TcpStream::connect(("127.0.0.1", to)).await?;
                copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    port
}

async fn mode(url: &str, mode: ConnectionMode) -> Mode {
    let url: PostgresUrl = url.parse().unwrap();
    let session = Session::open(&url, mode).await.unwrap();
    assert_eq!(answer(&session, "SELECT 'here'").await, "here");
    session.mode()
}

#[tokio::test]
async fn only_the_servers_own_connection_is_direct() {
    let server = postgres().await;
    let database = server.create_database("modes").await;
    let direct = server.url(&database);
    let proxied = format!("postgres://{OWNER}@127.0.0.1:{}/{database}", proxy(server.port()).await);
    let folder = server.socket_folder().display().to_string();
    let socket = format!("postgres://{OWNER}@/{database}?host={folder}&port={}", server.port());
    let bouncer = pgbouncer(server, PoolMode::Transaction, 4).await;
    let pooled = bouncer.url(&database);
    assert_eq!(mode(&direct, ConnectionMode::Auto).await, Mode::Direct);
    for url in [&proxied, &socket, &pooled] {
        assert_eq!(mode(url, ConnectionMode::Auto).await, Mode::Pooled, "{url}");
    }
    // What is known of the way is believed, whatever the connection shows.
    assert_eq!(mode(&direct, ConnectionMode::Pooled).await, Mode::Pooled);
    for url in [&proxied, &socket] {
        assert_eq!(mode(url, ConnectionMode::Direct).await, Mode::Direct, "{url}");
    }
}

#[tokio::test]
async fn a_session_has_the_name_of_the_program() {
    let server = postgres().await;
    for (parameters, expected) in [
        ("", "context-service"),
        ("?application_name=other", "other"),
        ("?fallback_application_name=other", "other"),
    ] {
        let url = format!("{}{parameters}", server.url("postgres"));
        let session = Session::open(&url.parse().unwrap(), ConnectionMode::Auto).await.unwrap();
        assert_eq!(answer(&session, "SELECT current_setting('application_name')").await, expected);
    }
    let url = format!("{}?options=-c%20work_mem%3D7MB", server.url("postgres"));
    let session = Session::open(&url.parse().unwrap(), ConnectionMode::Auto).await.unwrap();
    assert_eq!(answer(&session, "SELECT current_setting('work_mem')").await, "7MB");
}
