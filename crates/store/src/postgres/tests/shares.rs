//! One tenant's troubles are not the others': a lock on its tables leaves them connections to work on.

use std::time::Duration;

use context_testing::SUPERUSER;
use tokio::time::{sleep, timeout};

use super::*;

/// Calls of the tenant whose table is locked.
const WAITING: i32 = 100;
/// How long another tenant's call may take meanwhile: less than what ends a call that waits.
const PROMPT: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_table_holds_up_its_own_tenant_only() {
    for mode in [ConnectionMode::Direct, ConnectionMode::Pooled] {
        for access in [Access::Read, Access::Scan, Access::Write] {
            others_go_on(mode, access).await;
        }
    }
}

async fn others_go_on(mode: ConnectionMode, access: Access) {
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
                pool.query(Some(&"locked".parse().unwrap()), access, sql, &[]).await
            })
        })
        .collect();
    // The first of them have been noticed to take long.
    sleep(Duration::from_millis(500)).await;
    for number in 0..40 {
        let tenant = format!("t{number}").parse().unwrap();
        let reads = timeout(PROMPT, pool.query(Some(&tenant), Access::Read, "SELECT 1", &[])).await;
        reads.unwrap_or_else(|_| panic!("{mode:?} {access:?}: a read waits for another tenant")).unwrap();
        let writes = timeout(PROMPT, pool.query(Some(&tenant), Access::Write, "SELECT 1", &[])).await;
        writes.unwrap_or_else(|_| panic!("{mode:?} {access:?}: a write waits for another tenant")).unwrap();
    }
    let nobodys = timeout(PROMPT, pool.query(None, Access::Read, "SELECT 1", &[])).await;
    nobodys.unwrap_or_else(|_| panic!("{mode:?} {access:?}: the probe waits for a tenant")).unwrap();
    lock.rollback().await.unwrap();
    for call in waiting {
        call.await.unwrap().unwrap();
    }
}
