//! The clock that shows the database's time.

use context_domain::clock::Clock;

use super::super::clock::DatabaseClock;
use super::*;

#[tokio::test]
async fn the_clock_shows_the_databases_time() {
    let pool = pool(ConnectionMode::Auto, 1).await;
    let clock = DatabaseClock::open(Arc::clone(&pool)).await.unwrap();
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    for _ in 0..20 {
        let before = clock.now().as_micros();
        let rows = pool.query(None, StatementKind::Read, sql, &[]).await.unwrap();
        let database: i64 = rows[0].get(0);
        let after = clock.now().as_micros();
        let slack = 50_000;
        assert!(before - slack <= database && database <= after + slack, "{before} {database} {after}");
    }
}

#[tokio::test]
async fn the_measuring_task_ends_with_the_clock() {
    let pool = pool(ConnectionMode::Auto, 1).await;
    let clock = DatabaseClock::open(Arc::clone(&pool)).await.unwrap();
    assert_eq!(Arc::strong_count(&pool), 2);
    drop(clock);
    while Arc::strong_count(&pool) > 1 {
        tokio::task::yield_now().await;
    }
}
