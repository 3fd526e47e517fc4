//! Expired contexts are deleted with everything below them, and each deletion is recorded.

use std::time::Duration;

use context_testing::SERVER;
use tokio::time::sleep;
use tokio_postgres::Client;

use crate::support::{Database, refused, serving};

const GLOBAL: &str = "(SELECT id FROM tenant_default.contexts WHERE context_level = 'global')";
const CLEANUP: &str = "SELECT public.cleanup_expired_contexts('default')";

/// The id for a short name; the ids sort as the names do.
fn id(name: &str) -> String {
    format!("ctx_01970000-0000-7000-8000-{:0>12}", name.replace('p', "e").replace('t', "f"))
}

/// The id of the parent of that name, as a literal.
fn below(name: &str) -> String {
    format!("'{}'", id(name))
}

fn node(name: &str, level: &str, parent: &str, expires: &str) -> String {
    let id = id(name);
    format!(
        "INSERT INTO tenant_default.contexts
             (id, context_data, context_type, tenant_id, context_level, parent_id, node_key, expires_at,
              version)
         VALUES ('{id}', '{{}}', 't', 'default', '{level}', {parent}, 'key of {name}', {expires}, 7);"
    )
}

fn plain(name: &str, expires: &str) -> String {
    let id = id(name);
    format!(
        "INSERT INTO tenant_default.contexts (id, context_data, context_type, tenant_id, expires_at)
         VALUES ('{id}', '{{}}', 't', 'default', {expires});"
    )
}

#[tokio::test]
async fn expired_contexts_are_deleted_with_all_below_them_each_with_a_record() {
    let database = Database::with("cleanup", &["default", "other"]).await;
    let statements = [
        node("p1", "project", GLOBAL, "now() - interval '1 s'"),
        node("b1", "branch", &below("p1"), "NULL"),
        node("t1", "task", &below("b1"), "now() + interval '1 day'"),
        node("t2", "task", &below("b1"), "now() - interval '1 day'"),
        node("p2", "project", GLOBAL, "NULL"),
        node("b2", "branch", &below("p2"), "now() + interval '1 day'"),
        plain("c1", "now() - interval '1 day'"),
        plain("c2", "NULL"),
    ];
    database.execute(&statements.concat()).await;
    assert_eq!(database.query_text(CLEANUP).await, "5");
    let left =
        "SELECT id FROM tenant_default.contexts WHERE context_level IS DISTINCT FROM 'global' ORDER BY id";
    assert_eq!(database.query_texts(left).await, ["b2", "c2", "p2"].map(id));
    let records = "SELECT context_id || ' ' || version || ' ' || operation || ' ' || changed_by || ' '
                       || request_id || ' '
                       || (content IS NULL) || ' ' || (transaction_id <= pg_current_xact_id())
                   FROM tenant_default.context_changes ORDER BY context_id";
    let record = |name: &str, version: u32| {
        format!("{} {version} expire cleanup_expired_contexts cleanup true true", id(name))
    };
    let expected = [record("b1", 8), record("c1", 2), record("p1", 8), record("t1", 8), record("t2", 8)];
    assert_eq!(database.query_texts(records).await, expected);
    assert_eq!(database.query_text(CLEANUP).await, "0");
    assert_eq!(database.query_texts(records).await.len(), 5);
    assert_eq!(database.query_text("SELECT public.cleanup_expired_contexts('other')").await, "0");
}

#[tokio::test]
async fn an_unknown_tenant_is_an_error_that_names_it() {
    let database = Database::with("unknown", &["default"]).await;
    let owner = database.owner().await;
    for id in [Some("nobody"), Some("Default"), Some("x'; DROP"), None] {
        let (code, message) =
            refused(owner.execute("SELECT public.cleanup_expired_contexts($1)", &[&id]).await);
        assert_eq!(code, "P0002", "{message}");
        assert!(message.starts_with("there is no tenant "), "{message}");
    }
}

