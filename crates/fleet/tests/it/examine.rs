//! Every state that a database can be in is found, and bootstrap repairs it or reports that it cannot.

use context_fleet::FindingKind;
use context_testing::SUPERUSER;

use crate::support::{Database, plan, tenants};

/// Damages a database with two tenants, and asserts what is found, repaired and lost.
async fn damaged(purpose: &str, damage: &str, found: &[&str], lost: &[&str]) {
    let database = Database::with(purpose, &["default", "other"]).await;
    database.execute(damage).await;
    let words = database.words(&["default", "other"]).await;
    assert_eq!(words, found, "{damage}");
    let report = database.bootstrap(&["default", "other"]).await;
    let shown =
        |findings: &[context_fleet::Finding]| findings.iter().map(ToString::to_string).collect::<Vec<_>>();
    let recreated: Vec<_> =
        lost.iter().map(|lost| lost.replace("is missing", "was missing and was recreated, empty")).collect();
    assert_eq!(shown(&report.lost), recreated, "{damage}");
    let repaired: Vec<_> =
        found.iter().filter(|finding| !lost.contains(finding)).map(|finding| (*finding).to_owned()).collect();
    assert_eq!(shown(&report.repaired), repaired, "{damage}");
    assert_eq!((shown(&report.wrong), report.made.len(), report.installed), (vec![], 0, false), "{damage}");
    assert_eq!(database.words(&["default", "other"]).await, Vec::<String>::new(), "{damage}");
}

#[tokio::test]
async fn in_an_empty_database_everything_is_missing() {
    let database = Database::empty("nothing").await;
    let found = database.examine(&["default"]).await;
    assert!(found.iter().all(|finding| finding.kind == FindingKind::Missing), "{found:?}");
    let words = database.words(&["default"]).await;
    assert_eq!(words.first().unwrap(), "the table public.tenants is missing");
    assert_eq!(words.last().unwrap(), "tenant default: the schema tenant_default is missing");
    assert_eq!(words.iter().filter(|finding| finding.contains("the function ")).count(), 7);
}

#[tokio::test]
async fn functions_alone_are_no_installation() {
    let database = Database::with("functions", &["default"]).await;
    let gone = "DROP SCHEMA tenant_default CASCADE; DROP TABLE public.api_keys, public.tenants,
                public.serving_roles,
                public.migration_history";
    database.execute(gone).await;
    let words = database.words(&["default"]).await;
    assert_eq!(words.len(), 6, "{words:?}");
    let report = database.bootstrap(&["default"]).await;
    assert!(report.installed && report.lost.is_empty() && report.wrong.is_empty(), "{report:?}");
    assert_eq!(report.made, tenants(&["default"]));
    assert_eq!(database.examine(&["default"]).await, []);
}

