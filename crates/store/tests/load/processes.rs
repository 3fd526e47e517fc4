//! Several processes on one folder: no acknowledged write is lost, even if they are killed.

use std::collections::{HashMap, HashSet};
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::writes::{commit, creation};
use context_domain::change::Operation;
use context_domain::clock::{Clock, SystemClock};
use context_domain::context::Context;
use context_domain::error::Error;
use context_domain::id::{ContextId, IdSource, RandomIds, TenantId};
use context_domain::ports::{ChangeQuery, ContextList, ContextQuery, Expect, Op, Outcome};
use context_domain::service::Ports;
use context_domain::tenant::NewTenant;
use context_domain::tree::{Address, Scope};
use context_store::StoreOptions;
use serde_json::Map;
use tempfile::TempDir;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

// What the processes do.

/// The work of a process.
struct Worker {
    ports: Ports,
    stable: TenantId,
    volatile: TenantId,
    log: File,
    until: Instant,
}

/// Where another test starts this one with a role, it is a process at work in the folder of that test.
/// Otherwise it lets one process of each role work in a folder of its own for a moment, and checks what they
/// did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_does_its_work() {
    if let Ok(role) = env::var("STORE_ROLE") {
        let (folder, log) = (env::var("STORE_FOLDER").unwrap(), env::var("STORE_LOG").unwrap());
        let time = Duration::from_millis(number("STORE_MILLIS", 0));
        return Worker::new(Path::new(&folder), Path::new(&log), time).await.play(&role).await;
    }
    let mut here = Processes::new();
    let time = Duration::from_millis(300);
    let mut workers = Vec::new();
    for role in ["writer", "reader", "dropper"] {
        let mut worker = Worker::new(&here.store(), &here.next_log(), time).await;
        workers.push(tokio::spawn(async move { worker.play(role).await }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
    let found = here.check().await;
    assert!(!found.versions.is_empty() && found.versions.len() == found.inserted.len());
    assert!(found.reads > 0 && !found.dropped.is_empty());
    here.check_files();
}

impl Worker {
    async fn new(folder: &Path, log: &Path, time: Duration) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let until = Instant::now() + time;
        let (stable, volatile) = (tenant("default"), tenant("volatile"));
        Self { ports: open(folder).await, stable, volatile, log, until }
    }

    async fn play(&mut self, role: &str) {
        match role {
            "writer" => self.write().await,
            "reader" => self.read().await,
            "dropper" => self.drop_and_create().await,
            other => panic!("no role {other}"),
        }
    }

    /// Writes a line to the log. It is in the file when this returns, whatever happens to the process.
    fn log(&mut self, line: &str) {
        self.log.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    async fn write(&mut self) {
        while Instant::now() < self.until {
            self.increment().await;
            let written = insert(&self.ports, &self.stable, None).await.unwrap();
            self.log(&format!("insert {}", written.id));
            let begun = SystemClock.now().as_micros();
            // The global node's id identifies the generation of the tenant that was written to.
            match insert(&self.ports, &self.volatile, Some(RandomIds.uuid().to_string())).await {
                Ok(written) => {
                    let life = written.place.unwrap().parent_id.unwrap();
                    self.log(&format!("volatile {life} {} {begun}", written.id));
                }
                Err(Error::TenantNotFound { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    /// Adds one to the version of the global node, and tries again until it succeeds.
    async fn increment(&mut self) {
        loop {
            let current = global(&self.ports, &self.stable).await.unwrap();
            let expect = Expect::Version(current.etag());
            let context = Box::new(Context { version: current.version + 1, ..current });
            let op = Op::Put { context, scope: None, operation: Operation::Update };
            match self.ports.contexts.commit(&self.stable, commit(expect, op)).await.unwrap() {
                Outcome::Done(context) => return self.log(&format!("version {}", context.version)),
                Outcome::Conflict { current: Some(_) } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn read(&mut self) {
        let mut version = 0;
        let mut reads = 0;
        while Instant::now() < self.until {
            let now = global(&self.ports, &self.stable).await.unwrap().version;
            assert!(now >= version, "the version went back from {version} to {now}");
            version = now;
            let query = ContextQuery { list: every(None), live_at: SystemClock.now(), limit: 50 };
            self.ports.contexts.page(&self.stable, &query).await.unwrap();
            let changes = ChangeQuery { context: None, before: None, limit: 50 };
            self.ports.contexts.changes(&self.stable, &changes).await.unwrap();
            match self.ports.contexts.page(&self.volatile, &query).await {
                Ok(_) | Err(Error::TenantNotFound { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
            reads += 4;
        }
        self.log(&format!("reads {reads}"));
    }

    async fn drop_and_create(&mut self) {
        while Instant::now() < self.until {
            let new = NewTenant::new(self.volatile.clone(), &SystemClock, &RandomIds);
            if self.ports.directory.create(&new).await.unwrap() {
                self.log(&format!("made {}", new.global.id));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            let life = global(&self.ports, &self.volatile).await.unwrap().id;
            assert!(self.ports.directory.remove(&self.volatile).await.unwrap());
            self.log(&format!("dropped {life} {}", SystemClock.now().as_micros()));
        }
    }
}

async fn open(folder: &Path) -> Ports {
    let options = StoreOptions::new(format!("sqlite:{}", folder.display()).parse().unwrap());
    context_store::open(&options, Arc::new(SystemClock), Arc::new(RandomIds)).await.unwrap().ports
}

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

async fn global(ports: &Ports, tenant: &TenantId) -> Result<Context, Error> {
    let chain = ports.contexts.chain(tenant, &Address::Scope(Scope::global())).await?;
    Ok(Arc::unwrap_or_clone(chain.into_iter().next().unwrap()))
}

/// Creates a context: a project, or one outside the tree.
async fn insert(ports: &Ports, tenant: &TenantId, project: Option<String>) -> Result<Context, Error> {
    let scope = project.map(|key| Scope::from_keys([Some(&key), None, None]).unwrap());
    match ports.contexts.commit(tenant, creation(tenant, scope, Map::new())).await? {
        Outcome::Done(context) => Ok(*context),
        other => panic!("{other:?}"),
    }
}

// What the processes must have done.

/// The processes at work on one folder, and what they logged.
struct Processes {
    folder: TempDir,
    running: Vec<Child>,
    started: usize,
}

/// What was acknowledged.
#[derive(Default)]
struct Acknowledged {
    versions: Vec<u32>,
    inserted: Vec<ContextId>,
    /// How many of them each process inserted.
    shares: Vec<usize>,
    /// By generation of the tenant: the ids written to it, and when each write began.
    volatile: HashMap<String, Vec<(ContextId, i64)>>,
    made: HashSet<String>,
    dropped: HashMap<String, i64>,
    reads: u64,
}

impl Processes {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), running: Vec::new(), started: 0 }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn next_log(&mut self) -> PathBuf {
        self.started += 1;
        self.folder.path().join(format!("{}.log", self.started - 1))
    }

    fn start(&mut self, role: &str, time: Duration) {
        let log = self.next_log();
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "processes::each_role_does_its_work", "--nocapture", "--quiet"])
            .env("STORE_ROLE", role)
            .env("STORE_FOLDER", self.store())
            .env("STORE_LOG", log)
            .env("STORE_MILLIS", time.as_millis().to_string())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        self.running.push(child);
    }

    fn wait(&mut self) {
        for mut child in self.running.drain(..) {
            assert!(child.wait().unwrap().success(), "a process failed; its output is above");
        }
    }

    fn kill(&mut self) {
        for mut child in self.running.drain(..) {
            assert!(child.try_wait().unwrap().is_none(), "a process ended before it was killed");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn acknowledged(&self) -> Acknowledged {
        let mut found = Acknowledged::default();
        for number in 0..self.started {
            let log = self.folder.path().join(format!("{number}.log"));
            // A process that was killed at once has logged nothing.
            let text = if log.exists() { fs::read_to_string(log).unwrap() } else { String::new() };
            let before = found.inserted.len();
            for line in text.lines() {
                let words: Vec<_> = line.split(' ').collect();
                match words[..] {
                    ["version", version] => found.versions.push(version.parse().unwrap()),
                    ["insert", id] => found.inserted.push(id.parse().unwrap()),
                    ["volatile", life, id, begun] => {
                        let written = (id.parse().unwrap(), begun.parse().unwrap());
                        found.volatile.entry(life.to_owned()).or_default().push(written);
                    }
                    ["made", life] => assert!(found.made.insert(life.to_owned())),
                    ["dropped", life, at] => {
                        found.dropped.insert(life.to_owned(), at.parse().unwrap());
                    }
                    ["reads", reads] => found.reads += reads.parse::<u64>().unwrap(),
                    _ => panic!("{line}"),
                }
            }
            found.shares.push(found.inserted.len() - before);
        }
        found
    }

    /// Compares what is there with what was acknowledged; the present ids of the tenant `volatile` last.
    async fn check(&self) -> Acknowledged {
        let ports = open(&self.store()).await;
        let mut found = self.acknowledged();
        found.versions.sort_unstable();
        assert!(found.versions.windows(2).all(|pair| pair[0] < pair[1]), "two writes gave the same version");
        let version = global(&ports, &tenant("default")).await.unwrap().version;
        assert!(found.versions.last().is_none_or(|last| *last <= version), "a version was lost");
        let there = all(&ports, &tenant("default")).await.unwrap();
        let lost = found.inserted.iter().filter(|id| !there.contains(*id)).count();
        assert_eq!(lost, 0, "of {} acknowledged inserts", found.inserted.len());
        let (life, there) = match global(&ports, &tenant("volatile")).await {
            Ok(global) => (global.id.to_string(), all(&ports, &tenant("volatile")).await.unwrap()),
            Err(Error::TenantNotFound { .. }) => (String::new(), HashSet::new()),
            Err(error) => panic!("{error:?}"),
        };
        for (written_into, writes) in &found.volatile {
            for (id, begun) in writes {
                if *written_into == life {
                    assert!(there.contains(id), "an acknowledged write to the present generation is lost");
                } else if let Some(dropped) = found.dropped.get(written_into) {
                    assert!(
                        begun <= dropped,
                        "a write was acknowledged {} µs after the drop",
                        begun - dropped
                    );
                }
            }
        }
        for check in ports.upkeep.checks().await {
            assert_eq!(check.problem, None, "{}", check.name);
        }
        found
    }

    /// Checks that SQLite finds every file whole, and that no file of a dropped tenant is left.
    fn check_files(&self) {
        let store = self.store();
        let mut files = vec![store.join("control.db")];
        let tenants = fs::read_dir(store.join("tenants")).unwrap().map(|entry| entry.unwrap().path());
        files.extend(tenants.filter(|path| path.extension().is_some_and(|suffix| suffix == "db")));
        for file in files {
            let connection = rusqlite::Connection::open(&file).unwrap();
            let verdict: String =
                connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
            assert_eq!(verdict, "ok", "{}", file.display());
            let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'";
            if connection.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap() == 1 {
                let dropped: i64 =
                    connection.query_row("SELECT dropped FROM meta", (), |row| row.get(0)).unwrap();
                assert_eq!(dropped, 0, "{} was dropped and still exists", file.display());
            }
        }
    }
}

/// The list of all contexts.
fn every(after: Option<ContextId>) -> ContextList {
    ContextList::Matching { search: Box::default(), after }
}

/// The ids of all contexts.
async fn all(ports: &Ports, tenant: &TenantId) -> Result<HashSet<ContextId>, Error> {
    let mut found = HashSet::new();
    let mut after = None;
    loop {
        let query = ContextQuery { list: every(after), live_at: SystemClock.now(), limit: 1_000 };
        let page = ports.contexts.page(tenant, &query).await?;
        after = page.last().map(|context| context.id.clone());
        if after.is_none() {
            return Ok(found);
        }
        found.extend(page.into_iter().map(|context| context.id));
    }
}

#[tokio::test]
async fn processes_share_a_folder_and_lose_nothing() {
    let time = Duration::from_secs(number("STORE_SECONDS", 3));
    let mut processes = Processes::new();
    for role in ["writer", "reader"].into_iter().cycle().take(8) {
        processes.start(role, time);
    }
    processes.start("dropper", time);
    processes.wait();
    let found = processes.check().await;
    let version = u32::try_from(found.versions.len()).unwrap();
    assert_eq!(found.versions.last(), Some(&version), "as many versions as increments");
    assert!(!found.dropped.is_empty() && found.reads > 0 && !found.volatile.is_empty());
    assert_eq!(found.dropped.keys().collect::<HashSet<_>>(), found.made.iter().collect());
    assert!(found.volatile.keys().all(|life| found.made.contains(life)));
    processes.check_files();
    println!(
        "in {time:?}: {} increments, {} inserts (of each process: {:?}), {} reads, \
         {} generations of a tenant with {} writes",
        found.versions.len(),
        found.inserted.len(),
        found.shares,
        found.reads,
        found.made.len(),
        found.volatile.values().map(Vec::len).sum::<usize>()
    );
}

#[tokio::test]
async fn killed_processes_lose_nothing_that_was_acknowledged() {
    let mut processes = Processes::new();
    let mut acknowledged = 0;
    for kill in 0..number("STORE_KILLS", 10) {
        for role in ["writer", "writer", "dropper"] {
            processes.start(role, Duration::from_mins(10));
        }
        let deadline = Instant::now() + Duration::from_mins(1);
        let awaited = acknowledged + usize::try_from(kill % 10).unwrap();
        while processes.acknowledged().inserted.len() <= awaited {
            assert!(Instant::now() < deadline, "no write succeeds any more");
            thread::sleep(Duration::from_millis(5));
        }
        // The moments of the kills are spread over the duration of a commit.
        thread::sleep(Duration::from_micros(kill * 7_919 % 60_000));
        processes.kill();
        let found = processes.check().await;
        acknowledged = found.inserted.len();
        processes.check_files();
    }
    println!("{acknowledged} acknowledged inserts were all found");
}
