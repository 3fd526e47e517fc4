//! The functions that psql calls.

use std::path::Path;

use context_testing::{OWNER, SUPERUSER};

use crate::support::{Database, refused};

/// Inserts a context outside the tree, as somebody may do with psql.
const INSERT: &str = "INSERT INTO tenant_default.contexts (id, context_data, context_type, tenant_id, terms)
                      VALUES ('ctx_01970000-0000-7000-8000-000000000001', '{\"a\": 1}', 'note', 'default',
                              '{word}')";

#[tokio::test]
async fn a_tenant_is_made_from_psql_and_making_it_again_changes_nothing() {
    let database = Database::with("psql", &["default"]).await;
    let make = ["-c", "SELECT public.create_tenant_schema('demo')"];
    assert_eq!(database.psql(Path::new("."), &make).unwrap(), "\n");
    database.execute("UPDATE tenant_demo.contexts SET context_data = '{\"kept\": true}'").await;
    let facts = "SELECT c::text || t::text FROM tenant_demo.contexts c, public.tenants t WHERE t.id = 'demo'";
    let before = database.query_text(facts).await;
    assert_eq!(database.psql(Path::new("."), &make).unwrap(), "\n");
    assert_eq!(database.query_text(facts).await, before);
    assert_eq!(
        database.query_text("SELECT count(*) FROM public.migration_history WHERE tenant = 'demo'").await,
        "5"
    );
    assert_eq!(database.examine(&["demo"]).await, []);
}

#[tokio::test]
async fn a_member_of_the_owner_makes_what_the_owner_owns() {
    let database = Database::with("acting", &["default"]).await;
    let superuser = database.server.connect(SUPERUSER, &database.name).await;
    superuser.batch_execute("SELECT public.create_tenant_schema('demo')").await.unwrap();
    let who: String = superuser.query_one("SELECT current_user::text", &[]).await.unwrap().get(0);
    assert_eq!(who, SUPERUSER, "the role of the caller is restored");
    let owners =
        "SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace = 'tenant_demo'::regnamespace
                  UNION SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'tenant_demo'";
    assert_eq!(database.query_texts(owners).await, [OWNER]);
    // Within a transaction as well.
    superuser
        .batch_execute(
            "BEGIN; SELECT public.create_tenant_schema('more'); CREATE TABLE public.mine (id int); COMMIT",
        )
        .await
        .unwrap();
    assert_eq!(
        database.query_text("SELECT tableowner FROM pg_tables WHERE tablename = 'mine'").await,
        SUPERUSER
    );
}

#[tokio::test]
async fn an_id_that_is_not_in_the_directory_gets_no_schema() {
    let database = Database::with("none", &["default"]).await;
    let complete = "SELECT public.complete_tenant('ghost', 'ctx_01970000-0000-7000-8000-000000000001')";
    let (code, message) = refused(database.owner().await.batch_execute(complete).await);
    assert_eq!((code.as_str(), message.as_str()), ("P0002", "there is no tenant 'ghost'"));
    assert_eq!(
        database.query_text("SELECT count(*) FROM pg_namespace WHERE nspname = 'tenant_ghost'").await,
        "0"
    );
}

#[tokio::test]
async fn a_tenant_whose_table_takes_no_global_node_is_not_made() {
    let database = Database::with("swallowed", &["default"]).await;
    let swallow = "DELETE FROM tenant_default.contexts;
        CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER swallow BEFORE INSERT ON tenant_default.contexts
            FOR EACH ROW EXECUTE FUNCTION public.swallow()";
    database.execute(swallow).await;
    let make = "SELECT public.create_tenant_schema('default')";
    let (code, message) = refused(database.owner().await.batch_execute(make).await);
    let says = "the tenant default has no global node, and its table accepts none";
    assert_eq!((code.as_str(), message.as_str()), ("55000", says));
    database.execute("DROP TRIGGER swallow ON tenant_default.contexts").await;
    database.execute(make).await;
    assert_eq!(database.examine(&["default"]).await, []);
}

#[tokio::test]
async fn making_a_complete_tenant_again_takes_no_lock_on_its_tables() {
    let database = Database::with("again", &["default"]).await;
    let mut writer = database.owner().await;
    let writing = writer.transaction().await.unwrap();
    writing.batch_execute("UPDATE tenant_default.contexts SET title = 'held'").await.unwrap();
    database.execute("SET lock_timeout = '1s'; SELECT public.create_tenant_schema('default')").await;
    writing.rollback().await.unwrap();
}

#[tokio::test]
async fn missing_tables_come_back_when_a_tenant_is_made_again() {
    let database = Database::with("lacks", &["a", "b"]).await;
    database.execute("DROP TABLE tenant_a.context_changes; DELETE FROM tenant_b.contexts").await;
    database
        .execute("SELECT public.create_tenant_schema('a'); SELECT public.create_tenant_schema('b')")
        .await;
    assert_eq!(database.examine(&["a", "b"]).await, []);
}

