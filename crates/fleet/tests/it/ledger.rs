//! The ledger: earlier revisions are migrated, unknown and edited migrations are refused.

use crate::catalog::everything;
use crate::support::{Database, tenants};

#[tokio::test]
async fn it_records_which_migrations_were_applied_to_which_schema() {
    let database = Database::with("ledger", &["default"]).await;
    let rows = "SELECT COALESCE(tenant, '-') || ' ' || schema || ' ' || revision || ' ' || migration_name
                    || ' ' || status
                    || ' ' || (checksum ~ '^[0-9a-f]{64}$') || ' ' || (finished >= started) || ' ' || by
                FROM public.migration_history ORDER BY tenant NULLS FIRST, revision";
    let owner = context_testing::OWNER;
    let expected = [
        "- public 1 control_schema",
        "default tenant_default 1 create_contexts",
        "default tenant_default 2 context_tree",
        "default tenant_default 3 create_context_inheritance_cache",
        "default tenant_default 4 fix_context_inheritance_cache",
        "default tenant_default 5 context_changes",
    ]
    .map(|row| format!("{row} applied true true {owner}"));
    assert_eq!(database.query_texts(rows).await, expected);
}

#[tokio::test]
async fn a_tenant_at_an_earlier_revision_is_migrated_and_nothing_is_lost() {
    let database = Database::with("behind", &["default"]).await;
    database
        .execute(
            "DROP TABLE tenant_default.context_changes; UPDATE public.tenants SET revision = 4;
             DELETE FROM public.migration_history WHERE tenant = 'default' AND revision = 5",
        )
        .await;
    let words = database.words(&["default"]).await;
    assert_eq!(words[0], "tenant default: the schema tenant_default is at revision 4");
    let report = database.bootstrap(&["default"]).await;
    assert_eq!((report.lost.len(), report.wrong.len(), report.repaired.len()), (0, 0, 2), "{report:?}");
    assert_eq!(database.query_text("SELECT revision FROM public.tenants").await, "5");
    assert_eq!(
        database.query_text("SELECT count(*) FROM public.migration_history WHERE tenant = 'default'").await,
        "5"
    );
}

#[tokio::test]
async fn missing_records_are_written() {
    let database = Database::with("records", &["default"]).await;
    database.execute("DELETE FROM public.migration_history").await;
    let expected = [
        "the control schema is at revision 0",
        "tenant default: the ledger's record of its migrations is missing",
    ];
    assert_eq!(database.words(&["default"]).await, expected);
    let report = database.bootstrap(&["default"]).await;
    assert_eq!((report.repaired.len(), report.wrong.len()), (2, 0), "{report:?}");
    assert_eq!(database.query_text("SELECT count(*) FROM public.migration_history").await, "6");
}

#[tokio::test]
async fn an_edited_migration_is_refused_and_nothing_is_changed() {
    let database = Database::with("edited", &["default", "other"]).await;
    let edit =
        "UPDATE public.migration_history SET checksum = 'other' WHERE tenant = 'other' AND revision = 3;
                DROP INDEX tenant_default.idx_contexts_tags";
    database.execute(edit).await;
    let before = everything(&database).await;
    // It is an unlisted tenant's; bootstrap would install functions for that one too.
    let refusal = database.refusal(&["default"]).await;
    assert!(
        refusal.contains("tenant other: the schema tenant_other was made by migration 3, whose text differs"),
        "{refusal}"
    );
    assert!(refusal.contains("put its file back") && refusal.contains("nothing was changed"), "{refusal}");
    assert_eq!(everything(&database).await, before);
}

#[tokio::test]
async fn a_refusal_names_a_few_findings_and_counts_the_rest() {
    let database = Database::with("many", &["default", "other"]).await;
    database.execute("UPDATE public.migration_history SET checksum = 'other' WHERE tenant IS NOT NULL").await;
    let refusal = database.refusal(&["default"]).await;
    let named = refusal.matches("whose text differs from this version's").count();
    assert!(named == 5 && refusal.contains("; and 5 more such findings: "), "{refusal}");
}

#[tokio::test]
async fn a_newer_revision_is_refused() {
    for (purpose, tenant, who) in [
        ("newer", "'default'", "tenant default: the schema tenant_default"),
        ("newest", "NULL", "the control schema"),
    ] {
        let database = Database::with(purpose, &["default"]).await;
        let newer = format!(
            "INSERT INTO public.migration_history
                 (tenant, schema, revision, migration_name, checksum, status, started, by)
             VALUES ({tenant}, 's', 99, 'later', 'x', 'applied', now(), 'them')"
        );
        database.execute(&newer).await;
        let refusal = database.refusal(&["default"]).await;
        assert!(refusal.contains(&format!("{who} is at revision 99")), "{refusal}");
        assert!(refusal.contains("use that version or a later one"), "{refusal}");
    }
}

#[tokio::test]
async fn an_older_systems_ledger_is_renamed() {
    let database = Database::empty("legacy").await;
    database
        .execute(
            "CREATE TABLE public.migration_history (id serial CONSTRAINT migration_history_pkey PRIMARY KEY,
                                                    version text);
             INSERT INTO public.migration_history (version) VALUES ('001')",
        )
        .await;
    assert!(
        database
            .words(&["default"])
            .await
            .contains(&"the table public.migration_history is an older system's".to_owned())
    );
    let report = database.bootstrap(&["default"]).await;
    assert_eq!(report.made, tenants(&["default"]));
    let notice =
        "the table public.migration_history was an older system's: it is now public.migration_history_legacy";
    assert_eq!((report.notices, report.wrong), (vec![notice.to_owned()], vec![]));
    assert_eq!(database.query_text("SELECT version FROM public.migration_history_legacy").await, "001");
    assert_eq!(database.examine(&["default"]).await, []);
}

#[tokio::test]
async fn another_systems_table_with_our_name_is_refused() {
    for table in ["tenants", "api_keys", "serving_roles"] {
        let database = Database::empty(table).await;
        database.execute(&format!("CREATE TABLE public.{table} (name text)")).await;
        let before = database
            .query_texts("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
            .await;
        let refusal = database.refusal(&["default"]).await;
        assert!(refusal.contains(&format!("the table public.{table} is not this service's")), "{refusal}");
        assert!(refusal.contains("rename it"), "{refusal}");
        let after = database
            .query_texts("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
            .await;
        assert_eq!(after, before);
    }
}
