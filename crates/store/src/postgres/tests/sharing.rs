//! Many callers on few connections: which calls share one, which wait and how long, and what a connection
//! keeps.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use context_domain::id::TenantId;
use context_testing::{OWNER, PoolMode, SUPERUSER, pgbouncer};
use tokio::time::sleep;

use super::super::pool::{Borrower, MAX_STATEMENTS, MAX_TENANTS};
use super::proxy::Proxy;
use super::*;

const PID: &str = "SELECT pg_backend_pid()";

async fn pid(pool: &Pool, tenant: &TenantId) -> i32 {
    pool.query(Some(tenant), StatementKind::Read, PID, &[]).await.unwrap()[0].get(0)
}

fn tenant(number: usize) -> TenantId {
    format!("t{number}").parse().unwrap()
}

#[tokio::test]
async fn statements_on_a_direct_connection_are_pipelined() {
    let server = postgres().await;
    let database = server.create_database("pipelined").await;
    let proxy = Proxy::to(server.port()).await;
    let url = format!("postgres://{OWNER}@127.0.0.1:{}/{database}", proxy.port);
    for (mode, is_shared) in [(ConnectionMode::Direct, true), (ConnectionMode::Pooled, false)] {
        let pool = Pool::new(url.parse().unwrap(), mode, 1);
        number(&pool, "SELECT 1").await;
        proxy.delay(Duration::from_millis(100));
        let begun = Instant::now();
        let ask = || number(&pool, "SELECT 7");
        tokio::join!(ask(), ask(), ask(), ask(), ask(), ask(), ask(), ask());
        assert_eq!(begun.elapsed() < Duration::from_millis(500), is_shared, "{:?}", begun.elapsed());
        proxy.delay(Duration::ZERO);
    }
}

#[tokio::test]
async fn no_statement_gets_into_another_calls_transaction() {
    for mode in [ConnectionMode::Direct, ConnectionMode::Pooled] {
        let pool = pool(mode, 1).await;
        let transaction = pool.begin(None).await.unwrap();
        transaction.query("INSERT INTO things VALUES (1, 'undone')", &[]).await.unwrap();
        let others: Vec<_> = (2..6)
            .map(|id| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { put(&pool, id, "done").await })
            })
            .collect();
        sleep(Duration::from_millis(100)).await;
        transaction.rollback().await.unwrap();
        for other in others {
            other.await.unwrap().unwrap();
        }
        assert_eq!(words(&pool).await, ["done"; 4]);
    }
}

#[tokio::test]
async fn a_transaction_waits_for_the_calls_that_share_its_connection() {
    let pool = pool(ConnectionMode::Direct, 2).await;
    // Both home slots are busy, the second one less.
    let shared = [100, 50]
        .map(|weight| pool.lease_slot(Borrower { tenant: None, share: None }, weight, Sharing::Shared));
    let [first, second] = shared;
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    let begun = tokio::time::timeout(Duration::from_millis(100), pool.begin(None)).await;
    assert!(begun.is_err(), "the next statement on the shared lease would be part of the transaction");
    drop(second);
    pool.begin(None).await.unwrap();
    drop(first);
}

#[tokio::test]
async fn a_pool_works_with_fewer_connections_if_the_server_has_fewer() {
    let server = postgres().await;
    let database = server.create_database("few").await;
    server.execute("postgres", &format!("ALTER DATABASE {database} CONNECTION LIMIT 2")).await;
    let pool = Pool::new(server.url(&database).parse().unwrap(), ConnectionMode::Auto, 8);
    for round in 0..4 {
        for number_of_tenant in 0..30 {
            pid(&pool, &tenant(round * 100 + number_of_tenant)).await;
        }
    }
    let all = server.connect(SUPERUSER, &database).await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename <> $1";
    assert_eq!(all.query_one(sql, &[&SUPERUSER]).await.unwrap().get::<_, i64>(0), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn statements_and_transactions_mix() {
    for mode in [ConnectionMode::Direct, ConnectionMode::Pooled] {
        let pool = pool(mode, 2).await;
        put(&pool, 0, "0").await.unwrap();
        let add = "UPDATE things SET word = (word::int + $1)::text WHERE id = 0";
        let adders: Vec<_> = (0..16_i32)
            .map(|adder| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move {
                    for round in 0..20_i32 {
                        let params = [(&1_i32 as _, Type::INT4)];
                        if (adder + round) % 3 > 0 {
                            pool.query(None, StatementKind::Write, add, &params).await.unwrap();
                            continue;
                        }
                        let undone = pool.begin(None).await.unwrap();
                        undone.query(add, &params).await.unwrap();
                        drop(undone);
                        let done = pool.begin(None).await.unwrap();
                        done.query(add, &params).await.unwrap();
                        done.commit().await.unwrap();
                    }
                })
            })
            .collect();
        for adder in adders {
            adder.await.unwrap();
        }
        assert_eq!(words(&pool).await, ["320"]);
    }
}

