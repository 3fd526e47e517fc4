//! PgBouncer in front of private servers: both modes pool as configured.
#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use context_testing::{OWNER, PASSWORD_USER, PgBouncer, PoolMode, SERVER, SUPERUSER, Server, pgbouncer};
use tokio_postgres::{Client, NoTls};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn backend(client: &Client) -> i32 {
    client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn transactions_of_two_clients_share_one_backend() {
    let server = context_testing::postgres().await;
    let name = server.create_database("pooled").await;
    let pooler = pgbouncer(server, PoolMode::Transaction, 1).await;
    let (one, two) = (connect(&pooler.url(&name)).await, connect(&pooler.url(&name)).await);
    one.batch_execute("BEGIN; COMMIT").await.unwrap();
    let pid = |rows: Vec<tokio_postgres::SimpleQueryMessage>| {
        rows.into_iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
    };
    let first = pid(one.simple_query("SELECT pg_backend_pid()").await.unwrap());
    assert!(first.is_some());
    assert_eq!(first, pid(two.simple_query("SELECT pg_backend_pid()").await.unwrap()));
}

#[tokio::test]
async fn sessions_of_two_clients_have_two_backends() {
    let server = context_testing::postgres().await;
    let name = server.create_database("pooled").await;
    let pooler = pgbouncer(server, PoolMode::Session, 2).await;
    let (one, two) = (connect(&pooler.url(&name)).await, connect(&pooler.url(&name)).await);
    assert_ne!(backend(&one).await, backend(&two).await);
}

#[tokio::test]
async fn every_role_can_connect() {
    let server = context_testing::postgres().await;
    let name = server.create_database("pooled").await;
    server.execute(SUPERUSER, "CREATE ROLE made_later LOGIN").await;
    let pooler = pgbouncer(server, PoolMode::Transaction, 1).await;
    for role in [OWNER, SERVER, PASSWORD_USER, "made_later"] {
        let client = connect(&pooler.url_as(role, &name)).await;
        client.batch_execute("BEGIN; COMMIT").await.unwrap();
    }
}

#[tokio::test]
async fn one_pgbouncer_serves_two_servers() {
    let here = context_testing::postgres().await;
    let there = Server::builder().start().await;
    let (near, far) = (here.create_database("near").await, there.create_database("far").await);
    let builder = PgBouncer::builder(PoolMode::Session, 2);
    let pooler = builder.database("one", here, Some(&near)).database("two", &there, Some(&far)).start().await;
    for (shown, real) in [("one", near), ("two", far)] {
        let client = connect(&pooler.url(shown)).await;
        let row = client.query_one("SELECT current_database()::text", &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), real);
    }
}

#[tokio::test]
async fn a_dropped_pgbouncer_ends_and_its_folder_is_removed() {
    let server = context_testing::postgres().await;
    let pooler = pgbouncer(server, PoolMode::Session, 1).await;
    let (folder, url) = (pooler.socket_folder(), pooler.url(SUPERUSER));
    assert!(folder.join(format!(".s.PGSQL.{}", pooler.port())).exists(), "{}", pooler.log());
    drop(pooler);
    assert!(!folder.exists());
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
}

#[test]
fn it_ends_even_if_the_tests_ignore_sigquit() {
    // Shells make background processes of a script ignore it.
    let again = r#"trap "" QUIT; exec "$0" --exact a_dropped_pgbouncer_ends_and_its_folder_is_removed"#;
    let mut tests = Command::new("/bin/sh");
    tests.args(["-c", again]).arg(std::env::current_exe().unwrap()).stdout(Stdio::null());
    let mut tests = tests.spawn().unwrap();
    for _ in 0..1_000 {
        if let Some(status) = tests.try_wait().unwrap() {
            assert!(status.success());
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    tests.kill().unwrap();
    panic!("the tests do not end");
}
