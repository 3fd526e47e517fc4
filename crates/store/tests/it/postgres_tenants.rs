//! Tenants on PostgreSQL alone: how damage is named, what each role may do, and what other programs write.

use std::sync::Arc;
use std::time::{Duration, Instant};

use context_domain::access::{Access, Caller, Principal};
use context_domain::clock::SystemClock;
use context_domain::context::Etag;
use context_domain::error::Error;
use context_domain::id::{IdSource, RandomIds, TenantId};
use context_domain::page::PageRequest;
use context_domain::patch::Patch;
use context_domain::ports::Subtree;
use context_domain::search::{Search, words_of};
use context_domain::service::{Condition, Ports, Service, WriteOptions};
use context_domain::tenant::NewTenant;
use context_domain::tree::{Address, Scope};
use context_store::StoreOptions;
use context_store::postgres::{CONTROL_REVISION, ConnectionMode};
use context_testing::{OWNER, SERVER, SUPERUSER};
use serde_json::{Map, Value, json};
use tokio_postgres::Client;

use crate::database::{self, Database};

/// A store with the tenant `default`.
struct Store {
    database: Database,
    ports: Ports,
    service: Arc<Service>,
}

impl Store {
    async fn new() -> Self {
        let database = Database::new();
        let ports = database.ports(Arc::new(SystemClock), Arc::new(RandomIds)).await.unwrap();
        let service = Arc::new(Service::new(ports.clone(), Arc::new(SystemClock), Arc::new(RandomIds)));
        Self { database, ports, service }
    }

    async fn make(&self, tenant: &str) {
        let new = NewTenant::new(tenant.parse().unwrap(), &SystemClock, &RandomIds);
        assert!(self.ports.directory.create(&new).await.unwrap(), "{tenant}");
    }

    /// Writes the project `p`.
    async fn put(&self, tenant: &str, data: Value) -> Etag {
        let written =
            self.service.put(&caller(tenant), &project("p"), body(data), WriteOptions::default()).await;
        written.unwrap().etag
    }

    /// How many contexts of `default` a search for these words finds.
    async fn hits(&self, words: &str) -> usize {
        let page = self.service.list(&caller("default"), &saying(words), &PageRequest::default()).await;
        page.unwrap().items.len()
    }

    /// Runs statements as an operator does with psql.
    async fn psql(&self, statements: &str) {
        context_testing::postgres().await.execute(self.database.name(), statements).await;
    }

    async fn client(&self, role: &str) -> Client {
        context_testing::postgres().await.connect(role, self.database.name()).await
    }

    /// The error of a call on a tenant.
    async fn failure(&self, tenant: &str) -> Error {
        let global = Address::Scope(Scope::global());
        self.ports.contexts.chain(&tenant.parse().unwrap(), &global).await.unwrap_err()
    }

    /// The names and the problems of the failed checks.
    async fn problems(&self) -> Vec<(String, String)> {
        let checks = self.ports.upkeep.checks().await;
        checks.into_iter().filter_map(|check| Some((check.name, check.problem?))).collect()
    }
}

fn caller(tenant: &str) -> Caller {
    let principal = Principal { name: "tester".to_owned(), access: Access::Operator };
    Caller::in_tenant(principal, tenant.parse().unwrap(), "request".to_owned())
}

fn project(key: &str) -> Address {
    Address::Scope(Scope::from_keys([Some(key), None, None]).unwrap())
}

#[expect(clippy::needless_pass_by_value, reason = "cases read better without borrows")]
fn body(data: Value) -> Map<String, Value> {
    let Value::Object(body) = json!({"context_data": data}) else { panic!() };
    body
}

fn saying(words: &str) -> Search {
    Search { words: words_of(words), ..Search::default() }
}

/// Runs a statement that damages `tenant_default`; returns the texts of the failed call and of the failed
/// check.
async fn damaged_by(statement: &str) -> (String, String) {
    let store = Store::new().await;
    store.make("other").await;
    store.psql(statement).await;
    let problems = store.problems().await;
    let [(name, problem)] = &problems[..] else { panic!("{statement}: {problems:?}") };
    assert_eq!(name, "tenant default");
    let inspected = store.ports.upkeep.inspect().await;
    assert_eq!(inspected.iter().filter(|check| check.problem.is_some()).count(), 1, "{inspected:?}");
    assert!(store.service.get(&caller("other"), &Address::Scope(Scope::global())).await.is_ok());
    store.ports.upkeep.ready().await.unwrap();
    let call = match store.ports.contexts.chain(&"default".parse().unwrap(), &project("p")).await {
        Ok(_) => "works".to_owned(),
        Err(Error::TenantUnhealthy { detail, .. }) => detail,
        Err(error) => panic!("{statement}: {error:?}"),
    };
    (call, problem.clone())
}

