//! The embedded store on a folder with files that are damaged, half done, newer or another's.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use context_domain::clock::SystemClock;
use context_domain::context::Context;
use context_domain::error::Error;
use context_domain::id::{RandomIds, TenantId};
use context_domain::ports::{ContextList, ContextQuery};
use context_domain::service::Ports;
use context_domain::tenant::{NewTenant, Tenant};
use context_domain::tree::{Address, Scope};
use context_store::StoreOptions;
use rusqlite::Connection;
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    async fn try_open(&self) -> Result<Ports, Error> {
        let options = StoreOptions::new(format!("sqlite:{}", self.0.path().display()).parse().unwrap());
        Ok(context_store::open(&options, Arc::new(SystemClock), Arc::new(RandomIds)).await?.ports)
    }

    async fn open(&self) -> Ports {
        self.try_open().await.unwrap()
    }

    fn control(&self) -> PathBuf {
        self.0.path().join("control.db")
    }

    fn file(&self, tenant: &Tenant) -> PathBuf {
        let name = format!("{}.{}.db", tenant.id, tenant.generation.as_str());
        self.0.path().join("tenants").join(name)
    }

    /// The names of the tenants' files.
    fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.0.path().join("tenants")).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.ends_with("-wal") && !name.ends_with("-shm"));
        names
    }
}

async fn create_tenant(ports: &Ports, id: &str) -> Tenant {
    let new = NewTenant::new(id.parse().unwrap(), &SystemClock, &RandomIds);
    assert!(ports.directory.create(&new).await.unwrap());
    new.tenant
}

async fn global(ports: &Ports, tenant: &TenantId) -> Result<Context, Error> {
    let chain = ports.contexts.chain(tenant, &Address::Scope(Scope::global())).await?;
    Ok(Arc::unwrap_or_clone(chain.into_iter().next().unwrap()))
}

/// The detail of the error for an unhealthy tenant. The text that callers see holds nothing of the driver's.
fn unhealthy<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result.unwrap_err() {
        Error::TenantUnhealthy { detail, .. } => detail,
        other => panic!("{other:?}"),
    }
}

async fn problem(ports: &Ports, check: &str) -> Option<String> {
    let checks = ports.upkeep.checks().await;
    checks.into_iter().find(|found| found.name == check).unwrap().problem
}