#[tokio::test]
async fn an_update_from_psql_raises_the_version_and_clears_the_terms() {
    let database = Database::with("trigger", &["default"]).await;
    database.execute(INSERT).await;
    let row = "SELECT version || ' ' || (terms IS NULL) || ' ' || (updated_at > created_at)
               FROM tenant_default.contexts WHERE id = 'ctx_01970000-0000-7000-8000-000000000001'";
    let update = |what: &str| {
        format!(
            "UPDATE tenant_default.contexts SET {what} WHERE id = 'ctx_01970000-0000-7000-8000-000000000001'"
        )
    };
    assert_eq!(database.query_text(row).await, "1 false false");
    // A column that is no content leaves the version, and sets updated_at.
    database.execute(&update("terms = '{other}'")).await;
    assert_eq!(database.query_text(row).await, "1 false true");
    let contents = [
        "context_data = '{\"a\": 2}'",
        "context_type = 'other'",
        "title = 'T'",
        "description = 'D'",
        "tags = '{x}'",
        "user_id = 'u'",
        "expires_at = '2100-01-01'",
        "inheritance = '{\"inherit\": false}'",
    ];
    for (index, content) in contents.iter().enumerate() {
        database.execute(&update(content)).await;
        assert_eq!(database.query_text(row).await, format!("{} true true", index + 2), "{content}");
        database.execute(&update("terms = '{again}'")).await;
    }
    // An UPDATE that does not raise the version is not the service's; one that raises it is, and is left
    // alone.
    database.execute(&update("version = 3, title = 'lowered'")).await;
    assert_eq!(database.query_text(row).await, "10 true true");
    database
        .execute(&update("version = 11, title = 'served', terms = '{served}', updated_at = created_at"))
        .await;
    assert_eq!(database.query_text(row).await, "11 false false");
}

#[tokio::test]
async fn another_systems_table_gets_updated_at_set_and_nothing_else() {
    let database = Database::with("others", &["default"]).await;
    database
        .execute(
            "CREATE TABLE public.contexts (id int, updated_at timestamptz DEFAULT '2000-01-01');
             CREATE TRIGGER theirs BEFORE UPDATE ON public.contexts
             FOR EACH ROW EXECUTE FUNCTION public.update_updated_at_column();
             INSERT INTO public.contexts VALUES (1); UPDATE public.contexts SET id = 2;",
        )
        .await;
    assert_eq!(database.query_text("SELECT updated_at > '2001-01-01' FROM public.contexts").await, "true");
}

#[tokio::test]
async fn a_tenants_tables_refuse_another_tenants_rows() {
    let database = Database::with("check", &["default", "other"]).await;
    let owner = database.owner().await;
    for insert in [
        INSERT.replace("'default'", "'other'"),
        "INSERT INTO tenant_default.context_changes
             (tenant_id, transaction_id, context_id, version, operation, changed_at, changed_by, request_id)
         VALUES ('other', '1', 'c', 1, 'create', now(), 'x', 'y')"
            .to_owned(),
    ] {
        let (code, message) = refused(owner.batch_execute(&insert).await);
        assert_eq!(code, "23514", "{message}");
        assert!(message.contains("tenant_id_check"), "{message}");
    }
}

#[tokio::test]
async fn the_tree_keeps_its_shape() {
    let database = Database::with("shape", &["default"]).await;
    let owner = database.owner().await;
    let global = "(SELECT id FROM tenant_default.contexts WHERE context_level = 'global')";
    let insert = |id: &str, level: &str, parent: &str, key: &str, expires: &str| {
        format!(
            "INSERT INTO tenant_default.contexts
                 (id, context_data, context_type, tenant_id, context_level, parent_id, node_key, expires_at)
             VALUES ('ctx_01970000-0000-7000-8000-00000000000{id}', '{{}}', 't', 'default', {level},
                     {parent}, {key}, {expires})"
        )
    };
    owner.batch_execute(&insert("b", "'project'", global, "'web'", "NULL")).await.unwrap();
    for (wrong, code) in [
        (insert("a", "'project'", global, "'web'", "NULL"), "23505"),
        (insert("a", "'global'", "NULL", "NULL", "NULL"), "23505"),
        (insert("a", "'global'", "NULL", "NULL", "now()"), "23514"),
        (insert("a", "'planet'", global, "'x'", "NULL"), "23514"),
        (insert("a", "NULL", global, "'x'", "NULL"), "23514"),
        (insert("a", "'task'", "NULL", "NULL", "NULL"), "23514"),
        (insert("a", "'task'", "'nobody'", "'x'", "NULL"), "23503"),
    ] {
        assert_eq!(refused(owner.batch_execute(&wrong).await).0, code, "{wrong}");
    }
}
