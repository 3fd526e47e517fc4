//! What somebody changed by hand is reported as repaired, lost or still wrong.

use context_fleet::Finding;
use context_testing::{OWNER, SERVER, SUPERUSER};

use crate::support::{Database, refused, serving, tenants};

fn words(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

/// Asserts that `damage` is found, and that bootstrap leaves it as it is.
async fn stays_wrong(purpose: &str, damage: &str, wrong: &[&str]) {
    let database = Database::with(purpose, &["default", "other"]).await;
    database.execute(damage).await;
    assert_eq!(database.words(&["default", "other"]).await, wrong, "{damage}");
    let report = database.bootstrap(&["default", "other"]).await;
    assert_eq!(words(&report.wrong), wrong, "{damage}");
    assert_eq!((words(&report.repaired), words(&report.lost)), (vec![], vec![]), "{damage}");
}

#[tokio::test]
async fn a_column_of_another_type_stays_wrong() {
    stays_wrong(
        "types",
        "ALTER TABLE tenant_default.contexts ALTER COLUMN title TYPE int USING null;
         ALTER TABLE tenant_other.context_changes ALTER COLUMN changed_by TYPE varchar(9)",
        &[
            "tenant default: the column title of contexts is integer, not character varying(255)",
            "tenant other: the column changed_by of context_changes is character varying(9), not text",
        ],
    )
    .await;
}

#[tokio::test]
async fn row_security_rules_and_triggers_stay_wrong() {
    stays_wrong(
        "ways",
        "ALTER TABLE tenant_default.contexts ENABLE ROW LEVEL SECURITY;
         ALTER TABLE tenant_other.contexts FORCE ROW LEVEL SECURITY;
         ALTER TABLE tenant_other.context_inheritance_cache SET UNLOGGED;
         CREATE RULE silent AS ON DELETE TO tenant_default.context_changes DO INSTEAD NOTHING;
         CREATE TRIGGER theirs BEFORE UPDATE ON tenant_default.contexts
             FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();",
        &[
            "tenant default: the table contexts has row-level security, which is not this service's",
            "tenant default: the table contexts has the trigger theirs, which is not this service's",
            "tenant default: the table context_changes has the rule silent, which is not this service's",
            "tenant other: the table contexts has row-level security, which is not this service's",
            "tenant other: the table context_inheritance_cache is unlogged: a crash empties it",
        ],
    )
    .await;
}

#[tokio::test]
async fn rights_of_public_on_a_tenant_are_revoked() {
    let database = Database::with("public", &["default"]).await;
    let open =
        "GRANT USAGE ON SCHEMA tenant_default TO PUBLIC; GRANT SELECT ON tenant_default.contexts TO PUBLIC";
    database.execute(open).await;
    let found = [
        "tenant default: the schema tenant_default is open to every role (PUBLIC)",
        "tenant default: the table contexts is open to every role (PUBLIC)",
    ];
    assert_eq!(database.words(&["default"]).await, found);
    let report = database.bootstrap(&["default"]).await;
    assert_eq!((words(&report.repaired), words(&report.wrong)), (found.map(str::to_owned).to_vec(), vec![]));
    assert_eq!(database.words(&["default"]).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_recreated_schema_public_is_granted_and_its_tables_are_reported_as_lost() {
    let database = Database::empty("renewed").await;
    let plan = serving(&["default"], SERVER);
    database.fleet().await.bootstrap(&plan, &mut |_| {}).await.unwrap();
    let recreate = format!("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION {OWNER}");
    database.server.execute(&database.name, &recreate).await;
    let report = database.fleet().await.bootstrap(&plan, &mut |_| {}).await.unwrap();
    let lost = ["tenants", "api_keys", "migration_history", "serving_roles"]
        .map(|table| format!("the table public.{table} was missing and was recreated, empty"));
    assert_eq!((words(&report.lost), words(&report.wrong)), (lost.to_vec(), vec![]), "{report:?}");
    assert!(!report.installed);
    assert_eq!(database.fleet().await.examine_for(&plan).await.unwrap(), []);
}

#[tokio::test]
async fn one_bootstrap_restores_the_ledger() {
    let records = ["default", "other"]
        .map(|id| format!("tenant {id}: the ledger's record of its migrations is missing"));
    for (purpose, damage, finding) in [
        ("unledgered", "DROP TABLE public.migration_history CASCADE", "is missing"),
        (
            "foreign",
            "ALTER TABLE public.migration_history RENAME COLUMN tenant TO whose",
            "is an older system's",
        ),
    ] {
        let database = Database::with(purpose, &["default", "other"]).await;
        database.execute(damage).await;
        let mut expected = vec![format!("the table public.migration_history {finding}")];
        expected.extend(records.clone());
        assert_eq!(database.words(&["default", "other"]).await, expected, "{damage}");
        let report = database.bootstrap(&["default", "other"]).await;
        assert_eq!((words(&report.wrong), report.made), (vec![], vec![]), "{damage}");
        assert_eq!(database.words(&["default", "other"]).await, Vec::<String>::new(), "{damage}");
    }
}

#[tokio::test]
async fn a_tenant_that_is_only_in_the_ledger_is_lost() {
    let keys = "tenant default: the row in public.tenants was missing and was recreated; any API keys of \
                the tenant are lost";
    for (purpose, damage, lost) in [
        ("keys", "DELETE FROM public.tenants", vec![keys]),
        (
            "all",
            "DELETE FROM public.tenants; DROP SCHEMA tenant_default CASCADE",
            vec![keys, "tenant default: the schema tenant_default was missing and was recreated, empty"],
        ),
    ] {
        let database = Database::with(purpose, &["default"]).await;
        database.execute(damage).await;
        let report = database.bootstrap(&["default"]).await;
        assert_eq!((words(&report.lost), words(&report.wrong)), (words_of(&lost), vec![]), "{damage}");
        assert_eq!(report.made, tenants(&["default"]));
    }
}

fn words_of(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test]
async fn rows_written_by_hand_must_have_ids_and_objects_that_the_service_can_read() {
    let database = Database::with("rows", &["default"]).await;
    let owner = database.owner().await;
    let id = "ctx_01970000-0000-7000-8000-000000000001";
    for (id, data, constraint) in [
        ("ctx_1", "{}", "contexts_id_check"),
        ("ctx_01970000-0000-7000-8000-00000000000G", "{}", "contexts_id_check"),
        (id, "[]", "contexts_context_data_check"),
        (id, "null", "contexts_context_data_check"),
    ] {
        let insert = format!(
            "INSERT INTO tenant_default.contexts (id, context_data, context_type, tenant_id)
             VALUES ('{id}', '{data}', 'note', 'default')"
        );
        let (code, message) = refused(owner.batch_execute(&insert).await);
        assert!(code == "23514" && message.contains(constraint), "{insert}: {message}");
    }
}

#[tokio::test]
async fn a_schema_of_another_role_does_not_hide_what_is_wrong_with_the_others() {
    let database = Database::with("others", &["default", "other"]).await;
    database.execute("DELETE FROM tenant_other.contexts").await;
    let away = format!("ALTER SCHEMA tenant_default OWNER TO {SUPERUSER}");
    database.server.execute(&database.name, &away).await;
    let found = [
        format!(
            "tenant default: the schema tenant_default belongs to the role {SUPERUSER}, not to the owner of \
             the installation"
        ),
        "tenant other: the global node is missing".to_owned(),
    ];
    assert_eq!(database.words(&["default", "other"]).await, found);
    let report = database.bootstrap(&["default", "other"]).await;
    assert_eq!(words(&report.wrong), found[..1], "{report:?}");
}

#[tokio::test]
async fn an_object_of_another_role_is_to_be_given_back_and_not_granted() {
    let database = Database::with("owned", &["default"]).await;
    database.execute("DROP INDEX tenant_default.idx_contexts_tags").await;
    let away = format!("ALTER TABLE tenant_default.contexts OWNER TO {SUPERUSER}");
    database.server.execute(&database.name, &away).await;
    let wrong = words(&database.bootstrap(&["default"]).await.wrong).join("\n");
    assert!(
        wrong.contains("the table contexts belongs to the role") && wrong.contains("OWNER TO"),
        "{wrong}"
    );
    assert!(!wrong.contains("GRANT"), "{wrong}");
}

#[tokio::test]
async fn a_renamed_table_whose_indexes_keep_our_names_is_reported() {
    let database = Database::with("renamed", &["default"]).await;
    database.execute("ALTER TABLE tenant_default.context_changes RENAME TO kept").await;
    let wrong = words(&database.bootstrap(&["default"]).await.wrong);
    let taken = "tenant default: the table kept has indexes whose names this service's tables need: rename \
                 context_changes_pkey, idx_context_changes_context, idx_context_changes_idempotency";
    assert!(wrong.iter().any(|finding| finding == taken), "{wrong:#?}");
}
