//! Stores behind `PgBouncer` 1.18, which does not track prepared statements: no tenant gets another's rows,
//! and nothing fails.

mod client;
mod forced;
mod world;

use std::env;
use std::path::PathBuf;

use context_store::postgres::{ConnectionMode, Session, SessionMode};
use context_testing::{OWNER, PoolMode, pgbouncer};

use world::{Crowd, World};

/// Returns the number of requests of each long test: 2,000, or `POOLER_REQUESTS`.
fn requests() -> usize {
    env::var("POOLER_REQUESTS").map_or(2_000, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transaction_pooling_mixes_up_no_rows() {
    let world = World::new().await;
    let crowd = Crowd { processes: 3, connections: 8, stores: 1, setting: ConnectionMode::Auto };
    let tally = world.send_requests(PoolMode::Transaction, &crowd, requests()).await;
    println!("transaction pooling: {tally}");
    assert!(tally.wrong.is_empty() && tally.failed.is_empty(), "{tally:#?}");
    assert_eq!(tally.right + tally.given_up, requests());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_pooling_mixes_up_no_rows() {
    let world = World::new().await;
    // Each session occupies a connection to the server: two processes with one each. They reopen their stores
    // again and again, so that each connection to the server serves many sessions.
    let crowd = Crowd { processes: 2, connections: 1, stores: 10, setting: ConnectionMode::Auto };
    let tally = world.send_requests(PoolMode::Session, &crowd, requests()).await;
    println!("session pooling: {tally}");
    assert!(tally.wrong.is_empty() && tally.failed.is_empty(), "{tally:#?}");
    assert_eq!(tally.right + tally.given_up, requests());
}

/// The danger is real: if a pooler is used with the mode `direct`, requests fail or return another tenant's
/// rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mode_direct_behind_a_pooler_mixes_up_rows() {
    let world = World::new().await;
    let crowd = Crowd { processes: 3, connections: 8, stores: 1, setting: ConnectionMode::Direct };
    let tally = world.send_requests(PoolMode::Transaction, &crowd, 2_000).await;
    println!("transaction pooling with the mode direct: {tally}");
    assert!(!tally.wrong.is_empty() || !tally.failed.is_empty(), "{tally:#?}");
}

/// Statements get names only on a connection that certainly has no pooler in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_connection_finds_out_whether_a_pooler_is_in_between() {
    let server = context_testing::postgres().await;
    let database = server.create_database("seen").await;
    let (sessions, transactions) =
        (pgbouncer(server, PoolMode::Session, 2).await, pgbouncer(server, PoolMode::Transaction, 2).await);
    let over_socket = |folder: PathBuf, port| {
        format!("postgres://{OWNER}@/{database}?host={}&port={port}", folder.display())
    };
    let cases = [
        (server.url(&database), SessionMode::Direct),
        (sessions.url(&database), SessionMode::Pooled),
        (transactions.url(&database), SessionMode::Pooled),
        // Over a Unix socket it cannot be found out.
        (over_socket(server.socket_folder(), server.port()), SessionMode::Pooled),
        (over_socket(transactions.socket_folder(), transactions.port()), SessionMode::Pooled),
    ];
    for (url, found) in &cases {
        let session = Session::open(&url.parse().unwrap(), ConnectionMode::Auto).await.unwrap();
        assert_eq!(session.mode(), *found, "{url}");
    }
    for (setting, mode) in
        [(ConnectionMode::Direct, SessionMode::Direct), (ConnectionMode::Pooled, SessionMode::Pooled)]
    {
        for (url, _) in &cases {
            let session = Session::open(&url.parse().unwrap(), setting).await.unwrap();
            assert_eq!(session.mode(), mode, "{url}");
        }
    }
}
