//! Stores behind `PgBouncer` 1.18, which does not follow prepared statements: no row is another tenant's, nothing fails.

mod client;
mod forced;
mod world;

use std::env;
use std::path::PathBuf;

use context_store::postgres::{ConnectionMode, Mode, Session};
use context_testing::{OWNER, PoolMode, pgbouncer};

use world::{Crowd, World};

/// Requests of each of the long tests: 2,000, or `POOLER_REQUESTS`.
fn requests() -> usize {
    env::var("POOLER_REQUESTS").map_or(2_000, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_of_a_pooler_mix_no_rows() {
    let world = World::new().await;
    let crowd = Crowd { processes: 3, connections: 8, stores: 1, trust: ConnectionMode::Auto };
    let tally = world.ask(PoolMode::Transaction, &crowd, requests()).await;
    println!("behind a pooler of transactions: {tally}");
    assert!(tally.wrong.is_empty() && tally.failed.is_empty(), "{tally:#?}");
    assert_eq!(tally.right + tally.given_up, requests());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_a_pooler_mix_no_rows() {
    let world = World::new().await;
    // A session keeps its connection: two processes with one each. They open their stores anew all along, so that each
    // connection to the server serves many sessions.
    let crowd = Crowd { processes: 2, connections: 1, stores: 10, trust: ConnectionMode::Auto };
    let tally = world.ask(PoolMode::Session, &crowd, requests()).await;
    println!("behind a pooler of sessions: {tally}");
    assert!(tally.wrong.is_empty() && tally.failed.is_empty(), "{tally:#?}");
    assert_eq!(tally.right + tally.given_up, requests());
}

/// The danger is real: where the way is taken for direct and is not, rows are another tenant's, or requests fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_pooler_is_not_seen_rows_go_astray() {
    let world = World::new().await;
    let crowd = Crowd { processes: 3, connections: 8, stores: 1, trust: ConnectionMode::Direct };
    let tally = world.ask(PoolMode::Transaction, &crowd, 2_000).await;
    println!("behind a pooler that is taken for none: {tally}");
    assert!(!tally.wrong.is_empty() || !tally.failed.is_empty(), "{tally:#?}");
}

/// Statements get names only where nothing stands in between for certain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_connection_shows_what_stands_in_between() {
    let server = context_testing::postgres().await;
    let database = server.create_database("seen").await;
    let (sessions, transactions) =
        (pgbouncer(server, PoolMode::Session, 2).await, pgbouncer(server, PoolMode::Transaction, 2).await);
    let over_socket = |folder: PathBuf, port| {
        format!("postgres://{OWNER}@/{database}?host={}&port={port}", folder.display())
    };
    let ways = [
        (server.url(&database), Mode::Direct),
        (sessions.url(&database), Mode::Pooled),
        (transactions.url(&database), Mode::Pooled),
        // A Unix socket shows nothing.
        (over_socket(server.socket_folder(), server.port()), Mode::Pooled),
        (over_socket(transactions.socket_folder(), transactions.port()), Mode::Pooled),
    ];
    for (url, seen) in &ways {
        let session = Session::open(&url.parse().unwrap(), ConnectionMode::Auto).await.unwrap();
        assert_eq!(session.mode(), *seen, "{url}");
    }
    for (trust, mode) in [(ConnectionMode::Direct, Mode::Direct), (ConnectionMode::Pooled, Mode::Pooled)] {
        for (url, _) in &ways {
            let session = Session::open(&url.parse().unwrap(), trust).await.unwrap();
            assert_eq!(session.mode(), mode, "{url}");
        }
    }
}
