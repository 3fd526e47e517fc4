//! Messages about failed connections: they name the host, the role, the database, and what to do.

use context_testing::{OWNER, PASSWORD, PASSWORD_USER, SERVER, Server, postgres};
use tokio::net::TcpListener;

use super::{open, refusal, select_text};

/// Asserts that a message names host, role and database.
fn assert_names(said: &str, host: &str, user: &str, database: &str) {
    for part in [host, &format!(" as {user}:"), &format!("database {database} ")] {
        assert!(said.contains(part), "'{part}' is not in: {said}");
    }
}

#[tokio::test]
async fn a_port_on_which_nothing_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let said = refusal(&format!("postgres://me:secret@127.0.0.1:{port}/mine")).await;
    assert_names(&said, &format!("127.0.0.1:{port}: nothing listens there"), "me", "mine");
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved() {
    let said = refusal("postgres://me:secret@no-such-host.invalid/mine").await;
    assert_names(&said, "no-such-host.invalid:5432: its name cannot be resolved", "me", "mine");
}

#[tokio::test]
async fn a_host_that_never_answers() {
    // It accepts connections and sends nothing, like some firewalls.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = refusal(&format!("postgres://me:secret@127.0.0.1:{port}/mine")).await;
    assert_names(&said, &format!("127.0.0.1:{port}: it did not answer within 3.0 s"), "me", "mine");
    let said = refusal(&format!("postgres://me:secret@127.0.0.1:{port}/mine?connect_timeout=1")).await;
    assert_names(&said, "did not answer within 1.0 s", "me", "mine");
    // Addresses reserved for documentation are not routed. Without a network this fails at once.
    let said = refusal("postgres://me:secret@192.0.2.1/mine").await;
    assert_names(&said, "192.0.2.1:5432: ", "me", "mine");
}

#[tokio::test]
async fn a_server_that_is_not_postgresql() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _closed = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad\r\n\r\n").await;
        }
    });
    for mode in ["disable", "prefer", "require"] {
        let url = format!("postgres://me:secret@127.0.0.1:{port}/mine?sslmode={mode}");
        assert_names(&refusal(&url).await, &format!("127.0.0.1:{port}: "), "me", "mine");
    }
}

#[tokio::test]
async fn a_wrong_and_a_missing_password() {
    let server = postgres().await;
    let database = server.create_database("password").await;
    let right = open(&server.url_with_password(PASSWORD, &database)).await.unwrap();
    assert_eq!(select_text(&right, "SELECT session_user::text").await, PASSWORD_USER);
    let said = refusal(&server.url_with_password("wrong-5f0c", &database)).await;
    assert_names(&said, &format!("the password of {PASSWORD_USER} is wrong"), PASSWORD_USER, &database);
    let said = refusal(&server.url_as(PASSWORD_USER, &database)).await;
    assert_names(&said, "asks for a password, and the URL has none", PASSWORD_USER, &database);
}

#[tokio::test]
async fn a_missing_database_and_a_missing_role() {
    let server = postgres().await;
    let said = refusal(&server.url("no_such")).await;
    assert_names(&said, "there is no database no_such: create it (createdb", OWNER, "no_such");
    let said = refusal(&server.url_as("nobody", "postgres")).await;
    assert_names(&said, "does not let nobody in: the role does not exist", "nobody", "postgres");
}

#[tokio::test]
async fn a_role_that_may_not_connect_to_the_database() {
    let server = postgres().await;
    let database = server.create_database("closed").await;
    server.execute("postgres", &format!("REVOKE CONNECT ON DATABASE {database} FROM public")).await;
    let said = refusal(&server.url_as(SERVER, &database)).await;
    assert_names(&said, &format!("GRANT CONNECT ON DATABASE {database} TO {SERVER}"), SERVER, &database);
}

#[tokio::test]
async fn a_server_without_a_free_connection() {
    let server = Server::builder()
        .setting("max_connections = 5")
        .setting("superuser_reserved_connections = 4")
        .start()
        .await;
    // The connections that created the server's roles may still be closing.
    let only = loop {
        if let Ok(only) = open(&server.url("postgres")).await {
            break only;
        }
    };
    let said = refusal(&server.url("postgres")).await;
    assert_names(&said, "it has no connection left: raise its max_connections", OWNER, "postgres");
    drop(only);
}

#[tokio::test]
async fn a_unix_socket() {
    let server = postgres().await;
    let folder = server.socket_folder().display().to_string();
    let encoded = folder.replace('/', "%2F");
    for url in [
        format!("postgres://{OWNER}@{encoded}:{}/postgres", server.port()),
        format!("postgres://{OWNER}@/postgres?host={folder}&port={}&sslmode=require", server.port()),
    ] {
        let session = open(&url).await.unwrap();
        let by = "SELECT CASE WHEN inet_client_port() IS NULL THEN 'socket' ELSE 'network' END";
        assert_eq!(select_text(&session, by).await, "socket");
    }
    let said = refusal("postgres://me:secret@/mine?host=/no/such").await;
    assert_names(&said, "/no/such:5432: there is no such socket", "me", "mine");
}