#[tokio::test]
async fn a_call_that_gets_no_connection_fails_and_says_why() {
    let pool = pool(ConnectionMode::Direct, 1).await;
    let transaction = pool.begin(None).await.unwrap();
    transaction.query("SELECT 1", &[]).await.unwrap();
    let begun = Instant::now();
    let refused = pool.query(None, StatementKind::Read, "SELECT 1", &[]).await.unwrap_err().in_store();
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert!(refused.to_string().contains("all 1 connections to the database are busy"), "{refused}");
    transaction.rollback().await.unwrap();
    number(&pool, "SELECT 1").await;
}

#[tokio::test]
async fn reads_do_not_wait_for_writes_that_wait_for_locks() {
    let server = postgres().await;
    for mode in [ConnectionMode::Direct, ConnectionMode::Pooled] {
        let pool = pool(mode, 3).await;
        put(&pool, 1, "word").await.unwrap();
        let blocker = server.connect(SUPERUSER, pool.url().database()).await;
        blocker.batch_execute("BEGIN; SELECT * FROM things FOR UPDATE").await.unwrap();
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { write(&pool, "UPDATE things SET word = word || '.'").await })
            })
            .collect();
        sleep(Duration::from_millis(200)).await;
        let begun = Instant::now();
        for _ in 0..50 {
            assert_eq!(words(&pool).await, ["word"]);
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        blocker.batch_execute("COMMIT").await.unwrap();
        for write in waiting {
            write.await.unwrap().unwrap();
        }
        assert_eq!(words(&pool).await, ["word........"]);
    }
}

