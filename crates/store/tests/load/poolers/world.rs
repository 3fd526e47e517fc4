//! Two servers with the same tenants behind one `PgBouncer`, and processes that ask for their contexts.

use std::sync::Arc;

use std::env;
use std::fmt;
use std::process::{Command, Stdio};

use context_domain::change::Operation;
use context_domain::context::Context;
use context_domain::id::TenantId;
use context_domain::ports::{Expect, Op, Outcome};
use context_domain::service::Ports;
use context_domain::tree::{Address, Scope};
use context_store::postgres::ConnectionMode;
use context_testing::{PgBouncer, PoolMode, SERVER, Server};
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use crate::installation::{install, open, tenants};
use crate::writes::{commit, creation};

/// The databases as `PgBouncer` shows them, each on a server of its own.
pub(crate) const PLACES: [&str; 2] = ["here", "there"];

/// Tenants in each place.
pub(crate) const TENANTS: usize = 12;

/// Connections that `PgBouncer` has to each place.
const POOL_SIZE: u32 = 2;

/// The documents of each tenant below the global node, the upper one first.
pub(crate) fn documents() -> [Scope; 2] {
    [[Some("web"), None, None], [Some("web"), Some("main"), None]].map(|keys| Scope::from_keys(keys).unwrap())
}

/// What every document of a tenant says.
pub(crate) fn data_of(place: &str, tenant: &TenantId) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("place".to_owned(), place.into());
    data.insert("tenant".to_owned(), tenant.as_str().into());
    data
}

/// Who asks.
pub(crate) struct Crowd {
    pub(crate) processes: usize,
    /// Connections of each of a process's stores.
    pub(crate) connections: usize,
    /// How often each process opens its stores.
    pub(crate) stores: usize,
    /// What it is told of the way.
    pub(crate) trust: ConnectionMode,
}

/// What became of the requests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) right: usize,
    /// Whose caller went away.
    pub(crate) given_up: usize,
    pub(crate) wrong: Vec<String>,
    pub(crate) failed: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} right, {} given up, {} wrong, {} failed",
            self.right,
            self.given_up,
            self.wrong.len(),
            self.failed.len()
        )
    }
}

impl Tally {
    /// One line for each request that was not right, and the numbers of the others.
    pub(crate) fn lines(&self) -> String {
        let mut lines = format!("\nright {}\ngiven-up {}\n", self.right, self.given_up);
        for (word, requests) in [("wrong", &self.wrong), ("failed", &self.failed)] {
            for request in requests {
                lines += &[word, " ", &request.replace('\n', " "), "\n"].concat();
            }
        }
        lines
    }

    fn read(&mut self, printed: &str) {
        for line in printed.lines() {
            match line.split_once(' ') {
                Some(("right", number)) => self.right += number.parse::<usize>().unwrap(),
                Some(("given-up", number)) => self.given_up += number.parse::<usize>().unwrap(),
                Some(("wrong", what)) => self.wrong.push(what.to_owned()),
                Some(("failed", what)) => self.failed.push(what.to_owned()),
                _ => {}
            }
        }
    }
}

/// The two servers' databases.
pub(crate) struct World {
    servers: [&'static Server; 2],
    databases: [String; 2],
}

impl World {
    pub(crate) async fn new() -> Self {
        static THERE: OnceCell<Server> = OnceCell::const_new();
        let servers =
            [context_testing::postgres().await, THERE.get_or_init(|| Server::builder().start()).await];
        let mut databases = [String::new(), String::new()];
        for ((server, database), place) in servers.into_iter().zip(&mut databases).zip(PLACES) {
            *database = install(server, &tenants(TENANTS)).await;
            let ports = open(&server.url_as(SERVER, database), |_| {}).await;
            for tenant in tenants(TENANTS) {
                write_documents(&ports, place, &tenant).await;
            }
        }
        Self { servers, databases }
    }

    /// Lets the crowd ask through a pooler.
    pub(crate) async fn ask(&self, mode: PoolMode, crowd: &Crowd, requests: usize) -> Tally {
        let mut builder = PgBouncer::builder(mode, POOL_SIZE);
        for ((server, database), place) in self.servers.iter().zip(&self.databases).zip(PLACES) {
            builder = builder.database(place, server, Some(database));
        }
        let pooler = builder.start().await;
        let trust = if crowd.trust == ConnectionMode::Direct { "direct" } else { "auto" };
        let children: Vec<_> = (0..crowd.processes)
            .map(|number| {
                let share = requests / crowd.processes + usize::from(number < requests % crowd.processes);
                Command::new(env::current_exe().unwrap())
                    .args(["--exact", "poolers::client::at_work", "--nocapture", "--quiet"])
                    .env("POOLER_URLS", PLACES.map(|place| pooler.url_as(SERVER, place)).join(" "))
                    .env("POOLER_TRUST", trust)
                    .env("POOLER_SHARE", share.to_string())
                    .env("POOLER_CONNECTIONS", crowd.connections.to_string())
                    .env("POOLER_STORES", crowd.stores.to_string())
                    .env("POOLER_SEED", number.to_string())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let mut tally = Tally::default();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "a process failed; what it printed stands above");
            tally.read(&String::from_utf8_lossy(&output.stdout));
        }
        tally
    }
}

async fn write_documents(ports: &Ports, place: &str, tenant: &TenantId) {
    let data = data_of(place, tenant);
    let global = ports.contexts.chain(tenant, &Address::Scope(Scope::global())).await.unwrap().remove(0);
    let mut written = Context { version: global.version + 1, ..Arc::unwrap_or_clone(Arc::clone(&global)) };
    written.content.context_data = data.clone();
    let op = Op::Put { context: Box::new(written), scope: None, operation: Operation::Update };
    let mut commits = vec![commit(Expect::Version(global.etag()), op)];
    commits.extend(documents().map(|scope| creation(tenant, Some(scope), data.clone())));
    for commit in commits {
        assert!(matches!(ports.contexts.commit(tenant, commit).await.unwrap(), Outcome::Done(_)));
    }
}
