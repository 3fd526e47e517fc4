//! Lost connections, stopped servers, lost responses: which error a call returns, and that nothing is written
//! twice.

use std::time::{Duration, Instant};

use context_domain::error::Error;
use context_testing::{OWNER, SUPERUSER, Server};
use tokio::time::sleep;
use tokio_postgres::Client;

use super::super::connect::Session;
use super::super::pool::{Borrower, COMMIT, Connection};
use super::proxy::Proxy;
use super::*;

const BOTH: [ConnectionMode; 2] = [ConnectionMode::Direct, ConnectionMode::Pooled];

/// A database with the table of things: a proxy to it that can fail, a pool through the proxy, and a client
/// that bypasses it.
struct World {
    proxy: Proxy,
    pool: Arc<Pool>,
    outside: Client,
}

async fn world(mode: ConnectionMode, max_connections: usize) -> World {
    let server = postgres().await;
    let database = server.create_database("faults").await;
    let proxy = Proxy::to(server.port()).await;
    let url = format!("postgres://{OWNER}@127.0.0.1:{}/{database}", proxy.port);
    let pool = Arc::new(Pool::new(url.parse().unwrap(), mode, max_connections));
    write(&pool, "CREATE TABLE things (id int PRIMARY KEY, word text)").await.unwrap();
    let outside = server.connect(SUPERUSER, &database).await;
    World { proxy, pool, outside }
}

impl World {
    async fn count(&self) -> i64 {
        self.outside.query_one("SELECT count(*) FROM things", &[]).await.unwrap().get(0)
    }

    /// Ends every connection of the pool on the server's side.
    async fn terminate(&self) {
        let sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = 'context-service'";
        assert!(!self.outside.query(sql, &[]).await.unwrap().is_empty());
    }

