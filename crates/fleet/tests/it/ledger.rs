//! The ledger: what is behind is brought up, what is strange is refused.

use crate::catalog::everything;
use crate::support::{Database, tenants};

#[tokio::test]
async fn it_says_what_was_done_to_whom() {
    let database = Database::with("ledger", &["default"]).await;
    let rows = "SELECT COALESCE(tenant, '-') || ' ' || schema || ' ' || revision || ' ' || migration_name || ' ' || status
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
    assert_eq!(database.texts(rows).await, expected);
}

#[tokio::test]
async fn a_tenant_that_is_behind_is_brought_up_and_nothing_is_lost() {
    let database = Database::with("behind", &["default"]).await;
    database
        .run(
            "DROP TABLE tenant_default.context_changes; UPDATE public.tenants SET revision = 4;
             DELETE FROM public.migration_history WHERE tenant = 'default' AND revision = 5",
        )
        .await;
    let words = database.words(&["default"]).await;
    assert_eq!(words[0], "tenant default: the schema is at revision 4");
    let report = database.bootstrap(&["default"]).await;
    assert_eq!((report.lost.len(), report.wrong.len(), report.repaired.len()), (0, 0, 2), "{report:?}");
    assert_eq!(database.text("SELECT revision FROM public.tenants").await, "5");
    assert_eq!(
        database.text("SELECT count(*) FROM public.migration_history WHERE tenant = 'default'").await,
        "5"
    );
}

#[tokio::test]
async fn records_that_are_missing_are_written() {
    let database = Database::with("records", &["default"]).await;
    database.run("DELETE FROM public.migration_history").await;
    let expected = [
        "the control schema is at revision 0",
        "tenant default: the ledger's record of its migrations is missing",
    ];
    assert_eq!(database.words(&["default"]).await, expected);
    let report = database.bootstrap(&["default"]).await;
    assert_eq!((report.repaired.len(), report.wrong.len()), (2, 0), "{report:?}");
    assert_eq!(database.text("SELECT count(*) FROM public.migration_history").await, "6");
}

#[tokio::test]
async fn an_edited_migration_is_refused_and_nothing_is_changed() {
    let database = Database::with("edited", &["default", "other"]).await;
    let edit =
        "UPDATE public.migration_history SET checksum = 'other' WHERE tenant = 'other' AND revision = 3;
                DROP INDEX tenant_default.idx_contexts_tags";
    database.run(edit).await;
    let before = everything(&database).await;
    // It is another tenant's; the functions would serve that one too.
    let refusal = database.refusal(&["default"]).await;
    assert!(
        refusal.contains("tenant other: the schema was made by another text of the migration 3"),
        "{refusal}"
    );
    assert!(refusal.contains("put its file back") && refusal.contains("nothing was changed"), "{refusal}");
    assert_eq!(everything(&database).await, before);
}

#[tokio::test]
async fn a_refusal_names_a_few_and_counts_the_rest() {
    let database = Database::with("many", &["default", "other"]).await;
    database.run("UPDATE public.migration_history SET checksum = 'other' WHERE tenant IS NOT NULL").await;
    let refusal = database.refusal(&["default"]).await;
    let named = refusal.matches("the schema was made by another text").count();
    assert!(named == 5 && refusal.contains("; and 5 findings more of that kind: "), "{refusal}");
}

#[tokio::test]
async fn a_newer_revision_is_refused() {
    for (purpose, tenant, who) in
        [("newer", "'default'", "tenant default: the schema"), ("newest", "NULL", "the control schema")]
    {
        let database = Database::with(purpose, &["default"]).await;
        let newer = format!(
            "INSERT INTO public.migration_history
                 (tenant, schema, revision, migration_name, checksum, status, started, by)
             VALUES ({tenant}, 's', 99, 'later', 'x', 'applied', now(), 'them')"
        );
        database.run(&newer).await;
        let refusal = database.refusal(&["default"]).await;
        assert!(refusal.contains(&format!("{who} is at revision 99")), "{refusal}");
        assert!(refusal.contains("use that version or a later one"), "{refusal}");
    }
}

#[tokio::test]
async fn an_older_systems_ledger_makes_way() {
    let database = Database::empty("legacy").await;
    database
        .run(
            "CREATE TABLE public.migration_history (id serial CONSTRAINT migration_history_pkey PRIMARY KEY, version text);
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
    assert_eq!(database.text("SELECT version FROM public.migration_history_legacy").await, "001");
    assert_eq!(database.examine(&["default"]).await, []);
}

#[tokio::test]
async fn a_directory_of_another_systems_is_refused_by_name() {
    for table in ["tenants", "api_keys", "serving_roles"] {
        let database = Database::empty(table).await;
        database.run(&format!("CREATE TABLE public.{table} (name text)")).await;
        let before =
            database.texts("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace").await;
        let refusal = database.refusal(&["default"]).await;
        assert!(
            refusal.contains(&format!("the table public.{table} is something else of that name")),
            "{refusal}"
        );
        assert!(refusal.contains("rename it"), "{refusal}");
        let after =
            database.texts("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace").await;
        assert_eq!(after, before);
    }
}