#[tokio::test]
async fn functions_are_compared_by_their_bodies_and_replaced() {
    damaged(
        "body",
        "DROP FUNCTION public.cleanup_expired_contexts(text);
         CREATE OR REPLACE FUNCTION public.create_tenant_schema(tenant_id text) RETURNS void LANGUAGE plpgsql
         SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS 'BEGIN END';
         ALTER FUNCTION public.provision_tenant(text, uuid, timestamptz, text) RESET search_path;
         ALTER FUNCTION public.update_updated_at_column() SECURITY DEFINER;
         DROP FUNCTION public.grant_tenant(text);
         CREATE FUNCTION public.grant_tenant(other text) RETURNS integer LANGUAGE sql AS 'SELECT 1';",
        &[
            "the function public.update_updated_at_column() is not what this version makes",
            "the function public.grant_tenant(text) is not this service's",
            "the function public.provision_tenant(text, uuid, timestamptz, text) is not what this version \
             makes",
            "the function public.create_tenant_schema(text) is not what this version makes",
            "the function public.cleanup_expired_contexts(text) is missing",
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn a_table_is_recreated_empty_and_reported_as_lost() {
    let lost = "tenant default: the table context_changes is missing";
    damaged("table", "DROP TABLE tenant_default.context_changes", &[lost], &[lost]).await;
    let lost = "tenant default: the table contexts is missing";
    damaged("contexts", "DROP TABLE tenant_default.contexts", &[lost], &[lost]).await;
    let lost = "tenant other: the schema tenant_other is missing";
    damaged("schema", "DROP SCHEMA tenant_other CASCADE", &[lost], &[lost]).await;
    let lost = "tenant default: the global node is missing";
    damaged("global", "DELETE FROM tenant_default.contexts", &[lost], &[lost]).await;
    let lost = "tenant default: the column resolved_context of context_inheritance_cache is missing";
    let drop = "ALTER TABLE tenant_default.context_inheritance_cache DROP COLUMN resolved_context";
    damaged("column", drop, &[lost], &[lost]).await;
    let lost = "the table public.api_keys is missing";
    damaged("keys", "DROP TABLE public.api_keys", &[lost], &[lost]).await;
}

#[tokio::test]
async fn what_holds_no_data_is_repaired() {
    damaged(
        "parts",
        "DROP INDEX tenant_default.idx_contexts_data; DROP INDEX tenant_other.idx_context_changes_idempotency;
         DROP TRIGGER update_contexts_updated_at ON tenant_default.contexts;
         ALTER TABLE tenant_default.contexts DROP CONSTRAINT contexts_tenant_id_check,
             DROP CONSTRAINT contexts_parent_id_fkey, DROP CONSTRAINT contexts_pkey;
         ALTER TABLE tenant_default.context_inheritance_cache DROP CONSTRAINT context_inheritance_cache_pkey,
             DROP CONSTRAINT chk_cache_context_level;
         ALTER TABLE tenant_other.context_changes DROP CONSTRAINT context_changes_pkey;
         ALTER TABLE public.tenants DROP CONSTRAINT tenants_generation_key;
         DROP INDEX public.idx_api_keys_tenant;",
        &[
            "the constraint tenants_generation_key of public.tenants is missing",
            "the index idx_api_keys_tenant of public.api_keys is missing",
            "tenant default: the index idx_contexts_data of contexts is missing",
            "tenant default: the constraint contexts_parent_id_fkey of contexts is missing",
            "tenant default: the constraint contexts_pkey of contexts is missing",
            "tenant default: the constraint contexts_tenant_id_check of contexts is missing",
            "tenant default: the trigger update_contexts_updated_at of contexts is missing",
            "tenant default: the constraint chk_cache_context_level of context_inheritance_cache is missing",
            "tenant default: the constraint context_inheritance_cache_pkey of context_inheritance_cache is \
             missing",
            "tenant other: the index idx_context_changes_idempotency of context_changes is missing",
            "tenant other: the constraint context_changes_pkey of context_changes is missing",
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn what_exists_and_is_not_in_force_is_made_again() {
    let database = Database::with("force", &["default"]).await;
    database
        .execute(
            "ALTER TABLE tenant_default.contexts DISABLE TRIGGER update_contexts_updated_at;
             ALTER TABLE tenant_default.contexts DROP CONSTRAINT contexts_version_check;
             ALTER TABLE tenant_default.contexts ADD CONSTRAINT contexts_version_check CHECK (version >= 0)
                 NOT VALID;",
        )
        .await;
    let invalid = "UPDATE pg_index SET indisvalid = false
                   WHERE indexrelid = 'tenant_default.idx_contexts_terms'::regclass";
    database.server.execute(&database.name, invalid).await;
    let expected = [
        "tenant default: the index idx_contexts_terms of contexts exists and is not in force",
        "tenant default: the constraint contexts_version_check of contexts exists and is not in force",
        "tenant default: the trigger update_contexts_updated_at of contexts exists and is not in force",
    ];
    assert_eq!(database.words(&["default"]).await, expected);
    let report = database.bootstrap(&["default"]).await;
    assert_eq!((report.repaired.len(), report.wrong.len()), (3, 0), "{report:?}");
    assert_eq!(database.examine(&["default"]).await, []);
}

#[tokio::test]
async fn a_tenant_that_is_not_in_the_directory_is_added_and_keeps_its_data() {
    let database = Database::with("adopted", &["default"]).await;
    database.execute("UPDATE tenant_default.contexts SET title = 'kept'; DELETE FROM public.tenants").await;
    let words = database.words(&["default"]).await;
    assert_eq!(words, ["tenant default: the row in public.tenants is missing"]);
    let report = database.bootstrap(&["default"]).await;
    assert_eq!((report.made, report.repaired.len()), (tenants(&["default"]), 0));
    assert_eq!(database.query_text("SELECT title FROM tenant_default.contexts").await, "kept");
    assert_eq!(database.examine(&["default"]).await, []);
}

#[tokio::test]
async fn what_cannot_be_repaired_is_reported() {
    let database = Database::with("hopeless", &["default", "other"]).await;
    database
        .execute(
            "ALTER TABLE tenant_default.contexts DROP COLUMN title;
             DROP INDEX tenant_other.idx_contexts_global;
             INSERT INTO tenant_other.contexts (id, context_data, context_type, tenant_id, context_level)
             VALUES ('ctx_01970000-0000-7000-8000-000000000002', '{}', 'global', 'other', 'global')",
        )
        .await;
    let report = database.bootstrap(&["default", "other"]).await;
    let wrong: Vec<_> = report.wrong.iter().map(ToString::to_string).collect();
    assert!(
        wrong[0].starts_with("tenant other: the schema tenant_other could not be repaired:"),
        "{wrong:?}"
    );
    assert_eq!(wrong[1], "tenant default: the column title of contexts is missing");
    assert_eq!(wrong[2], "tenant other: the index idx_contexts_global of contexts is missing");
    assert_eq!((wrong.len(), report.repaired.len(), report.lost.len()), (3, 0, 0), "{report:?}");
}

#[tokio::test]
async fn a_table_that_stays_locked_ends_the_examination_with_an_error() {
    let database = Database::with("locked", &["default"]).await;
    let mut holder = database.owner().await;
    let holding = holder.transaction().await.unwrap();
    holding.batch_execute("LOCK TABLE tenant_default.contexts").await.unwrap();
    let fleet = database.fleet().await;
    let error = fleet.examine(&tenants(&["default"])).await.unwrap_err().to_string();
    assert!(error.contains("others kept it locked"), "{error}");
    holding.rollback().await.unwrap();
    assert_eq!(fleet.examine(&tenants(&["default"])).await.unwrap(), []);
}

#[tokio::test]
async fn among_many_tenants_the_one_without_its_global_node_is_found() {
    let database = Database::empty("many").await;
    let ids: Vec<String> = (0..250).map(|number| format!("t{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    database.bootstrap(&ids).await;
    database.execute("DELETE FROM tenant_t7.contexts; DELETE FROM tenant_t249.contexts").await;
    let expected = ["t249", "t7"].map(|id| format!("tenant {id}: the global node is missing"));
    assert_eq!(database.words(&ids).await, expected);
}

#[tokio::test]
async fn only_listed_tenants_are_examined() {
    let database = Database::with("listed", &["default", "other"]).await;
    database.execute("DROP TABLE tenant_other.context_changes").await;
    assert_eq!(database.examine(&["default"]).await, []);
    let report = database.fleet().await.bootstrap(&plan(&["default"]), &mut |_| {}).await.unwrap();
    assert_eq!(report, context_fleet::Report::default());
}

#[tokio::test]
async fn an_installation_of_another_role_is_changed_as_that_role() {
    let database = Database::with("acting", &["default"]).await;
    database
        .execute("DROP TABLE tenant_default.context_changes; DROP FUNCTION public.create_tenant_schema(text)")
        .await;
    let mut fleet = database.fleet_as(SUPERUSER).await;
    let report = fleet.bootstrap(&plan(&["default", "new"]), &mut |_| {}).await.unwrap();
    assert_eq!(report.wrong, []);
    let owners = "SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace::regnamespace::text
                  LIKE 'tenant%'
                  UNION SELECT proowner::regrole FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                  UNION SELECT nspowner::regrole FROM pg_namespace WHERE nspname LIKE 'tenant%'";
    assert_eq!(database.query_texts(owners).await, [context_testing::OWNER]);
}