    /// Waits until a statement with this text runs.
    async fn until_running(&self, part: &str) {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%' || $1 || '%'";
        while self.outside.query_one(sql, &[&part]).await.unwrap().get::<_, i64>(0) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn is_unanswered(result: &Result<(), Failure>) -> bool {
    matches!(result, Err(Failure::Unanswered(_)))
}

#[tokio::test]
async fn a_connection_that_was_lost_while_idle_is_replaced() {
    for mode in BOTH {
        let world = world(mode, 2).await;
        for id in 1..4 {
            world.terminate().await;
            // Leaves time to receive the server's message: the write would be `Unanswered` otherwise.
            sleep(Duration::from_millis(50)).await;
            put(&world.pool, id, "word").await.unwrap();
            world.terminate().await;
            assert_eq!(words(&world.pool).await.len(), usize::try_from(id).unwrap());
            world.proxy.cut();
            assert_eq!(words(&world.pool).await.len(), usize::try_from(id).unwrap());
        }
    }
}

#[tokio::test]
async fn a_read_that_loses_its_connection_is_sent_again() {
    for mode in BOTH {
        let world = world(mode, 2).await;
        let pool = Arc::clone(&world.pool);
        let read = tokio::spawn(async move {
            pool.query(None, StatementKind::Read, "SELECT 7, pg_sleep(0.5)", &[]).await
        });
        world.until_running("pg_sleep(0.5)").await;
        world.terminate().await;
        assert_eq!(read.await.unwrap().unwrap()[0].get::<_, i32>(0), 7);
    }
}

#[tokio::test]
async fn a_write_that_loses_its_connection_is_unanswered_and_not_sent_again() {
    for mode in BOTH {
        let world = world(mode, 2).await;
        let pool = Arc::clone(&world.pool);
        let sql = "INSERT INTO things SELECT 1, 'a' FROM pg_sleep(0.5)";
        let sent = tokio::spawn(async move { write(&pool, sql).await });
        world.until_running("pg_sleep(0.5)").await;
        world.terminate().await;
        let answer = sent.await.unwrap();
        assert!(is_unanswered(&answer), "{answer:?}");
        sleep(Duration::from_millis(700)).await;
        assert_eq!(world.count().await, 0);
        put(&world.pool, 2, "word").await.unwrap();
    }
}

#[tokio::test]
async fn a_write_whose_response_is_lost_is_unanswered_and_written_once() {
    for mode in BOTH {
        let world = world(mode, 2).await;
        let pool = Arc::clone(&world.pool);
        let sent = tokio::spawn(async move {
            write(&pool, "INSERT INTO things SELECT coalesce(max(id), 0) + 1, 'a' FROM things").await
        });
        world.proxy.drop_responses();
        while world.count().await == 0 {
            sleep(Duration::from_millis(5)).await;
        }
        world.proxy.forward_responses();
        world.proxy.cut();
        let answer = sent.await.unwrap();
        assert!(is_unanswered(&answer), "{answer:?}");
        assert_eq!(words(&world.pool).await, ["a"]);
        let error = answer.unwrap_err().in_store();
        assert!(matches!(error, Error::OutcomeUnknown(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_commit_whose_response_is_lost_is_unanswered() {
    for mode in BOTH {
        let world = world(mode, 2).await;
        let pool = Arc::clone(&world.pool);
        let transaction = pool.begin(None).await.unwrap();
        transaction.query("INSERT INTO things VALUES (1, 'a')", &[]).await.unwrap();
        world.proxy.drop_responses();
        let committed = async {
            let answer = transaction.commit().await;
            assert!(is_unanswered(&answer), "{answer:?}");
        };
        let cut = async {
            while world.count().await == 0 {
                sleep(Duration::from_millis(5)).await;
            }
            world.proxy.forward_responses();
            world.proxy.cut();
        };
        tokio::join!(committed, cut);
        assert_eq!(words(&world.pool).await, ["a"]);
    }
}

#[tokio::test]
async fn a_transaction_that_loses_its_connection_before_the_commit_has_written_nothing() {
    for mode in BOTH {
        let world = world(mode, 2).await;
        let transaction = world.pool.begin(None).await.unwrap();
        transaction.query("INSERT INTO things VALUES (1, 'a')", &[]).await.unwrap();
        world.terminate().await;
        let lost = transaction.query("INSERT INTO things VALUES (2, 'a')", &[]).await.unwrap_err();
        assert!(matches!(lost, Failure::Unavailable { .. }), "{lost:?}");
        drop(transaction);
        assert_eq!(words(&world.pool).await, [""; 0]);
    }
}

#[tokio::test]
async fn a_call_without_a_response_ends_after_its_limit() {
    let world = world(ConnectionMode::Direct, 1).await;
    words(&world.pool).await;
    world.proxy.drop_responses();
    let begun = Instant::now();
    let (read, written) = tokio::join!(
        world.pool.query(None, StatementKind::Read, "SELECT 1", &[]),
        put(&world.pool, 1, "word")
    );
    assert!(begun.elapsed() < Duration::from_secs(16), "{:?}", begun.elapsed());
    assert!(matches!(read, Err(Failure::Unavailable { .. })), "{read:?}");
    assert!(is_unanswered(&written), "{written:?}");
    world.proxy.forward_responses();
    assert_eq!(words(&world.pool).await, ["word"]);
}

#[tokio::test]
async fn a_commit_of_a_failed_or_missing_transaction_is_an_error() {
    let server = postgres().await;
    let database = server.create_database("commit").await;
    let session =
        Session::open(&server.url(&database).parse().unwrap(), ConnectionMode::Direct).await.unwrap();
    session.client().batch_execute("BEGIN").await.unwrap();
    session.client().batch_execute("SELECT 1 / 0").await.unwrap_err();
    // A plain COMMIT is answered with ROLLBACK here, which the driver takes for success.
    session.client().batch_execute(COMMIT).await.unwrap_err();
    session.client().batch_execute("COMMIT").await.unwrap();
    // Outside of a transaction, a plain COMMIT only causes a warning.
    session.client().batch_execute(COMMIT).await.unwrap_err();
    session.client().batch_execute("COMMIT").await.unwrap();
}

#[tokio::test]
async fn a_statement_whose_begin_failed_is_unanswered() {
    let pool = pool(ConnectionMode::Direct, 1).await;
    let connection = pool
        .lease_slot(Borrower { tenant: None, share: None }, 1, Sharing::Exclusive)
        .await
        .unwrap()
        .connection
        .clone();
    let insert = "INSERT INTO things VALUES (1, 'a')";
    let lost = connection.query_first("BEGIN ISOLATION LEVEL READ", insert, &[]).await.unwrap_err();
    assert!(matches!(lost, Failure::Unanswered(_)), "{lost:?}");
    assert_eq!(words(&pool).await, ["a"]);
}

#[tokio::test]
async fn another_host_is_tried_when_one_accepts_no_writes_any_more() {
    let (first, second) = (Server::builder().start().await, Server::builder().start().await);
    for server in [&first, &second] {
        server.execute("postgres", "CREATE TABLE things (id int PRIMARY KEY, word text)").await;
        server.execute("postgres", &format!("GRANT ALL ON things TO {OWNER}")).await;
    }
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", first.port(), second.port());
    let url = format!("postgres://{OWNER}@{hosts}/postgres?target_session_attrs=read-write");
    let pool = Pool::new(url.parse().unwrap(), ConnectionMode::Auto, 1);
    put(&pool, 1, "first").await.unwrap();
    first.execute("postgres", "ALTER SYSTEM SET default_transaction_read_only = on").await;
    first.execute("postgres", "SELECT pg_reload_conf()").await;
    let refused = loop {
        match put(&pool, 2, "second").await {
            Ok(()) => first.execute("postgres", "SELECT pg_sleep(0.01)").await,
            Err(failure) if failure.is_unique_violation() => {}
            Err(failure) => break failure,
        }
    };
    assert!(refused.is_read_only(), "{refused:?}");
    assert!(refused.in_store().to_string().contains("target_session_attrs=read-write"));
    put(&pool, 3, "third").await.unwrap();
    assert_eq!(words(&pool).await, ["third"]);
}

#[tokio::test]
async fn a_server_that_was_killed_and_restarted_is_used_again() {
    let server = Arc::new(Server::builder().durable().start().await);
    server.execute("postgres", "CREATE TABLE things (id int PRIMARY KEY, word text)").await;
    server.execute("postgres", &format!("GRANT ALL ON things TO {OWNER}")).await;
    let url = server.url("postgres").parse().unwrap();
    let pool = Arc::new(Pool::new(url, ConnectionMode::Auto, 4));
    let begun = Instant::now();
    let writers: Vec<_> = (0..8)
        .map(|writer: i32| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move {
                let (mut known, mut unknown) = (Vec::new(), Vec::new());
                for id in (writer * 1_000_000..).take_while(|_| begun.elapsed().as_secs() < 5) {
                    match put(&pool, id, "word").await {
                        Ok(()) => known.push(id),
                        Err(Failure::Unanswered(_)) => unknown.push(id),
                        Err(Failure::Unavailable { .. }) => {
                            sleep(Duration::from_millis(20)).await;
                        }
                        Err(other) => panic!("{other:?}"),
                    }
                }
                (known, unknown)
            })
        })
        .collect();
    for _ in 0..2 {
        sleep(Duration::from_secs(1)).await;
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || {
            server.kill();
            server.restart();
        })
        .await
        .unwrap();
    }
    let rows = |pool: Arc<Pool>| async move {
        let rows = pool.query(None, StatementKind::Read, "SELECT id FROM things", &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, i32>(0)).collect::<std::collections::HashSet<_>>()
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for writer in writers {
        let (acknowledged, unanswered) = writer.await.unwrap();
        known.extend(acknowledged);
        unknown.extend(unanswered);
    }
    let mut there = rows(pool).await;
    let missing: Vec<_> = known.iter().filter(|id| !there.remove(id)).collect();
    assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
    there.retain(|id| !unknown.contains(id));
    assert!(there.is_empty(), "refused and written: {there:?}");
    assert!(known.len() > 100, "{} writes", known.len());
}

#[tokio::test]
async fn a_write_on_a_connection_with_a_cancelled_statement_is_unanswered() {
    let url = postgres().await.url("postgres").parse().unwrap();
    let session = Session::connect(&url, ConnectionMode::Direct).await.unwrap();
    let connection = Arc::new(Connection::new(session).await.unwrap());
    let write = || connection.query(StatementKind::Write, "CREATE TEMPORARY TABLE things ()", &[]);
    write().await.unwrap();
    let slow = connection.query(StatementKind::Read, "SELECT pg_sleep(0.5)", &[]);
    let next = connection.query(StatementKind::Write, "DROP TABLE things", &[]);
    // Nobody knows which statement the server runs when the request arrives.
    let (_, next, ()) = tokio::join!(biased; slow, next, async { connection.cancel() });
    assert!(is_unanswered(&next.map(drop)));
    assert!(connection.is_retired());
}