#[tokio::test]
async fn damage_is_named_with_what_to_do() {
    let bootstrap = "run `context-service bootstrap --tenant-id default`";
    for (statement, named) in [
        ("DROP TABLE tenant_default.contexts", "the table contexts is missing"),
        ("DROP SCHEMA tenant_default CASCADE", "the schema tenant_default is missing"),
        ("DROP TABLE tenant_default.context_changes", "the table context_changes is missing"),
        (
            "ALTER TABLE tenant_default.contexts DROP COLUMN node_key CASCADE",
            "the column node_key of contexts",
        ),
    ] {
        let (call, check) = damaged_by(statement).await;
        assert!(check.contains(named) && check.ends_with(bootstrap), "{check}");
        assert!(call == check || (call == "works" && statement.contains("changes")), "{call}");
    }
    for (statement, named) in [
        (
            "DROP INDEX tenant_default.idx_contexts_terms",
            "the index idx_contexts_terms of contexts is missing",
        ),
        (
            "UPDATE pg_index SET indisvalid = false \
             WHERE indexrelid = 'tenant_default.idx_contexts_tags'::regclass",
            "the index idx_contexts_tags of contexts is missing",
        ),
        (
            "ALTER TABLE tenant_default.contexts DISABLE TRIGGER update_contexts_updated_at",
            "the trigger update_contexts_updated_at of contexts is missing",
        ),
        ("UPDATE public.tenants SET revision = 4 WHERE id = 'default'", "its schema has the revision 4"),
    ] {
        let (call, check) = damaged_by(statement).await;
        assert!(check.contains(named) && check.ends_with(bootstrap), "{check}");
        assert_eq!(call, "works");
    }
    let (call, check) = damaged_by("DELETE FROM tenant_default.contexts").await;
    assert_eq!(call, "its global node is missing");
    assert!(check.contains("its global node is missing"), "{check}");
    let (call, check) = damaged_by("REVOKE ALL ON tenant_default.contexts FROM context_server").await;
    assert!(call.contains("bootstrap") && call.contains("may not use its tables"), "{call}");
    assert!(check.contains("may not use its tables"), "{check}");
    let (call, _) = damaged_by("REVOKE ALL ON SCHEMA tenant_default FROM context_server").await;
    assert!(call.contains("may not use its tables"), "{call}");
}

#[tokio::test]
async fn an_unreadable_row_makes_its_tenant_unhealthy_until_it_is_repaired() {
    let store = Store::new().await;
    store.make("other").await;
    let id = store.put("default", json!({})).await.id;
    store.psql(&format!("UPDATE tenant_default.contexts SET inheritance = '[]' WHERE id = '{id}'")).await;
    // A quick check does not read rows; a call has read this one.
    assert_eq!(store.problems().await, []);
    let error = store.service.get(&caller("default"), &project("p")).await.unwrap_err();
    let Error::TenantUnhealthy { detail, .. } = error else { panic!("{error:?}") };
    assert_eq!(detail, format!("the column inheritance of {id} cannot be read"));
    assert_eq!(store.problems().await, [("tenant default".to_owned(), detail.clone())]);
    let inspected = store.ports.upkeep.inspect().await;
    assert!(inspected.iter().any(|check| check.problem.as_ref() == Some(&detail)));
    store.psql(&format!("UPDATE tenant_default.contexts SET inheritance = NULL WHERE id = '{id}'")).await;
    assert_eq!(store.problems().await, []);
    assert!(store.service.get(&caller("default"), &project("p")).await.is_ok());
}

