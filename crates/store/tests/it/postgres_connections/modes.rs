//! Each connection finds out whether something is between this program and the server.

use context_store::postgres::{ConnectionMode, PostgresUrl, Session, SessionMode};
use context_testing::{OWNER, PoolMode, pgbouncer, postgres};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::select_text;

/// Opens a port that forwards to another one, as a load balancer does.
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

async fn session_mode(url: &str, mode: ConnectionMode) -> SessionMode {
    let url: PostgresUrl = url.parse().unwrap();
    let session = Session::open(&url, mode).await.unwrap();
    assert_eq!(select_text(&session, "SELECT 'here'").await, "here");
    session.mode()
}

#[tokio::test]
async fn only_a_connection_to_the_server_itself_is_direct() {
    let server = postgres().await;
    let database = server.create_database("modes").await;
    let direct = server.url(&database);
    let proxied = format!("postgres://{OWNER}@127.0.0.1:{}/{database}", proxy(server.port()).await);
    let folder = server.socket_folder().display().to_string();
    let socket = format!("postgres://{OWNER}@/{database}?host={folder}&port={}", server.port());
    let bouncer = pgbouncer(server, PoolMode::Transaction, 4).await;
    let pooled = bouncer.url(&database);
    assert_eq!(session_mode(&direct, ConnectionMode::Auto).await, SessionMode::Direct);
    for url in [&proxied, &socket, &pooled] {
        assert_eq!(session_mode(url, ConnectionMode::Auto).await, SessionMode::Pooled, "{url}");
    }
    // A mode that is set is used, whatever the connection shows.
    assert_eq!(session_mode(&direct, ConnectionMode::Pooled).await, SessionMode::Pooled);
    for url in [&proxied, &socket] {
        assert_eq!(session_mode(url, ConnectionMode::Direct).await, SessionMode::Direct, "{url}");
    }
}

#[tokio::test]
async fn a_session_has_the_name_and_the_options_of_the_url() {
    let server = postgres().await;
    for (parameters, expected) in [
        ("", "context-service"),
        ("?application_name=other", "other"),
        ("?fallback_application_name=other", "other"),
    ] {
        let url = format!("{}{parameters}", server.url("postgres"));
        let session = Session::open(&url.parse().unwrap(), ConnectionMode::Auto).await.unwrap();
        assert_eq!(select_text(&session, "SELECT current_setting('application_name')").await, expected);
    }
    let url = format!("{}?options=-c%20work_mem%3D7MB", server.url("postgres"));
    let session = Session::open(&url.parse().unwrap(), ConnectionMode::Auto).await.unwrap();
    assert_eq!(select_text(&session, "SELECT current_setting('work_mem')").await, "7MB");
}
