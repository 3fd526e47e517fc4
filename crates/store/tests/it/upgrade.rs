//! Folders of earlier versions are upgraded when they are opened, with all contents and their index.
//!
//! `tests/revision-1` was made when both kinds of file had revision 1. It holds a tenant `default` with a
//! tree and notes, of which one was removed and one has expired, and a tenant `other` with a note.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use context_domain::access::{Access, Caller, Permission, Principal};
use context_domain::clock::{Clock, SystemClock};
use context_domain::context::Context;
use context_domain::id::{IdSource, KeyId, RandomIds, TenantId};
use context_domain::key::{ApiKey, Token};
use context_domain::patch::Patch;
use context_domain::ports::{ChangeQuery, ContextList, ContextQuery, KeyQuery, Subtree};
use context_domain::search::{Search, words_of};
use context_domain::service::{Ports, Service, WriteOptions};
use context_domain::tree::{Address, Level, Scope};
use context_store::StoreOptions;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A copy of the folder with revision 1.
fn old_folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/revision-1");
    fs::create_dir(folder.path().join("tenants")).unwrap();
    fs::copy(old.join("control.db"), folder.path().join("control.db")).unwrap();
    for file in fs::read_dir(old.join("tenants")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.path().join("tenants").join(file.file_name())).unwrap();
    }
    for file in files(folder.path()) {
        assert_eq!(number(&file, "PRAGMA user_version"), 1, "{}", file.display());
    }
    folder
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let tenants = fs::read_dir(folder.join("tenants")).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> =
        tenants.filter(|path| path.extension().is_some_and(|kind| kind == "db")).collect();
    files.push(folder.join("control.db"));
    assert_eq!(files.len(), 3);
    files
}

fn number(file: &Path, sql: &str) -> i64 {
    Connection::open(file).unwrap().query_row(sql, (), |row| row.get(0)).unwrap()
}

async fn open(folder: &Path) -> Ports {
    let options = StoreOptions::new(format!("sqlite:{}", folder.display()).parse().unwrap());
    context_store::open(&options, Arc::new(SystemClock), Arc::new(RandomIds)).await.unwrap().ports
}

async fn found(ports: &Ports, tenant: &TenantId, search: Search) -> Vec<Context> {
    let list = ContextList::Matching { search: Box::new(search), after: None };
    let query = ContextQuery { list, live_at: SystemClock.now(), limit: 99 };
    ports.contexts.page(tenant, &query).await.unwrap()
}

#[tokio::test]
async fn a_control_file_of_revision_1_takes_keys() {
    let folder = old_folder();
    let ports = open(folder.path()).await;
    let tenants = ports.directory.tenants(None, 9).await.unwrap();
    let ids: Vec<_> = tenants.iter().map(|tenant| tenant.id.as_str()).collect();
    assert_eq!(ids, ["default", "other"]);
    let token = Token::new(KeyId::new(RandomIds.uuid()), [7; 32]);
    let tenant = tenants[1].id.clone();
    let key = ApiKey {
        id: token.id().clone(),
        name: "first".to_owned(),
        access: Access::Tenant { tenant: tenant.clone(), permission: Permission::Read },
        secret_hash: token.secret_hash(),
        created_at: SystemClock.now(),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    };
    ports.directory.add_key(&key, None).await.unwrap();
    let everyones = KeyQuery { tenant: None, after: None, limit: 9 };
    assert_eq!(open(folder.path()).await.directory.keys(&everyones).await.unwrap(), [key]);
    assert!(ports.directory.remove(&tenant).await.unwrap());
    assert_eq!(ports.directory.keys(&everyones).await.unwrap(), []);
    assert_eq!(number(&folder.path().join("control.db"), "PRAGMA user_version"), 2);
}