#[tokio::test]
async fn a_row_that_names_another_tenant_is_never_returned() {
    let store = Store::new().await;
    store.make("other").await;
    let id = store.put("default", json!({"n": 1})).await.id;
    store
        .psql(&format!(
            "ALTER TABLE tenant_default.contexts DROP CONSTRAINT contexts_tenant_id_check;
             UPDATE tenant_default.contexts SET tenant_id = 'other', version = version + 1 WHERE id = '{id}'"
        ))
        .await;
    let by_id = Address::Id(id.clone());
    for address in [&project("p"), &by_id] {
        for tenant in ["default", "other"] {
            let found = store.service.get(&caller(tenant), address).await;
            assert!(matches!(found, Err(Error::NotFound(_))), "{found:?}");
        }
    }
    let page =
        store.service.list(&caller("default"), &Search::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(page.items.len(), 1);
    let deleted =
        store.service.delete(&caller("default"), &by_id, Subtree::Remove, WriteOptions::default()).await;
    assert!(matches!(deleted, Err(Error::NotFound(_))), "{deleted:?}");
}

#[tokio::test]
async fn similar_ids_are_different_tenants() {
    let store = Store::new().await;
    let (first, second) = (format!("{}x", "t".repeat(47)), format!("{}y", "t".repeat(47)));
    let tenants = ["my-tenant", "my_tenant", "mytenant", &first, &second];
    for tenant in tenants {
        store.make(tenant).await;
    }
    for tenant in tenants {
        store.put(tenant, json!({"whose": tenant})).await;
    }
    for tenant in tenants {
        let found = store.service.get(&caller(tenant), &project("p")).await.unwrap();
        assert_eq!(found.data()["whose"], tenant);
        let page =
            store.service.list(&caller(tenant), &saying(tenant), &PageRequest::default()).await.unwrap();
        assert_eq!(page.items, [Arc::unwrap_or_clone(found)]);
        let id: TenantId = tenant.parse().unwrap();
        assert!(store.ports.directory.remove(&id).await.unwrap());
        assert!(matches!(store.failure(tenant).await, Error::TenantNotFound { .. }));
    }
}

#[tokio::test]
async fn a_row_written_with_psql_gets_a_higher_version_and_is_found_by_its_new_words() {
    let store = Store::new().await;
    let default = caller("default");
    let old = store.put("default", json!({"said": "before"})).await;
    store
        .psql(r#"UPDATE tenant_default.contexts SET context_data = '{"said": "after"}' WHERE node_key = 'p'"#)
        .await;
    let found = store.service.get(&default, &project("p")).await.unwrap();
    assert_eq!((found.version, &found.data()["said"]), (2, &json!("after")));
    for (words, hits) in [("before", 0), ("after", 1)] {
        assert_eq!(store.hits(words).await, hits, "{words}");
    }
    let patch = || Patch::Merge(body(json!({"said": "last"})));
    let stale = WriteOptions { condition: Condition::IsOneOf(vec![old]), ..WriteOptions::default() };
    let refused = store.service.patch(&default, &project("p"), patch(), stale).await;
    let Err(Error::PreconditionFailed(Some(current))) = refused else { panic!("{refused:?}") };
    assert_eq!(*current, *found);
    let written =
        store.service.patch(&default, &project("p"), patch(), WriteOptions::default()).await.unwrap();
    assert_eq!(written.etag.version, 3);
    for (words, hits) in [("after", 0), ("last", 1)] {
        assert_eq!(store.hits(words).await, hits, "{words}");
    }
}

/// Of many rows, those at the end match. The words of every other row are not stored, so that it is read to
/// be searched. No single statement reads all of them, whether it uses an index or scans.
#[tokio::test]
async fn pages_reach_matches_after_many_other_rows() {
    let store = Store::new().await;
    store
        .psql(
            "INSERT INTO tenant_default.contexts (id, context_data, context_type, tenant_id, terms)
             SELECT 'ctx_01970000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'),
                 jsonb_build_object('said', CASE WHEN n > 1300 THEN 'Wanted' ELSE 'else' END),
                 'note', 'default',
                 CASE WHEN n % 2 = 0 THEN ARRAY[CASE WHEN n > 1300 THEN 'wanted' ELSE 'else' END] END
             FROM generate_series(1, 1500) AS n",
        )
        .await;
    let Value::Object(filter) = json!({"said": "Wanted"}) else { panic!() };
    let containing = Search { filter: Some(filter), ..Search::default() };
    for search in [saying("wanted"), containing] {
        for limit in [7, 200] {
            let (mut found, mut token) = (Vec::new(), None);
            loop {
                let request = PageRequest { limit: Some(limit), token };
                let page = store.service.list(&caller("default"), &search, &request).await.unwrap();
                found.extend(page.items.into_iter().map(|context| context.id));
                token = page.next_page_token;
                if token.is_none() {
                    break;
                }
            }
            assert_eq!(found.len(), 200, "{search:?}, {limit} on a page");
            assert!(found.is_sorted());
        }
    }
}

#[tokio::test]
async fn the_serving_role_owns_nothing_and_can_create_nothing() {
    let store = Store::new().await;
    let client = store.client(SERVER).await;
    let owned =
        client.query_one("SELECT count(*) FROM pg_class WHERE relowner = $1::text::regrole", &[&SERVER]);
    assert_eq!(owned.await.unwrap().get::<_, i64>(0), 0);
    for statement in [
        "CREATE SCHEMA mine",
        "CREATE TABLE tenant_default.mine ()",
        "DROP TABLE tenant_default.contexts",
        "ALTER TABLE tenant_default.contexts DROP CONSTRAINT contexts_tenant_id_check",
        "TRUNCATE tenant_default.contexts",
        "DELETE FROM public.tenants",
        "SELECT public.create_tenant_schema('mine')",
    ] {
        let refused = client.batch_execute(statement).await.unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "42501", "{statement}: {refused}");
    }
}

