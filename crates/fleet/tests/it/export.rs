//! Exports load back, and only what was exported is dropped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use context_fleet::Plan;
use context_testing::SERVER;
use tempfile::TempDir;

use crate::support::{Database, plan, serving, tenants};

const IDS: [&str; 2] = ["default", "my-tenant"];

/// Every row of the tenants' tables and of the keys, as text.
async fn rows(database: &Database) -> Vec<String> {
    let mut all = Vec::new();
    for id in IDS {
        for table in ["contexts", "context_changes", "context_inheritance_cache"] {
            let sql = format!("SELECT '{id} {table} ' || t::text FROM \"tenant_{id}\".{table} t ORDER BY 1");
            all.extend(database.query_texts(&sql).await);
        }
    }
    all.extend(database.query_texts("SELECT k::text FROM public.api_keys k ORDER BY 1").await);
    all.extend(database.query_texts("SELECT id || created_at FROM public.tenants ORDER BY 1").await);
    all
}

/// A database with values that are hard to write as text.
async fn filled(purpose: &str) -> Database {
    let database = Database::empty(purpose).await;
    database.fleet().await.bootstrap(&serving(&IDS, SERVER), &mut |_| {}).await.unwrap();
    for id in IDS {
        database
            .execute(&format!(
                r#"INSERT INTO "tenant_{id}".contexts
                       (id, context_data, context_type, title, description, tags, tenant_id, expires_at,
                        parent_id, node_key, context_level, inheritance, terms)
                   SELECT 'ctx_01970000-0000-7000-8000-' || lpad(n::text, 12, '0'),
                          jsonb_build_object('n', n, 'text', E'tab\t line\n \\ "quote" \\N ü 🦀', 'big', 1e100,
                          'null', NULL), 'project', E'\\N', '', ARRAY['a b', 'c,"d"', NULL, '{{}}'], '{id}',
                          'infinity', (SELECT id FROM "tenant_{id}".contexts WHERE context_level = 'global'),
                          E'key\t' || n, 'project', '{{"inherit": false}}', NULL
                   FROM generate_series(1, 300) n;
                   INSERT INTO "tenant_{id}".contexts (id, context_data, context_type, tenant_id, parent_id,
                        node_key, context_level)
                   VALUES ('ctx_00000000-0000-7000-8000-000000000000', '{{}}', 'branch', '{id}',
                           'ctx_01970000-0000-7000-8000-000000000300', 'b', 'branch');
                   INSERT INTO "tenant_{id}".context_changes VALUES
                       ('{id}', pg_current_xact_id(), 'ctx_01970000-0000-7000-8000-000000000001', 1,
                       'create', '2020-02-29 12:00:00.123456+02', 'me', 'r', 'p', 'k',
                        'h', '{{"a": [1.10, null]}}');
                   INSERT INTO "tenant_{id}".context_inheritance_cache (id, context_id, parent_chain,
                   hit_count)
                   VALUES ('i', 'ctx_01970000-0000-7000-8000-000000000001', '["x"]', 7);
                   INSERT INTO public.api_keys VALUES ('key-{id}', E'a\nname', '{id}', 'read', 'hash',
                   now());"#
            ))
            .await;
    }
    database.execute("INSERT INTO public.api_keys VALUES ('operator', 'o', NULL, NULL, 'hash', now())").await;
    database
}