/// Waits until a statement that contains this text waits for a lock.
async fn until_waiting(client: &Client, text: &str) {
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%' 
                 AND datname = current_database()";
    for _ in 0..200 {
        if client.query_one(sql, &[&text]).await.unwrap().get::<_, i64>(0) > 0 {
            return;
        }
        sleep(Duration::from_millis(25)).await;
    }
    panic!("no statement waits: {text}");
}

#[tokio::test]
async fn a_child_that_is_being_added_is_deleted_with_a_record_too() {
    let database = Database::with("adding", &["default"]).await;
    database.execute(&node("p1", "project", GLOBAL, "now() - interval '1 s'")).await;
    let mut adder = database.owner().await;
    let adding = adder.transaction().await.unwrap();
    adding.batch_execute(&node("b1", "branch", &below("p1"), "NULL")).await.unwrap();
    let (cleaner, watcher) = (database.owner().await, database.owner().await);
    let cleaning =
        tokio::spawn(async move { cleaner.query_one(CLEANUP, &[]).await.unwrap().get::<_, i32>(0) });
    until_waiting(&watcher, "cleanup_expired_contexts").await;
    adding.commit().await.unwrap();
    assert_eq!(cleaning.await.unwrap(), 2);
    assert_eq!(database.query_text("SELECT count(*) FROM tenant_default.context_changes").await, "2");
    assert_eq!(database.query_text("SELECT count(*) FROM tenant_default.contexts").await, "1");
}

#[tokio::test]
async fn a_child_that_comes_too_late_finds_no_parent() {
    let database = Database::with("late", &["default"]).await;
    database.execute(&node("p1", "project", GLOBAL, "now() - interval '1 s'")).await;
    let mut cleaner = database.owner().await;
    let cleaning = cleaner.transaction().await.unwrap();
    assert_eq!(cleaning.query_one(CLEANUP, &[]).await.unwrap().get::<_, i32>(0), 1);
    let (adder, watcher) = (database.owner().await, database.owner().await);
    let late =
        tokio::spawn(async move { adder.batch_execute(&node("b1", "branch", &below("p1"), "NULL")).await });
    until_waiting(&watcher, "key of b1").await;
    cleaning.commit().await.unwrap();
    assert_eq!(refused(late.await.unwrap()).0, "23503");
    assert_eq!(database.query_text("SELECT count(*) FROM tenant_default.contexts").await, "1");
}

#[tokio::test]
async fn a_context_whose_expiry_is_removed_while_the_cleanup_waits_stays() {
    let database = Database::with("lives", &["default"]).await;
    database.execute(&plain("c1", "now() - interval '1 s'")).await;
    let mut writer = database.owner().await;
    let writing = writer.transaction().await.unwrap();
    writing
        .batch_execute("UPDATE tenant_default.contexts SET expires_at = NULL WHERE id LIKE '%c1'")
        .await
        .unwrap();
    let (cleaner, watcher) = (database.owner().await, database.owner().await);
    let cleaning =
        tokio::spawn(async move { cleaner.query_one(CLEANUP, &[]).await.unwrap().get::<_, i32>(0) });
    until_waiting(&watcher, "cleanup_expired_contexts").await;
    writing.commit().await.unwrap();
    assert_eq!(cleaning.await.unwrap(), 0);
    assert_eq!(
        database.query_text("SELECT count(*) FROM tenant_default.contexts WHERE id LIKE '%c1'").await,
        "1"
    );
}

#[tokio::test]
async fn a_serving_role_cleans_up() {
    let database = Database::empty("serves").await;
    database.fleet().await.bootstrap(&serving(&["default"], SERVER), &mut |_| {}).await.unwrap();
    database.execute(&plain("c1", "now() - interval '1 s'")).await;
    let server = database.server.connect(SERVER, &database.name).await;
    assert_eq!(server.query_one(CLEANUP, &[]).await.unwrap().get::<_, i32>(0), 1);
}