#[tokio::test]
async fn a_statement_that_takes_too_long_ends_and_its_connection_stays_open() {
    let pool = pool(ConnectionMode::Direct, 1).await;
    let before = number(&pool, PID).await;
    let begun = Instant::now();
    let ended = write(&pool, "INSERT INTO things SELECT 1, 'late' FROM pg_sleep(60)").await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let ended = ended.in_store();
    assert!(ended.to_string().contains("it took too long; nothing was written"), "{ended:?}");
    assert_eq!(number(&pool, PID).await, before);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_behind_a_pooler_is_cancelled() {
    let server = postgres().await;
    let database = server.create_database("late").await;
    let bouncer = pgbouncer(server, PoolMode::Transaction, 4).await;
    let pool = Pool::new(bouncer.url(&database).parse().unwrap(), ConnectionMode::Auto, 2);
    let outside = server.connect(SUPERUSER, &database).await;
    outside.batch_execute("CREATE TABLE things (id int); GRANT ALL ON things TO public").await.unwrap();
    let late = write(&pool, "INSERT INTO things SELECT 1 FROM pg_sleep(60)").await.unwrap_err();
    assert!(matches!(late, Failure::Unanswered(_)), "{late:?}");
    let begun = Instant::now();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
         AND query LIKE '%pg_sleep(60)' AND datname = current_database()";
    while outside.query_one(running, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(begun.elapsed() < Duration::from_secs(5), "it goes on");
        sleep(Duration::from_millis(20)).await;
    }
    number(&pool, "SELECT 1").await;
}

#[tokio::test]
async fn a_dropped_call_disturbs_no_other() {
    for mode in [ConnectionMode::Direct, ConnectionMode::Pooled] {
        let pool = pool(mode, 1).await;
        for id in 0..20 {
            let dropped = put(&pool, id, "dropped");
            tokio::time::timeout(Duration::from_micros(u64::try_from(id).unwrap() * 50), dropped).await.ok();
            let transaction = pool.begin(None).await.unwrap();
            let asked = transaction.query("SELECT pg_sleep(0.05)", &[]);
            assert!(tokio::time::timeout(Duration::from_millis(10), asked).await.is_err());
            drop(transaction);
            put(&pool, 100 + id, "whole").await.unwrap();
        }
        // Another connection sees only what was committed.
        let outside = postgres().await.connect(OWNER, pool.url().database()).await;
        let sql = "SELECT count(*) FROM things WHERE word = 'whole'";
        assert_eq!(outside.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 20);
    }
}

#[tokio::test]
async fn a_connection_keeps_a_bounded_number_of_prepared_statements() {
    let pool = pool(ConnectionMode::Direct, 1).await;
    let kept = "SELECT count(*)::int FROM pg_prepared_statements";
    for round in 0..3 {
        for number_of_statement in 0..MAX_STATEMENTS / 2 {
            number(&pool, &format!("SELECT {number_of_statement}")).await;
        }
        let found = usize::try_from(number(&pool, kept).await).unwrap();
        // A statement that is sent once is not prepared.
        assert_eq!(found > 0, round > 0, "{round}: {found}");
    }
    for number_of_statement in 0..2 * MAX_STATEMENTS {
        for _ in 0..3 {
            number(&pool, &format!("SELECT {number_of_statement}")).await;
        }
    }
    let found = usize::try_from(number(&pool, kept).await).unwrap();
    assert!(found > MAX_STATEMENTS / 2 && found <= MAX_STATEMENTS, "{found}");
}

#[tokio::test]
async fn statements_behind_a_pooler_are_unnamed() {
    let pool = pool(ConnectionMode::Pooled, 1).await;
    for _ in 0..4 {
        assert_eq!(number(&pool, "SELECT count(*)::int FROM pg_prepared_statements").await, 0);
        assert_eq!(number(&pool, "SELECT count(*)::int FROM pg_settings WHERE source = 'session'").await, 0);
    }
}

#[tokio::test]
async fn a_stale_prepared_statement_is_prepared_again() {
    let pool = pool(ConnectionMode::Direct, 1).await;
    put(&pool, 1, "word").await.unwrap();
    let all = "SELECT * FROM things WHERE id = $1";
    let columns =
        || async { pool.query(None, StatementKind::Read, all, &[(&1, Type::INT4)]).await.unwrap()[0].len() };
    for _ in 0..4 {
        assert_eq!(columns().await, 2);
    }
    write(&pool, "ALTER TABLE things ADD COLUMN more int").await.unwrap();
    assert_eq!(columns().await, 3);
    for _ in 0..4 {
        write(&pool, "DEALLOCATE ALL").await.unwrap();
        assert_eq!(columns().await, 3);
    }
}

#[tokio::test]
async fn a_connection_is_replaced_after_serving_so_many_tenants() {
    let pool = pool(ConnectionMode::Direct, 1).await;
    let first = pid(&pool, &tenant(0)).await;
    for number in 0..MAX_TENANTS {
        assert_eq!(pid(&pool, &tenant(number)).await, first);
    }
    assert_eq!(pid(&pool, &tenant(0)).await, first);
    assert_ne!(pid(&pool, &tenant(MAX_TENANTS)).await, first);
}

#[tokio::test]
async fn a_tenant_has_two_home_connections() {
    let pool = pool(ConnectionMode::Direct, 8).await;
    let mut all = HashSet::new();
    for number in 0..40 {
        let mut met = HashSet::new();
        for _ in 0..4 {
            let tenant = tenant(number);
            let ask = || pid(&pool, &tenant);
            let (one, two, three, four) = tokio::join!(ask(), ask(), ask(), ask());
            met.extend([one, two, three, four]);
        }
        assert!(met.len() <= 2, "{met:?}");
        all.extend(met);
    }
    assert_eq!(all.len(), 8, "not every connection is a home");
}

#[tokio::test]
async fn a_busy_tenant_spreads_to_half_of_the_connections() {
    let pool = pool(ConnectionMode::Direct, 6).await;
    number(&pool, "SELECT 1").await;
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let pool = Arc::clone(&pool);
            let sql = "SELECT pg_backend_pid(), pg_sleep(0.02)";
            tokio::spawn(async move {
                pool.query(Some(&tenant(1)), StatementKind::Read, sql, &[]).await.unwrap()[0].get::<_, i32>(0)
            })
        })
        .collect();
    let mut met = HashSet::new();
    for call in calls {
        met.insert(call.await.unwrap());
    }
    assert_eq!(met.len(), 3);
}
