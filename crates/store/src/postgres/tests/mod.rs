//! Tests of the connections that need the crate's internals, on a real server.

mod chain_reads;
mod clock;
mod columns;
mod failure;
mod faults;
mod pool;
mod proxy;
mod search_buffers;
mod shares;
mod sharing;
mod url;

use std::sync::Arc;

use context_testing::postgres;
use tokio_postgres::types::Type;

use super::connect::ConnectionMode;
use super::failure::Failure;
use super::pool::{Pool, Sharing};
use super::statement::StatementKind;

/// Makes a pool on a database of its own, with the table `things (id int PRIMARY KEY, word text)`.
async fn pool(mode: ConnectionMode, max_connections: usize) -> Arc<Pool> {
    let server = postgres().await;
    let database = server.create_database("pool").await;
    let pool = Pool::new(server.url(&database).parse().unwrap(), mode, max_connections);
    write(&pool, "CREATE TABLE things (id int PRIMARY KEY, word text)").await.unwrap();
    Arc::new(pool)
}

/// Returns the words of all things, by id.
async fn words(pool: &Pool) -> Vec<String> {
    let rows =
        pool.query(None, StatementKind::Read, "SELECT word FROM things ORDER BY id", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Sends one statement without parameters.
async fn write(pool: &Pool, sql: &str) -> Result<(), Failure> {
    pool.query(None, StatementKind::Write, sql, &[]).await.map(drop)
}

/// Returns the number that a statement selects.
async fn number(pool: &Pool, sql: &str) -> i32 {
    pool.query(None, StatementKind::Read, sql, &[]).await.unwrap().first().unwrap().get(0)
}

/// Inserts a thing.
async fn put(pool: &Pool, id: i32, word: &str) -> Result<(), Failure> {
    let params = [(&id as _, Type::INT4), (&word as _, Type::TEXT)];
    pool.query(None, StatementKind::Write, "INSERT INTO things VALUES ($1, $2)", &params).await.map(drop)
}