#[tokio::test]
async fn only_the_owner_creates_tenants() {
    let store = Store::new().await;
    let url = context_testing::postgres().await.url_as(SERVER, store.database.name());
    let options = StoreOptions::new(url.parse().unwrap());
    let opened = context_store::open(&options, Arc::new(SystemClock), Arc::new(RandomIds)).await.unwrap();
    let new = NewTenant::new("new".parse().unwrap(), &SystemClock, &RandomIds);
    let refused = opened.ports.directory.create(&new).await.unwrap_err();
    let Error::OwnerNeeded { command } = &refused else { panic!("{refused:?}") };
    assert_eq!(command, "context-service bootstrap --tenant-id new");
    let refused = opened.ports.directory.remove(&"default".parse().unwrap()).await.unwrap_err();
    assert!(matches!(refused, Error::OwnerNeeded { .. }), "{refused:?}");
    // A role that is configured as the owner and is not.
    let options = StoreOptions { admin: Some(url.parse().unwrap()), ..options };
    let opened = context_store::open(&options, Arc::new(SystemClock), Arc::new(RandomIds)).await.unwrap();
    let refused = opened.ports.directory.create(&new).await.unwrap_err();
    assert!(refused.to_string().contains("DATABASE_ADMIN_URL"), "{refused}");
}

#[tokio::test]
async fn a_database_without_an_installation_is_not_opened() {
    let server = context_testing::postgres().await;
    let empty = server.create_database("empty").await;
    let refusal = async |name: &str, role: &str| {
        let options = StoreOptions::new(server.url_as(role, name).parse().unwrap());
        let opened = context_store::open(&options, Arc::new(SystemClock), Arc::new(RandomIds)).await;
        let Err(Error::Unavailable { detail, .. }) = opened else { panic!("{name} was opened") };
        detail
    };
    let detail = refusal(&empty, SERVER).await;
    assert!(detail.contains("no installation") && detail.contains("context-service bootstrap"), "{detail}");
    let store = Store::new().await;
    store.psql("UPDATE public.migration_history SET revision = 0 WHERE tenant IS NULL").await;
    let detail = refusal(store.database.name(), SERVER).await;
    assert!(detail.contains("older") && detail.contains("context-service bootstrap"), "{detail}");
    let newer = CONTROL_REVISION + 1;
    store.psql(&format!("UPDATE public.migration_history SET revision = {newer} WHERE tenant IS NULL")).await;
    store.ports.upkeep.ready().await.unwrap();
    store.psql("REVOKE ALL ON public.tenants FROM context_server").await;
    let detail = refusal(store.database.name(), SERVER).await;
    assert!(detail.contains("context_server") && detail.contains("--serving-role"), "{detail}");
}

#[tokio::test]
async fn facts_say_how_the_database_is_reached() {
    let store = Store::new().await;
    let name = store.database.name().to_owned();
    for (mode, expected) in [(ConnectionMode::Direct, "direct"), (ConnectionMode::Pooled, "through a pooler")]
    {
        let options = StoreOptions { connection_mode: mode, ..database::options(&name).await };
        let opened = context_store::open(&options, Arc::new(SystemClock), Arc::new(RandomIds)).await.unwrap();
        let facts = opened.ports.upkeep.facts().await.unwrap();
        let fact = |wanted: &str| facts.iter().find(|(name, _)| *name == wanted).unwrap().1.clone();
        assert!(fact("connection mode").starts_with(expected), "{facts:?}");
        assert!(fact("server").starts_with("PostgreSQL "));
        assert_eq!((fact("role").as_str(), fact("database")), (SERVER, name.clone()));
    }
}

/// Waits until a statement of the role waits for a lock.
async fn until_a_statement_waits(client: &Client, role: &str) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND usename = $1::text::name
                        AND wait_event_type = 'Lock'";
    for _ in 0..1_000 {
        if client.query_one(waiting, &[&role]).await.unwrap().get::<_, i64>(0) > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody waits");
}

