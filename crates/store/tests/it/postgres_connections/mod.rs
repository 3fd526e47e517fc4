//! Connections to PostgreSQL, on real servers: choice of the host, encryption, refusals, and poolers in
//! between.

mod hosts;
mod modes;
mod refusals;
mod standby;
mod tls;

use std::time::{Duration, Instant};

use context_domain::error::Error;
use context_store::postgres::{ConnectionMode, PostgresUrl, Session};

/// How long connecting may take, also if it fails.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

async fn open(url: &str) -> Result<Session, Error> {
    let url: PostgresUrl = url.parse().unwrap();
    let begun = Instant::now();
    let opened = Session::open(&url, ConnectionMode::Auto).await;
    assert!(begun.elapsed() < CONNECT_LIMIT, "{url}: {:?}", begun.elapsed());
    opened
}

/// Fails to connect, and returns the message.
async fn refusal(url: &str) -> String {
    let Err(error) = open(url).await else { panic!("{url} was connected to") };
    assert_eq!(error.code(), "store_unavailable");
    let said = error.to_string();
    for word in ["db error", "FATAL", "os error", "handshake", "secret", "wrong-5f0c"] {
        assert!(!said.contains(word), "{said}");
    }
    said
}

/// Returns the text that a statement selects.
async fn select_text(session: &Session, sql: &str) -> String {
    session.client().query_one(sql, &[]).await.unwrap().get(0)
}