#[tokio::test]
async fn an_export_loads_back_into_a_fresh_installation_row_for_row() {
    let (database, scratch) = (filled("source").await, TempDir::new().unwrap());
    let folder = scratch.path().join("export");
    let export = database.fleet().await.export(&tenants(&IDS), &folder).await.unwrap();
    assert_eq!(
        (export.script.as_path(), export.folder.as_path()),
        (folder.join("load.sql").as_path(), folder.as_path())
    );
    // Contexts, the two records of each tenant, and the control schema's: 2 tenants, 3 keys, 11 in the
    // ledger, 1 role.
    assert_eq!(export.rows, 2 * (302 + 2) + 2 + 3 + 11 + 1);

    let fresh = Database::with("fresh", &["default"]).await;
    fresh.psql(&folder, &["-f", "load.sql"]).unwrap();
    assert_eq!(rows(&fresh).await, rows(&database).await);
    assert_eq!(fresh.examine(&IDS).await, []);
    let generations = "SELECT generation FROM public.tenants ORDER BY id";
    assert_ne!(fresh.query_texts(generations).await, database.query_texts(generations).await);

    // A second time it overwrites nothing, and ends with an error.
    // A tenant with contexts is not empty, and neither is one with change records only.
    let newer = "UPDATE tenant_default.contexts SET title = 'newer'
                 WHERE id = 'ctx_01970000-0000-7000-8000-000000000001';
                 DELETE FROM tenant_default.context_changes; DELETE FROM \"tenant_my-tenant\".contexts";
    fresh.execute(newer).await;
    let refusal = fresh.psql(&folder, &["-f", "load.sql"]).unwrap_err();
    assert!(
        refusal.contains("left as they are:  default my-tenant") && refusal.contains("not everything"),
        "{refusal}"
    );
    let title = "SELECT title FROM tenant_default.contexts
                 WHERE id = 'ctx_01970000-0000-7000-8000-000000000001'";
    assert_eq!(fresh.query_text(title).await, "newer");
}

#[tokio::test]
async fn only_the_owner_may_read_its_files_and_its_manifest_counts_them() {
    let (database, scratch) = (filled("files").await, TempDir::new().unwrap());
    let folder = scratch.path().join("export");
    database.fleet().await.export(&tenants(&IDS), &folder).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let manifest: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.join("manifest.json")).unwrap()).unwrap();
    let tables = manifest["tenants"]["my-tenant"].as_array().unwrap();
    assert_eq!(tables.len(), 3);
    for table in tables.iter().chain(manifest["control"].as_array().unwrap()) {
        let file = folder.join(table["file"].as_str().unwrap());
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700), "{table}");
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(table["rows"].as_u64().unwrap(), text.lines().count() as u64, "{table}");
        assert_eq!(table["bytes"].as_u64().unwrap(), text.len() as u64, "{table}");
    }
}

#[tokio::test]
async fn a_folder_that_exists_is_not_written_to() {
    let (database, scratch) = (filled("there").await, TempDir::new().unwrap());
    let before = rows(&database).await;
    let error = database.fleet().await.export(&tenants(&IDS), scratch.path()).await.unwrap_err().to_string();
    assert!(error.contains("exists already") && error.contains(scratch.path().to_str().unwrap()), "{error}");
    let error = database.fleet().await.export(&tenants(&IDS), &scratch.path().join("a/b")).await.unwrap_err();
    assert!(error.to_string().contains("cannot make the folder"), "{error}");
    assert_eq!(rows(&database).await, before);
}

