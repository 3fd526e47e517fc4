//! A tenant whose tables are locked leaves connections to the other tenants.

use std::time::Duration;

use context_testing::SUPERUSER;
use tokio::time::{sleep, timeout};

use super::*;

/// Calls of the tenant whose table is locked.
const WAITING: i32 = 100;
/// How long another tenant's call may take meanwhile: less than the statement timeout.
const PROMPT: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_table_delays_only_its_own_tenant() {
    for mode in [ConnectionMode::Direct, ConnectionMode::Pooled] {
        for kind in [StatementKind::Read, StatementKind::Scan, StatementKind::Write] {
            others_go_on(mode, kind).await;
        }
    }
}

async fn others_go_on(mode: ConnectionMode, kind: StatementKind) {
    let server = postgres().await;
    let database = server.create_database("shares").await;
    let pool = Arc::new(Pool::new(server.url(&database).parse().unwrap(), mode, 8));
    write(&pool, "CREATE TABLE locked (id int)").await.unwrap();
    let mut around = server.connect(SUPERUSER, &database).await;
    let lock = around.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let waiting: Vec<_> = (0..WAITING)
        .map(|_| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move {
                let sql = "SELECT id FROM locked";
                pool.query(Some(&"locked".parse().unwrap()), kind, sql, &[]).await
            })
        })
        .collect();
    // Long enough for the first of them to count as stalled.
    sleep(Duration::from_millis(500)).await;
    for number in 0..40 {
        let tenant = format!("t{number}").parse().unwrap();
        let read = timeout(PROMPT, pool.query(Some(&tenant), StatementKind::Read, "SELECT 1", &[])).await;
        read.unwrap_or_else(|_| panic!("{mode:?} {kind:?}: a read waits for another tenant")).unwrap();
        let write = timeout(PROMPT, pool.query(Some(&tenant), StatementKind::Write, "SELECT 1", &[])).await;
        write.unwrap_or_else(|_| panic!("{mode:?} {kind:?}: a write waits for another tenant")).unwrap();
    }
    let tenantless = timeout(PROMPT, pool.query(None, StatementKind::Read, "SELECT 1", &[])).await;
    tenantless.unwrap_or_else(|_| panic!("{mode:?} {kind:?}: the probe waits for a tenant")).unwrap();
    lock.rollback().await.unwrap();
    for call in waiting {
        call.await.unwrap().unwrap();
    }
}
