//! Two bootstraps or functions at the same time.

use std::time::Duration;

use context_fleet::{Finding, FindingKind, Fleet, Plan, Report};
use context_store::postgres::ConnectionMode;

use crate::support::{Database, plan};

async fn bootstrap(url: String, plan: Plan) -> Report {
    let mut fleet = Fleet::connect(&url.parse().unwrap(), ConnectionMode::Auto).await.unwrap();
    fleet.bootstrap(&plan, &mut |_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bootstraps_of_an_empty_database_both_succeed_and_nothing_is_doubled() {
    let database = Database::empty("two").await;
    let ids: Vec<String> = (0..50).map(|number| format!("t{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let plan = Plan { workers: 3, ..plan(&ids) };
    let url = database.server.url(&database.name);
    let (first, second) =
        (tokio::spawn(bootstrap(url.clone(), plan.clone())), tokio::spawn(bootstrap(url, plan)));
    let reports = [first.await.unwrap(), second.await.unwrap()];
    let mut made = reports.iter().flat_map(|report| report.made.clone()).collect::<Vec<_>>();
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 50, "each was made by one of the two");
    assert_eq!(reports.iter().map(|report| report.made.len()).sum::<usize>(), 50);
    for report in &reports {
        assert_eq!((&report.wrong, &report.lost), (&vec![], &vec![]), "{report:?}");
    }
    assert_eq!(database.examine(&ids).await, []);
    let doubled = "SELECT tenant || revision FROM public.migration_history
                   GROUP BY tenant, revision HAVING count(*) > 1";
    assert_eq!(database.query_texts(doubled).await, Vec::<String>::new());
    assert_eq!(database.query_text("SELECT count(*) FROM public.migration_history").await, "251");
    assert_eq!(database.query_text("SELECT count(*) FROM public.tenants").await, "50");
    for id in ids {
        let nodes = format!("SELECT count(*) FROM tenant_{id}.contexts");
        assert_eq!(database.query_text(&nodes).await, "1", "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_calls_that_make_one_tenant_make_one() {
    let database = Database::with("makers", &["default"]).await;
    for round in 0..10 {
        let make = |owner: tokio_postgres::Client| async move {
            let sql =
                "SELECT public.provision_tenant($1, gen_random_uuid(), now(), 'ctx_' || gen_random_uuid())";
            owner.query_one(sql, &[&format!("round{round}")]).await.unwrap().get::<_, bool>(0)
        };
        let makers = (0..4).map(|_| database.owner());
        let mut running = Vec::new();
        for maker in makers {
            running.push(tokio::spawn(make(maker.await)));
        }
        let mut new = 0;
        for maker in running {
            new += u32::from(maker.await.unwrap());
        }
        assert_eq!(new, 1, "one of four made the tenant");
    }
    assert_eq!(
        database.query_text("SELECT count(*) FROM public.migration_history WHERE tenant = 'round3'").await,
        "5"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_somebody_creates_at_the_same_moment_is_filled() {
    let database = Database::with("moment", &["default"]).await;
    for (id, end) in [("kept", "COMMIT"), ("given-up", "ROLLBACK")] {
        let somebody = database.owner().await;
        somebody.batch_execute(&format!("BEGIN; CREATE SCHEMA \"tenant_{id}\"")).await.unwrap();
        let maker = database.owner().await;
        let make = format!("SELECT public.create_tenant_schema('{id}')");
        let making = tokio::spawn(async move { maker.batch_execute(&make).await });
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'
                     AND database IS NULL 
                     AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
        while database.query_text(waits).await == "0" {
            assert!(!making.is_finished(), "{id}: it did not wait for the other transaction");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        somebody.batch_execute(end).await.unwrap();
        making.await.unwrap().unwrap();
        assert_eq!(database.examine(&[id]).await, [], "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_repair_one_tenant_wait_for_each_other() {
    let database = Database::with("turns", &["default"]).await;
    for _ in 0..5 {
        database.execute("DROP SCHEMA tenant_default CASCADE").await;
        let mut running = Vec::new();
        for _ in 0..4 {
            let maker = database.owner().await;
            running.push(tokio::spawn(async move {
                maker.batch_execute("SELECT public.create_tenant_schema('default')").await
            }));
        }
        for maker in running {
            assert!(maker.await.unwrap().is_ok());
        }
    }
    assert_eq!(database.examine(&["default"]).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_bootstraps_that_repair_the_same_tenants_both_succeed() {
    let database = Database::with("repairers", &["a", "b", "c"]).await;
    for id in ["a", "b", "c"] {
        database
            .execute(&format!(
                "DROP TABLE tenant_{id}.context_changes; DROP INDEX tenant_{id}.idx_contexts_tags"
            ))
            .await;
    }
    database.execute("DROP FUNCTION public.cleanup_expired_contexts(text)").await;
    let url = database.server.url(&database.name);
    let plan = plan(&["a", "b", "c"]);
    let (first, second) =
        (tokio::spawn(bootstrap(url.clone(), plan.clone())), tokio::spawn(bootstrap(url, plan)));
    let reports = [first.await.unwrap(), second.await.unwrap()];
    for report in &reports {
        let wrong: Vec<&Finding> = report
            .wrong
            .iter()
            .filter(|finding| matches!(finding.kind, FindingKind::Refused { .. }))
            .collect();
        assert_eq!(wrong, Vec::<&Finding>::new(), "{report:?}");
    }
    assert_eq!(database.examine(&["a", "b", "c"]).await, []);
}