#[tokio::test]
async fn an_export_is_one_snapshot() {
    let (database, scratch) = (filled("snapshot").await, TempDir::new().unwrap());
    let mut writer = database.owner().await;
    // The export waits at the first tenant's table, with its snapshot taken; what the second loses meanwhile
    // is in it.
    let writing = writer.transaction().await.unwrap();
    writing.batch_execute("LOCK TABLE tenant_default.contexts IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let (mut fleet, folder) = (database.fleet().await, scratch.path().join("export"));
    let exporting = tokio::spawn(async move { fleet.export(&tenants(&IDS), &folder).await.unwrap() });
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(!exporting.is_finished());
    writing
        .batch_execute(
            "DELETE FROM \"tenant_my-tenant\".contexts WHERE id = 'ctx_01970000-0000-7000-8000-000000000001'",
        )
        .await
        .unwrap();
    writing.commit().await.unwrap();
    assert_eq!(exporting.await.unwrap().rows, 2 * (302 + 2) + 2 + 3 + 11 + 1);
}

#[tokio::test]
async fn recreated_tenants_are_empty_and_what_was_exported_loads_back() {
    let (database, scratch) = (filled("recreate").await, TempDir::new().unwrap());
    let before = rows(&database).await;
    let generations = "SELECT generation FROM public.tenants ORDER BY id";
    let old = database.query_texts(generations).await;
    let last = database.query_text("SELECT max(id) FROM public.migration_history").await;
    let folder = scratch.path().join("export");
    let mut fleet = database.fleet().await;
    let export = fleet.export(&tenants(&IDS), &folder).await.unwrap();
    let mut steps = 0;
    let report = fleet.recreate(&export, &plan(&IDS), &mut |_| steps += 1).await.unwrap();
    assert_eq!((report.made, report.wrong, report.lost, steps), (tenants(&IDS), vec![], vec![], 2));
    assert_eq!(database.query_text("SELECT count(*) FROM tenant_default.contexts").await, "1");
    assert_eq!(database.query_text("SELECT count(*) FROM tenant_default.context_changes").await, "0");
    assert_eq!(database.query_text("SELECT count(*) FROM public.api_keys").await, "3", "keys stay");
    let ledger =
        format!("SELECT count(*) FROM public.migration_history WHERE id > {last} AND tenant IS NOT NULL");
    assert_eq!(database.query_text(&ledger).await, "10", "it records when they were recreated");
    assert_eq!(database.query_text("SELECT count(*) FROM public.migration_history").await, "11");
    assert!(database.query_texts(generations).await.iter().all(|new| !old.contains(new)));
    assert_eq!(database.examine(&IDS).await, []);
    database.psql(&folder, &["-f", "load.sql"]).unwrap();
    assert_eq!(rows(&database).await, before);
}

#[tokio::test]
async fn a_tenant_that_was_written_since_the_export_is_not_dropped() {
    let (database, scratch) = (filled("since").await, TempDir::new().unwrap());
    let mut fleet = database.fleet().await;
    let export = fleet.export(&tenants(&IDS), &scratch.path().join("export")).await.unwrap();
    database
        .execute(
            "UPDATE \"tenant_my-tenant\".contexts SET title = 'since'
             WHERE id = 'ctx_01970000-0000-7000-8000-000000000007';
             UPDATE tenant_default.context_inheritance_cache SET hit_count = 8",
        )
        .await;
    let report = fleet.recreate(&export, &Plan { workers: 1, ..plan(&IDS) }, &mut |_| {}).await.unwrap();
    assert_eq!(report.made, tenants(&["default"]), "the cache does not count as written");
    assert_eq!(report.wrong.len(), 1);
    assert!(report.wrong[0].to_string().contains("tenant my-tenant"), "{}", report.wrong[0]);
    assert!(report.wrong[0].to_string().contains("written to since it was exported"), "{}", report.wrong[0]);
    let title = "SELECT title FROM \"tenant_my-tenant\".contexts
                 WHERE id = 'ctx_01970000-0000-7000-8000-000000000007'";
    assert_eq!(database.query_text(title).await, "since");
}

#[tokio::test]
async fn a_damaged_tenant_and_another_systems_table_are_exported_as_they_are() {
    let (database, scratch) = (filled("damaged").await, TempDir::new().unwrap());
    database
        .execute(
            "DROP TABLE tenant_default.context_changes; DROP FUNCTION public.create_tenant_schema(text);
             DROP TABLE public.api_keys, public.tenants;
             CREATE TABLE tenant_default.\"their's / notes\" (n int);
             INSERT INTO tenant_default.\"their's / notes\" VALUES (7)",
        )
        .await;
    let (mut fleet, folder) = (database.fleet().await, scratch.path().join("export"));
    let export = fleet.export(&tenants(&IDS), &folder).await.unwrap();
    assert_eq!(fs::read_to_string(folder.join("tenant_default/their~s~~~notes.txt")).unwrap(), "7\n");
    let report = fleet.recreate(&export, &plan(&IDS), &mut |_| {}).await.unwrap();
    assert_eq!((report.made, report.wrong), (tenants(&IDS), vec![]));
    database.psql(&folder, &["-f", "load.sql"]).unwrap();
    assert_eq!(database.query_text("SELECT count(*) FROM tenant_default.contexts").await, "302");
}

#[tokio::test]
async fn no_file_is_written_twice() {
    let (database, scratch) = (Database::with("twice", &["default"]).await, TempDir::new().unwrap());
    database.execute("CREATE TABLE tenant_default.\"a/b\" (); CREATE TABLE tenant_default.\"a?b\" ()").await;
    let folder = scratch.path().join("export");
    let error = database.fleet().await.export(&tenants(&["default"]), &folder).await.unwrap_err().to_string();
    assert!(error.contains("cannot make the file") && error.contains("a~b.txt"), "{error}");
}