#[tokio::test]
async fn a_missing_file_is_not_created_again() {
    let folder = Folder::new();
    let tenant = create_tenant(&folder.open().await, "t").await;
    fs::remove_file(folder.file(&tenant)).unwrap();
    let ports = folder.open().await;
    assert_eq!(unhealthy(global(&ports, &tenant.id).await), "its file is missing");
    assert_eq!(problem(&ports, "tenant t").await.as_deref(), Some("its file is missing"));
    assert!(!folder.file(&tenant).exists());
    // Nothing is left to lose: the tenant can be dropped and created again.
    assert!(ports.directory.remove(&tenant.id).await.unwrap());
    create_tenant(&ports, "t").await;
    assert_eq!(problem(&ports, "tenant t").await, None);
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_and_not_changed() {
    let sqlite = TempDir::new().unwrap();
    let foreign = sqlite.path().join("foreign.db");
    Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (a); PRAGMA user_version = 1")
        .unwrap();
    for content in [fs::read(&foreign).unwrap(), b"a letter to my aunt".to_vec()] {
        let folder = Folder::new();
        fs::write(folder.control(), &content).unwrap();
        let Err(Error::Unavailable { detail, .. }) = folder.try_open().await else { panic!() };
        assert!(detail.starts_with("control.db: its file is "), "{detail}");
        assert_eq!(fs::read(folder.control()).unwrap(), content);
        assert!(folder.files().is_empty());

        let folder = Folder::new();
        let tenant = create_tenant(&folder.open().await, "t").await;
        fs::write(folder.file(&tenant), &content).unwrap();
        let ports = folder.open().await;
        unhealthy(global(&ports, &tenant.id).await);
        unhealthy(ports.directory.remove(&tenant.id).await);
        assert_eq!(fs::read(folder.file(&tenant)).unwrap(), content);
        assert!(problem(&ports, "tenant t").await.is_some());
        global(&ports, &"default".parse().unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let folder = Folder::new();
    let tenant = create_tenant(&folder.open().await, "t").await;
    let newer =
        |path: PathBuf| Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    newer(folder.file(&tenant));
    let ports = folder.open().await;
    let detail = unhealthy(global(&ports, &tenant.id).await);
    assert!(detail.contains("revision 99") && detail.contains("newer version"), "{detail}");
    unhealthy(ports.directory.remove(&tenant.id).await);
    assert!(folder.file(&tenant).exists());
    drop(ports);
    newer(folder.control());
    let Err(Error::Unavailable { detail, .. }) = folder.try_open().await else { panic!() };
    assert!(detail.contains("control.db") && detail.contains("revision 99"), "{detail}");
}

#[tokio::test]
async fn a_file_in_place_of_another_is_refused() {
    let folder = Folder::new();
    let ports = folder.open().await;
    let (one, two) = (create_tenant(&ports, "one").await, create_tenant(&ports, "two").await);
    drop(ports);
    fs::copy(folder.file(&one), folder.file(&two)).unwrap();
    let ports = folder.open().await;
    assert_eq!(unhealthy(global(&ports, &two.id).await), "its file is another tenant's");
    global(&ports, &one.id).await.unwrap();
}

#[tokio::test]
async fn a_drop_that_stopped_at_the_tombstone_is_finished_by_the_next_call() {
    let stopped = async |ports: &Ports, folder: &Folder| {
        let tenant = create_tenant(ports, "t").await;
        let file = Connection::open(folder.file(&tenant)).unwrap();
        assert_eq!(file.execute("UPDATE meta SET dropped = 1", ()).unwrap(), 1);
        tenant
    };
    let folder = Folder::new();
    let ports = folder.open().await;
    for round in 0..6 {
        let tenant = stopped(&ports, &folder).await;
        // For another process the file is closed; this one may have it open.
        let ports = if round % 2 == 0 { folder.open().await } else { ports.clone() };
        match round / 2 {
            0 => {
                let read = global(&ports, &tenant.id).await;
                assert!(matches!(read, Err(Error::TenantNotFound { .. })), "{read:?}");
            }
            1 => assert!(!ports.directory.remove(&tenant.id).await.unwrap()),
            _ => assert_eq!(ports.upkeep.checks().await.len(), 2),
        }
        assert_eq!(ports.directory.get(&tenant.id).await.unwrap(), None);
        assert_eq!(folder.files().len(), 1);
    }
    let before = stopped(&ports, &folder).await;
    let after = create_tenant(&ports, "t").await;
    assert_ne!(before.generation, after.generation);
    assert!(folder.file(&after).exists() && !folder.file(&before).exists());
}

#[tokio::test]
async fn files_that_a_drop_left_are_removed_at_the_next_opening() {
    let folder = Folder::new();
    let ports = folder.open().await;
    let (dropped, half_made) =
        (create_tenant(&ports, "dropped").await, create_tenant(&ports, "half-made").await);
    drop(ports);
    let file = Connection::open(folder.file(&dropped)).unwrap();
    assert_eq!(file.execute("UPDATE meta SET dropped = 1", ()).unwrap(), 1);
    drop(file);
    Connection::open(folder.control())
        .unwrap()
        .execute("DELETE FROM tenants WHERE id != 'default'", ())
        .unwrap();
    let log = folder.file(&dropped).with_extension("db-wal");
    let strange = folder.0.path().join("tenants").join("notes.txt");
    fs::write(&strange, "mine").unwrap();
    folder.open().await;
    assert!(!folder.file(&dropped).exists());
    fs::write(&log, "the rest of the log").unwrap();
    folder.open().await;
    assert!(!log.exists());
    assert!(folder.file(&half_made).exists() && strange.exists(), "a file that was not dropped is kept");
}

#[tokio::test]
async fn a_tenant_that_cannot_be_created_leaves_nothing() {
    let folder = Folder::new();
    let ports = folder.open().await;
    let control = Connection::open(folder.control()).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON tenants BEGIN SELECT RAISE(ABORT, 'no'); END";
    control.execute_batch(refuse).unwrap();
    let new = NewTenant::new("t".parse().unwrap(), &SystemClock, &RandomIds);
    assert!(ports.directory.create(&new).await.is_err());
    assert_eq!(folder.files().len(), 1);
    control.execute_batch("DROP TRIGGER refuse").unwrap();
    assert!(ports.directory.create(&new).await.unwrap());
}

/// Another process holds one tenant's lock: the writers of that tenant wait in one queue, not on every
/// thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_wait_leave_room_for_other_tenants() {
    let folder = Folder::new();
    let ports = folder.open().await;
    let (held, other) = (create_tenant(&ports, "held").await, create_tenant(&ports, "other").await);
    let file = Connection::open(folder.file(&held)).unwrap();
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writers: Vec<_> = (0..64)
        .map(|_| {
            let (directory, id) = (ports.directory.clone(), held.id.clone());
            tokio::spawn(async move { directory.remove(&id).await.unwrap() })
        })
        .collect();
    // Gives the writers time to begin to wait.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let reads = async { (global(&ports, &other.id).await, global(&ports, &held.id).await) };
    let (of_other, of_held) = tokio::time::timeout(Duration::from_secs(10), reads).await.unwrap();
    assert!(of_other.is_ok() && of_held.is_ok(), "readers do not wait for writers");
    file.execute_batch("ROLLBACK").unwrap();
    let mut removed = 0;
    for writer in writers {
        removed += usize::from(writer.await.unwrap());
    }
    assert_eq!(removed, 1);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_makes_its_tenant_unhealthy_and_is_never_skipped() {
    let folder = Folder::new();
    let ports = folder.open().await;
    let tenant: TenantId = "default".parse().unwrap();
    let file = folder.file(&ports.directory.get(&tenant).await.unwrap().unwrap());
    let run = |sql: &str| Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    let query = ContextQuery {
        list: ContextList::Matching { search: Box::default(), after: None },
        live_at: context_domain::clock::Clock::now(&SystemClock),
        limit: 9,
    };
    for (column, value) in [
        ("context_data", "'{\"secret\": '"),
        ("context_data", "'[\"secret\"]'"),
        ("tags", "'secret'"),
        ("inheritance", "'secret'"),
        ("version", "99999999999"),
        ("created_at", "9223372036854775807"),
        ("id", "'secret'"),
        ("tenant_id", "'secret'"),
    ] {
        run(&format!(
            "PRAGMA ignore_check_constraints = ON; CREATE TABLE kept AS SELECT * FROM contexts; \
             UPDATE contexts SET {column} = {value}"
        ));
        for result in [
            global(&ports, &tenant).await.map(|_| ()),
            ports.contexts.page(&tenant, &query).await.map(|_| ()),
        ] {
            let detail = unhealthy(result);
            assert!(!detail.contains("secret"), "{detail}");
        }
        run("DELETE FROM contexts; INSERT INTO contexts SELECT * FROM kept; DROP TABLE kept");
        global(&ports, &tenant).await.unwrap();
    }
    run("DELETE FROM contexts");
    let problem_of_default = async || problem(&ports, "tenant default").await;
    assert_eq!(unhealthy(global(&ports, &tenant).await), "its global node is missing");
    assert_eq!(problem_of_default().await.as_deref(), Some("its global node is missing"));
    run("DROP TABLE contexts");
    assert_eq!(unhealthy(global(&ports, &tenant).await), "its tables are not those that this version makes");
    assert!(problem_of_default().await.is_some());
    ports.upkeep.ready().await.unwrap();
}

#[tokio::test]
async fn the_tables_enforce_the_rules_by_themselves() {
    let folder = Folder::new();
    let ports = folder.open().await;
    let tenant = ports.directory.get(&"default".parse().unwrap()).await.unwrap().unwrap();
    let file = Connection::open(folder.file(&tenant)).unwrap();
    for file in [&file, &Connection::open(folder.control()).unwrap()] {
        let mode: String = file.query_row("PRAGMA journal_mode", (), |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
    let global: String = file.query_row("SELECT id FROM contexts", (), |row| row.get(0)).unwrap();
    let insert = |id: &str, tenant: &str, level: &str, parent: &str, key: &str| {
        let sql = format!(
            "INSERT INTO contexts (id, context_data, context_type, tenant_id, created_at, updated_at,
                 context_level, parent_id, node_key)
             VALUES ('{id}', '{{}}', 't', '{tenant}', 0, 0, {level}, {parent}, {key})"
        );
        file.execute(&sql, ())
    };
    let global = format!("'{global}'");
    assert!(insert("1", "default", "'project'", &global, "'k'").is_ok());
    assert!(insert("2", "default", "NULL", "NULL", "NULL").is_ok());
    for (tenant, level, parent, key) in [
        ("other", "NULL", "NULL", "NULL"),
        ("default", "'global'", "NULL", "NULL"),
        ("default", "NULL", global.as_str(), "'l'"),
        ("default", "NULL", "NULL", "'l'"),
        ("default", "'task'", "NULL", "'l'"),
        ("default", "'task'", global.as_str(), "NULL"),
        ("default", "'strange'", global.as_str(), "'l'"),
        ("default", "'branch'", "'nobody'", "'l'"),
        ("default", "'project'", global.as_str(), "'k'"),
    ] {
        assert!(insert("3", tenant, level, parent, key).is_err(), "{tenant} {level} {parent} {key}");
    }
    let expire = |id: &str| file.execute(&format!("UPDATE contexts SET expires_at = 1 WHERE id = {id}"), ());
    assert!(expire("'1'").is_ok() && expire(&global).is_err(), "the global node never expires");
    file.execute(&format!("DELETE FROM contexts WHERE id = {global}"), ()).unwrap();
    let left: i64 = file.query_row("SELECT count(*) FROM contexts", (), |row| row.get(0)).unwrap();
    assert_eq!(left, 1, "the foreign key to the parent cascades, as a last resort");
}

/// Overwrites the first page of an index of the tenant's file.
fn damage_an_index(folder: &Folder, tenant: &Tenant) {
    let connection = Connection::open(folder.file(tenant)).unwrap();
    let page: u32 = connection
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_contexts_2'",
            (),
            |row| row.get(0),
        )
        .unwrap();
    let size: u32 = connection.query_row("PRAGMA page_size", (), |row| row.get(0)).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).unwrap();
    drop(connection);
    let mut file = fs::OpenOptions::new().write(true).open(folder.file(tenant)).unwrap();
    file.seek(SeekFrom::Start(u64::from(page - 1) * u64::from(size))).unwrap();
    file.write_all(&vec![0xA5; usize::try_from(size).unwrap()]).unwrap();
}

#[tokio::test]
async fn damage_inside_a_file_is_found_by_an_inspection_or_by_a_call() {
    let folder = Folder::new();
    let tenant = create_tenant(&folder.open().await, "t").await;
    let whole = fs::read(folder.file(&tenant)).unwrap();
    damage_an_index(&folder, &tenant);
    let ports = folder.open().await;
    let inspected = ports.upkeep.inspect().await;
    assert!(
        inspected.iter().any(|check| check.name == "tenant t" && check.problem.is_some()),
        "{inspected:?}"
    );

    let ports = folder.open().await;
    assert_eq!(problem(&ports, "tenant t").await, None, "a quick check does not read the index");
    let scope = Scope::from_keys([Some("web"), None, None]).unwrap();
    unhealthy(ports.contexts.chain(&tenant.id, &Address::Scope(scope)).await);
    assert!(problem(&ports, "tenant t").await.is_some(), "the store keeps the finding of the call");
    assert_eq!(problem(&ports, "tenant default").await, None);
    drop(ports);

    fs::write(folder.file(&tenant), whole).unwrap();
    let ports = folder.open().await;
    assert_eq!(ports.upkeep.inspect().await.iter().find(|check| check.problem.is_some()), None);
}
