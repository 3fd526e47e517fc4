//! Bootstrap, from nothing and again, and what it reports.

use std::time::{Duration, Instant};

use context_fleet::{Progress, Report};
use context_testing::OWNER;

use crate::catalog::everything;
use crate::support::{Database, plan, tenants};

/// How long one attempt at a change waits for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn an_empty_database_becomes_an_installation_and_stays_one() {
    let database = Database::empty("bootstrap").await;
    let ids = ["default", "my-tenant", "my_tenant"];
    let mut seen = Vec::new();
    let report =
        database.fleet().await.bootstrap(&plan(&ids), &mut |progress| seen.push(progress)).await.unwrap();
    assert_eq!(report, Report { installed: true, made: tenants(&ids), ..Report::default() });
    let steps: Vec<_> = (1..=3).map(|done| Progress { done, of: 3 }).collect();
    assert_eq!(seen, steps);
    assert_eq!(database.examine(&ids).await, []);

    let before = everything(&database).await;
    assert_eq!(database.bootstrap(&ids).await, Report::default());
    assert_eq!(everything(&database).await, before, "a second bootstrap changed something");
}

#[tokio::test]
async fn psql_shows_what_was_made() {
    let database = Database::with("newcomer", &["default", "demo", "my-tenant"]).await;
    let routines = database
        .query_texts(
            "SELECT routine_name FROM information_schema.routines WHERE routine_schema = 'public' ORDER BY 1",
        )
        .await;
    for routine in ["cleanup_expired_contexts", "create_tenant_schema", "update_updated_at_column"] {
        assert!(routines.iter().any(|found| found == routine), "{routines:?}");
    }
    let schemas =
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'tenant\\_%' ORDER BY 1";
    assert_eq!(database.query_texts(schemas).await, ["tenant_default", "tenant_demo", "tenant_my-tenant"]);
    let global = "SELECT context_level || ' ' || version || ' ' || context_data || ' ' || terms::text
                      || ' ' || tags::text
                  FROM tenant_default.contexts";
    assert_eq!(database.query_text(global).await, "global 0 {} {} {}");
    let comment = "SELECT obj_description('tenant_default'::regnamespace, 'pg_namespace')";
    assert_eq!(database.query_text(comment).await, "context-service: tenant revision 5");
    let indexes =
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'tenant_default' AND tablename = 'contexts'";
    let indexes = database.query_texts(indexes).await;
    for index in ["tenant_id", "user_id", "context_type", "created_at", "expires_at", "tags", "data"] {
        assert!(indexes.contains(&format!("idx_contexts_{index}")), "{index}: {indexes:?}");
    }
    let cache = "SELECT column_name FROM information_schema.columns
                 WHERE table_schema = 'tenant_default' AND table_name = 'context_inheritance_cache'";
    assert_eq!(database.query_texts(cache).await.len(), 17);
}

#[tokio::test]
async fn with_nothing_to_do_it_waits_for_no_lock() {
    let database = Database::with("quiet", &["default"]).await;
    let mut reader = database.owner().await;
    let reading = reader.transaction().await.unwrap();
    let locks = "LOCK TABLE tenant_default.contexts, tenant_default.context_changes IN ACCESS SHARE MODE;
                 LOCK TABLE tenant_default.contexts, tenant_default.context_changes IN ROW EXCLUSIVE MODE;
                 UPDATE tenant_default.contexts SET title = 'written';
                 SELECT FROM public.tenants FOR UPDATE";
    reading.batch_execute(locks).await.unwrap();
    let started = Instant::now();
    assert_eq!(database.bootstrap(&["default"]).await, Report::default());
    assert!(started.elapsed() < LOCK_TIMEOUT, "{:?}", started.elapsed());
    reading.rollback().await.unwrap();
}

#[tokio::test]
async fn a_locked_tenant_is_reported_and_the_others_are_repaired() {
    let database = Database::with("held", &["held", "free"]).await;
    database
        .execute("DROP INDEX tenant_held.idx_contexts_tags; DROP INDEX tenant_free.idx_contexts_tags")
        .await;
    let mut holder = database.owner().await;
    let holding = holder.transaction().await.unwrap();
    holding.batch_execute("LOCK TABLE tenant_held.contexts IN ACCESS SHARE MODE").await.unwrap();
    let report = database.bootstrap(&["held", "free"]).await;
    assert_eq!(report.repaired.len(), 1, "{report:?}");
    let wrong: Vec<_> = report.wrong.iter().map(ToString::to_string).collect();
    assert!(
        wrong[0].starts_with("tenant held: the schema tenant_held could not be repaired")
            && wrong[0].contains("locked"),
        "{wrong:?}"
    );
    assert_eq!(wrong[1], "tenant held: the index idx_contexts_tags of contexts is missing");
    holding.rollback().await.unwrap();
    let report = database.bootstrap(&["held", "free"]).await;
    assert_eq!((report.repaired.len(), report.wrong.len()), (1, 0), "{report:?}");
}

#[tokio::test]
async fn a_lock_that_is_released_in_time_is_waited_for() {
    let database = Database::with("patience", &["default"]).await;
    database.execute("DROP INDEX tenant_default.idx_contexts_tags").await;
    let mut holder = database.owner().await;
    let holding = tokio::spawn(async move {
        let holding = holder.transaction().await.unwrap();
        holding.batch_execute("LOCK TABLE tenant_default.contexts IN ACCESS SHARE MODE").await.unwrap();
        // Longer than one wait for a lock.
        tokio::time::sleep(LOCK_TIMEOUT + Duration::from_secs(1)).await;
        holding.rollback().await.unwrap();
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let report = database.bootstrap(&["default"]).await;
    holding.await.unwrap();
    assert_eq!((report.repaired.len(), report.wrong.len()), (1, 0), "{report:?}");
}

#[tokio::test]
async fn the_catalogs_are_analyzed_after_many_tenants_were_made() {
    let database = Database::empty("mass").await;
    let ids: Vec<String> = (0..60).map(|number| format!("t{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    database.bootstrap(&ids).await;
    let analyzed = "SELECT reltuples >= 60 * 30 FROM pg_class WHERE oid = 'pg_class'::regclass";
    assert_eq!(
        database.query_text(analyzed).await,
        "true",
        "{OWNER} owns the database, and may analyze its catalogs"
    );
}