#[tokio::test]
async fn contexts_of_revision_1_are_all_found() {
    let folder = old_folder();
    let ports = open(folder.path()).await;
    let (tenant, other): (TenantId, TenantId) = ("default".parse().unwrap(), "other".parse().unwrap());
    let all = found(&ports, &tenant, Search::default()).await;
    assert_eq!(all.len(), 7, "four nodes and three notes; one note has expired");
    let changes = ChangeQuery { context: None, before: None, limit: 99 };
    assert_eq!(ports.contexts.changes(&tenant, &changes).await.unwrap().len(), 9);
    let saying = |words: &str| Search { words: words_of(words), ..Search::default() };
    let containing = |filter: Value| Search { filter: filter.as_object().cloned(), ..Search::default() };
    for (search, hits) in [
        (saying("STRASSE σίσυφος"), 0),
        (saying("STRAßE σίσυφος"), 1),
        (saying("note number"), 3),
        (saying("write rules"), 1),
        (saying("removed"), 0),
        (saying("expired"), 0),
        (saying("other"), 0),
        (containing(json!({"n": [{"deep": null}, 2.5], "empty": {"b": []}})), 1),
        (containing(json!({"n": [{"deep": null}, 2.5], "empty": {"b": {}}})), 0),
        (containing(json!({"n": 1})), 1),
        (Search { tags: vec!["dark".to_owned()], user_id: Some("ann".to_owned()), ..Search::default() }, 1),
        (Search { context_level: Some(Level::Branch), ..Search::default() }, 1),
        (Search { created_after: Some(all[0].created_at), ..Search::default() }, 7),
        (Search { created_before: Some(all[0].created_at), ..Search::default() }, 0),
    ] {
        let expected: Vec<_> = all.iter().filter(|context| search.matches(context)).cloned().collect();
        assert_eq!(expected.len(), hits, "{search:?}");
        assert_eq!(found(&ports, &tenant, search).await, expected);
    }
    assert_eq!(found(&ports, &other, saying("other")).await.len(), 1);
    for file in files(folder.path()) {
        assert_eq!(number(&file, "PRAGMA user_version"), 2, "{}", file.display());
    }
    let file =
        files(folder.path()).into_iter().find(|file| file.to_string_lossy().contains("default")).unwrap();
    let sql = "SELECT count(*) FROM contexts c LEFT JOIN context_index i USING (id) WHERE i.id IS NULL";
    assert_eq!(number(&file, sql), 0, "expired contexts are in the index too");
}

/// A file upgraded from revision 1 has the same tables as a new file, each from the same statement.
#[tokio::test]
async fn upgraded_files_have_the_tables_of_new_ones() {
    let (old, new) = (old_folder(), TempDir::new().unwrap());
    let id: TenantId = "default".parse().unwrap();
    let mut tables = Vec::new();
    for folder in [&old, &new] {
        let ports = open(folder.path()).await;
        let tenant = ports.directory.get(&id).await.unwrap().unwrap();
        found(&ports, &id, Search::default()).await;
        let name = format!("{}.{}.db", tenant.id, tenant.generation.as_str());
        for file in [folder.path().join("control.db"), folder.path().join("tenants").join(name)] {
            let connection = Connection::open(file).unwrap();
            let sql = "SELECT name || ': ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1";
            let mut statement = connection.prepare(sql).unwrap();
            let rows = statement.query_map((), |row| row.get::<_, String>(0)).unwrap();
            tables.push(rows.map(Result::unwrap).collect::<Vec<_>>());
        }
    }
    assert_eq!((&tables[0], &tables[1]), (&tables[2], &tables[3]));
}

/// A removed context is removed from the index too, although no search would return it.
#[tokio::test]
async fn the_index_holds_the_contexts_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let ports = open(folder.path()).await;
    let id: TenantId = "default".parse().unwrap();
    let tenant = ports.directory.get(&id).await.unwrap().unwrap();
    let file = folder.path().join("tenants").join(format!("{id}.{}.db", tenant.generation.as_str()));
    let counts = || {
        ["contexts", "context_index", "context_terms"]
            .map(|table| number(&file, &format!("SELECT count(*) FROM {table}")))
    };
    let service = Service::new(ports, Arc::new(SystemClock), Arc::new(RandomIds));
    let principal = Principal { name: "tester".to_owned(), access: Access::Operator };
    let me = Caller::in_tenant(principal, id, "request".to_owned());
    let at = |keys| Address::Scope(Scope::from_keys(keys).unwrap());
    let body = json!({"context_data": {"n": 1}}).as_object().unwrap().clone();
    let task = at([Some("p"), Some("b"), Some("t")]);
    service.put(&me, &task, body, WriteOptions::default()).await.unwrap();
    let patch = json!({"title": "a task"}).as_object().unwrap().clone();
    service.patch(&me, &task, Patch::Merge(patch), WriteOptions::default()).await.unwrap();
    assert_eq!(counts(), [4; 3]);
    let project = at([Some("p"), None, None]);
    service.delete(&me, &project, Subtree::Remove, WriteOptions::default()).await.unwrap();
    assert_eq!(counts(), [1; 3]);
}
