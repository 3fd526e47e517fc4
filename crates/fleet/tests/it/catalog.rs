//! A tenant is the same, however it was made, and what is expected of it is generated from one that was made.

use std::fs;
use std::path::Path;

use context_testing::SERVER;

use crate::support::{Database, serving};

/// Everything that the catalogs and the control schema hold, object ids included.
pub(crate) async fn everything(database: &Database) -> Vec<String> {
    let mut all = database
        .query_texts(
            "SELECT 'class ' || c.oid || c.relname || c.relfilenode || COALESCE(c.relacl::text, '')
             FROM pg_class c
             WHERE c.relnamespace::regnamespace::text NOT LIKE 'pg_%'
             UNION ALL SELECT 'constraint ' || oid || conname FROM pg_constraint WHERE conrelid <> 0
             UNION ALL SELECT 'trigger ' || oid || tgname FROM pg_trigger
             UNION ALL SELECT 'function ' || oid || proname || xmin || COALESCE(proacl::text, '') FROM pg_proc
                       WHERE pronamespace = 'public'::regnamespace
             UNION ALL SELECT 'schema ' || oid || nspname || COALESCE(nspacl::text, '') FROM pg_namespace
                       WHERE nspname NOT LIKE 'pg_%'
             UNION ALL SELECT 'tenant ' || t.xmin || t::text FROM public.tenants t
             UNION ALL SELECT 'ledger ' || h.xmin || h::text FROM public.migration_history h
             UNION ALL SELECT 'role ' || r.xmin || r::text FROM public.serving_roles r
             ORDER BY 1",
        )
        .await;
    all.sort();
    all
}

/// What the catalogs hold of a tenant's schema, without its name and id and the order of columns.
async fn dump(database: &Database, id: &str) -> Vec<String> {
    let lines = database
        .query_texts(&format!(
            "WITH tables AS (SELECT * FROM pg_class
                             WHERE relnamespace = 'tenant_{id}'::regnamespace AND relkind = 'r')
             SELECT format('column %s %s %s notnull=%s default=%s collation=%s generated=%s storage=%s',
                           c.relname,
                           a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                           pg_get_expr(d.adbin, d.adrelid), a.attcollation::regcollation, a.attgenerated,
                           a.attstorage)
             FROM tables c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
             UNION ALL
             SELECT format('constraint %s %s %s', k.conname, pg_get_constraintdef(k.oid), k.convalidated)
             FROM tables c JOIN pg_constraint k ON k.conrelid = c.oid
             UNION ALL
             SELECT format('index %s %s %s', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready)
             FROM tables c JOIN pg_index i ON i.indrelid = c.oid
             UNION ALL
             SELECT format('trigger %s %s', pg_get_triggerdef(t.oid), t.tgenabled)
             FROM tables c JOIN pg_trigger t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal
             UNION ALL
             SELECT format('table %s owner=%s acl=%s comment=%s persistence=%s options=%s', relname,
                           relowner::regrole, relacl, obj_description(oid, 'pg_class'), relpersistence,
                           reloptions)
             FROM tables
             UNION ALL
             SELECT format('schema owner=%s acl=%s comment=%s', nspowner::regrole, nspacl,
                           obj_description(oid, 'pg_namespace'))
             FROM pg_namespace WHERE nspname = 'tenant_{id}'
             UNION ALL
             SELECT format('ledger %s %s %s %s %s', schema, revision, migration_name, checksum, status)
             FROM public.migration_history WHERE tenant = '{id}'
             UNION ALL
             SELECT format('node %s %s %s %s %s %s %s', context_type, context_data, tags, terms,
                           context_level, version, created_at = updated_at
                               AND created_at = (SELECT created_at FROM public.tenants WHERE id = '{id}'))
             FROM tenant_{id}.contexts
             UNION ALL
             SELECT format('directory %s', revision) FROM public.tenants WHERE id = '{id}'"
        ))
        .await;
    let mut lines: Vec<String> = lines
        .iter()
        .map(|line| line.replace(&format!("tenant_{id}"), "SCHEMA").replace(&format!("'{id}'"), "ID"))
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_tenant_is_the_same_however_it_was_made() {
    let database = Database::empty("same").await;
    database.fleet().await.bootstrap(&serving(&["bootstrapped"], SERVER), &mut |_| {}).await.unwrap();
    database.psql(Path::new("."), &["-c", "SELECT create_tenant_schema('from_psql')"]).unwrap();
    let provision = "SELECT public.provision_tenant('provisioned', gen_random_uuid(), now(),
                                                    'ctx_' || gen_random_uuid())";
    assert_eq!(database.query_text(provision).await, "true");
    database
        .execute("SELECT public.create_tenant_schema('repaired'); DROP SCHEMA tenant_repaired CASCADE")
        .await;
    database.bootstrap(&["repaired"]).await;

    let expected = dump(&database, "bootstrapped").await;
    assert!(expected.len() > 80, "{expected:#?}");
    for id in ["from_psql", "provisioned", "repaired"] {
        assert_eq!(dump(&database, id).await, expected, "{id}");
    }
    assert_eq!(database.examine(&["bootstrapped", "from_psql", "provisioned", "repaired"]).await, []);
}

/// Makes a tenant's schema as it was at an earlier revision; an empty one at revision 0.
async fn make_at_revision(database: &Database, id: &str, revision: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/tenant");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    let texts: Vec<_> = files.iter().take(revision).map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(texts.len(), revision);
    let schema = format!("tenant_{id}");
    let tables = texts.concat().replace("{schema}", &schema).replace("{tenant}", &format!("'{id}'"));
    let listed = format!("INSERT INTO public.tenants VALUES ('{id}', gen_random_uuid(), now(), {revision})");
    database.execute(&format!("CREATE SCHEMA {schema}; {tables} {listed}")).await;
}

#[tokio::test]
async fn a_fresh_tenant_and_one_of_any_earlier_revision_are_the_same() {
    let database = Database::empty("revisions").await;
    database.fleet().await.bootstrap(&serving(&["fresh"], SERVER), &mut |_| {}).await.unwrap();
    let expected = dump(&database, "fresh").await;
    let last: usize = database.query_text("SELECT revision FROM public.tenants").await.parse().unwrap();
    for revision in 0..last {
        let id = format!("at{revision}");
        make_at_revision(&database, &id, revision).await;
        database.bootstrap(&[&id]).await;
        let found = dump(&database, &id).await;
        let differs = |line: &&String| !(found.contains(line) && expected.contains(line));
        let differences: Vec<_> = expected.iter().chain(&found).filter(differs).collect();
        assert_eq!(differences, Vec::<&String>::new(), "revision {revision}");
        assert_eq!(found.len(), expected.len(), "revision {revision}");
    }
}
