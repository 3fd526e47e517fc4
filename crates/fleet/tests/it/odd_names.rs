//! Objects whose names are not plain words: found, repaired or left alone as others are.

use context_fleet::{Alteration, DatabaseObject, Finding, FindingKind};

use crate::support::{Database, tenants};

const SCHEMA: &str = "tenant_default";

fn of_default(object: DatabaseObject, kind: FindingKind) -> Finding {
    Finding { tenant: tenants(&["default"]).pop(), object, kind }
}

#[tokio::test]
async fn a_renamed_invalid_index_is_left_and_its_name_is_filled_again() {
    let database = Database::with("renamed_index", &["default"]).await;
    for (index, odd) in
        [("idx_contexts_tags", "my \"old\" tags"), ("idx_contexts_data", "the index idx_contexts_data of x")]
    {
        let quoted = odd.replace('"', "\"\"");
        database.execute(&format!("ALTER INDEX {SCHEMA}.{index} RENAME TO \"{quoted}\"")).await;
        let invalid = format!(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{SCHEMA}.\"{quoted}\"'::regclass"
        );
        database.server.execute(&database.name, &invalid).await;
        let missing = of_default(DatabaseObject::index(SCHEMA, "contexts", index), FindingKind::Missing);
        assert_eq!(database.examine(&["default"]).await, std::slice::from_ref(&missing));
        let report = database.bootstrap(&["default"]).await;
        assert_eq!((report.repaired, report.wrong), (vec![missing], vec![]));
        let left = format!("SELECT count(*) FROM pg_class WHERE relname = '{odd}'");
        assert_eq!(database.query_text(&left).await, "1", "an index that is not ours is left");
    }
}

#[tokio::test]
async fn another_systems_objects_are_reported_by_their_exact_names() {
    let database = Database::with("odd_others", &["default"]).await;
    let damage = r#"ALTER TABLE tenant_default.context_changes RENAME TO "the ""old"" changes of x";
        CREATE TRIGGER "a trigger of ""theirs""" BEFORE UPDATE ON tenant_default.contexts
            FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"#;
    database.execute(damage).await;
    let indexes = ["context_changes_pkey", "idx_context_changes_context", "idx_context_changes_idempotency"]
        .map(str::to_owned)
        .to_vec();
    let found = database.examine(&["default"]).await;
    for expected in [
        of_default(
            DatabaseObject::table(SCHEMA, "the \"old\" changes of x"),
            FindingKind::Altered(Alteration::TakesIndexNames { indexes }),
        ),
        of_default(
            DatabaseObject::table(SCHEMA, "contexts"),
            FindingKind::Altered(Alteration::ForeignTrigger {
                trigger: "a trigger of \"theirs\"".to_owned(),
            }),
        ),
    ] {
        assert!(found.contains(&expected), "{expected:?} is not among {found:#?}");
    }
}

#[tokio::test]
async fn an_older_systems_ledger_is_renamed_with_indexes_of_any_name() {
    let database = Database::empty("odd_ledger").await;
    database
        .execute(
            r#"CREATE TABLE public.migration_history (id int CONSTRAINT "two ""odd"" words" PRIMARY KEY);
               CREATE INDEX "idx; of history" ON public.migration_history (id)"#,
        )
        .await;
    let report = database.bootstrap(&["default"]).await;
    assert_eq!((report.made, report.wrong), (tenants(&["default"]), vec![]));
    let indexes = "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                   WHERE i.indrelid = 'public.migration_history_legacy'::regclass ORDER BY 1";
    assert_eq!(database.query_texts(indexes).await, ["idx; of history_legacy", "two \"odd\" words_legacy"]);
}