/// A deletion of the parent sees a child that another transaction has inserted and not committed yet.
#[tokio::test]
async fn a_deletion_waits_for_a_child_that_is_being_created() {
    for subtree in [Subtree::MustBeEmpty, Subtree::Remove] {
        let store = Store::new().await;
        let parent = store.put("default", json!({})).await.id;
        let other = store.client(SUPERUSER).await;
        let child = RandomIds.uuid();
        let made = format!(
            "BEGIN; INSERT INTO tenant_default.contexts
                 (id, context_data, context_type, tenant_id, context_level, parent_id, node_key)
             VALUES ('ctx_{child}', '{{}}', 'note', 'default', 'branch', '{parent}', 'b')"
        );
        other.batch_execute(&made).await.unwrap();
        let service = Arc::clone(&store.service);
        let deletion = tokio::spawn(async move {
            service.delete(&caller("default"), &project("p"), subtree, WriteOptions::default()).await
        });
        until_a_statement_waits(&store.client(SUPERUSER).await, SERVER).await;
        other.batch_execute("COMMIT").await.unwrap();
        let deleted = deletion.await.unwrap();
        let history = store.service.changes(&caller("default"), None, &PageRequest::default()).await.unwrap();
        let removed = history.items.iter().filter(|change| change.content.is_null()).count();
        match subtree {
            Subtree::MustBeEmpty => {
                assert!(matches!(deleted, Err(Error::HasChildren { count: 1, .. })), "{deleted:?}");
                assert_eq!(removed, 0);
            }
            Subtree::Remove => {
                assert!(deleted.is_ok(), "{deleted:?}");
                assert_eq!(removed, 2, "each has a record of its own");
            }
        }
    }
}

/// A creation whose parent is removed or created by another meanwhile begins again.
#[tokio::test]
async fn a_creation_begins_again_where_its_parent_changes() {
    let below = Address::Scope(Scope::from_keys([Some("p"), Some("b"), None]).unwrap());
    for change in [
        "DELETE FROM tenant_default.contexts WHERE node_key = 'p'",
        "INSERT INTO tenant_default.contexts
             (id, context_data, context_type, tenant_id, context_level, parent_id, node_key)
         SELECT 'ctx_01970000-0000-7000-8000-000000000001', '{}', 'project', 'default', 'project', id, 'p'
         FROM tenant_default.contexts WHERE context_level = 'global'",
    ] {
        let store = Store::new().await;
        if change.starts_with("DELETE") {
            store.put("default", json!({})).await;
        }
        let other = store.client(SUPERUSER).await;
        other.batch_execute(&format!("BEGIN; {change}")).await.unwrap();
        let (service, address) = (Arc::clone(&store.service), below.clone());
        let creation = tokio::spawn(async move {
            service.put(&caller("default"), &address, body(json!({})), WriteOptions::default()).await
        });
        until_a_statement_waits(&store.client(SUPERUSER).await, SERVER).await;
        other.batch_execute("COMMIT").await.unwrap();
        creation.await.unwrap().unwrap();
        let parent = store.service.get(&caller("default"), &project("p")).await.unwrap();
        let child = store.service.get(&caller("default"), &below).await.unwrap();
        assert_eq!(child.place.as_ref().unwrap().parent_id.as_ref(), Some(&parent.id));
    }
}

/// A drop locks the tenant's tables exclusively, and later calls wait for it.
#[tokio::test]
async fn a_drop_gives_up_where_readers_stay_and_holds_up_no_other_tenant() {
    let store = Store::new().await;
    let reader = store.client(SUPERUSER).await;
    reader.batch_execute("BEGIN; SELECT count(*) FROM tenant_default.contexts").await.unwrap();
    let directory = Arc::clone(&store.ports.directory);
    let removal = tokio::spawn(async move {
        let begun = Instant::now();
        (directory.remove(&"default".parse().unwrap()).await, begun.elapsed())
    });
    until_a_statement_waits(&store.client(SUPERUSER).await, OWNER).await;
    store.make("other").await;
    store.put("other", json!({})).await;
    assert!(!removal.is_finished(), "others had to wait for it");
    // A read of the tenant itself waits for the drop, and continues when the drop has given up.
    store.service.get(&caller("default"), &Address::Scope(Scope::global())).await.unwrap();
    let (removed, taken) = removal.await.unwrap();
    let Err(Error::Unavailable { detail, .. }) = removed else { panic!("{removed:?}") };
    assert!(detail.contains("others kept it locked"), "{detail}");
    let patience = Duration::from_millis(1_900)..Duration::from_secs(4);
    assert!(patience.contains(&taken), "it took {taken:?}");
    reader.batch_execute("COMMIT").await.unwrap();
    assert!(store.ports.directory.remove(&"default".parse().unwrap()).await.unwrap());
    assert!(matches!(store.failure("default").await, Error::TenantNotFound { .. }));
}
