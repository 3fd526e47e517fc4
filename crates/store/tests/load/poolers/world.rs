//! Two servers with the same tenants behind one `PgBouncer`, and processes that read and write their
//! contexts.

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

/// The names of the databases in `PgBouncer`, each on a server of its own.
pub(crate) const SITES: [&str; 2] = ["here", "there"];

/// Tenants at each site.
pub(crate) const TENANTS: usize = 12;

/// Connections that `PgBouncer` has to each server.
const POOL_SIZE: u32 = 2;

/// Returns the scopes of each tenant's documents below the global node, the upper one first.
pub(crate) fn documents() -> [Scope; 2] {
    [[Some("web"), None, None], [Some("web"), Some("main"), None]].map(|keys| Scope::from_keys(keys).unwrap())
}

/// Returns the data of every document of a tenant.
pub(crate) fn data_of(site: &str, tenant: &TenantId) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("site".to_owned(), site.into());
    data.insert("tenant".to_owned(), tenant.as_str().into());
    data
}

/// The processes that send requests.
pub(crate) struct Crowd {
    pub(crate) processes: usize,
    /// Connections of each store of a process.
    pub(crate) connections: usize,
    /// How many times each process opens its stores.
    pub(crate) stores: usize,
    /// The connection mode that is set.
    pub(crate) setting: ConnectionMode,
}

/// The results of the requests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) right: usize,
    /// Requests whose caller was dropped.
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
    /// Formats one line for each request that was not right, and the numbers of the others.
    pub(crate) fn lines(&self) -> String {
        let mut lines = format!("\nright {}\ngiven-up {}\n", self.right, self.given_up);
        for (word, requests) in [("wrong", &self.wrong), ("failed", &self.failed)] {
            for request in requests {
                lines += &[word, " ", &request.replace('\n', " "), "\n"].concat();
            }
        }
        lines
    }

    fn add_lines(&mut self, printed: &str) {
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
        for ((server, database), site) in servers.into_iter().zip(&mut databases).zip(SITES) {
            *database = install(server, &tenants(TENANTS)).await;
            let ports = open(&server.url_as(SERVER, database), |_| {}).await;
            for tenant in tenants(TENANTS) {
                write_documents(&ports, site, &tenant).await;
            }
        }
        Self { servers, databases }
    }

    /// Lets the crowd send requests through a pooler.
    pub(crate) async fn send_requests(&self, mode: PoolMode, crowd: &Crowd, requests: usize) -> Tally {
        let mut builder = PgBouncer::builder(mode, POOL_SIZE);
        for ((server, database), site) in self.servers.iter().zip(&self.databases).zip(SITES) {
            builder = builder.database(site, server, Some(database));
        }
        let pooler = builder.start().await;
        let setting = if crowd.setting == ConnectionMode::Direct { "direct" } else { "auto" };
        let children: Vec<_> = (0..crowd.processes)
            .map(|number| {
                let share = requests / crowd.processes + usize::from(number < requests % crowd.processes);
                Command::new(env::current_exe().unwrap())
                    .args(["--exact", "poolers::client::at_work", "--nocapture", "--quiet"])
                    .env("POOLER_URLS", SITES.map(|site| pooler.url_as(SERVER, site)).join(" "))
                    .env("POOLER_SETTING", setting)
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
            assert!(output.status.success(), "a process failed; its output is above");
            tally.add_lines(&String::from_utf8_lossy(&output.stdout));
        }
        tally
    }
}

async fn write_documents(ports: &Ports, site: &str, tenant: &TenantId) {
    let data = data_of(site, tenant);
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
