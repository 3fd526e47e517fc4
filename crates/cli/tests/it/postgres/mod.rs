//! The binary on PostgreSQL: a database for each test, on a private server.

mod bootstrap;
mod failures;
mod isolation;
mod kills;
mod log;
mod operations;
mod recreate;
mod serving;

use std::ops::Deref;
use std::path::Path;
use std::process::{Command, Output};

use context_testing::{PgBouncer, PoolMode, SERVER, Server};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::served::Served;
use crate::support::Installation;

/// An empty database, and a folder to run commands in.
pub(crate) struct Database {
    here: Installation,
    server: LentServer,
    name: String,
    runtime: Runtime,
}

/// A server that all tests share, or one for a test that kills it.
enum LentServer {
    Shared(&'static Server),
    Own(Box<Server>),
}

impl Deref for LentServer {
    type Target = Server;

    fn deref(&self) -> &Server {
        match self {
            Self::Shared(server) => server,
            Self::Own(server) => server,
        }
    }
}

impl Database {
    /// Creates an empty database on the shared server.
    pub(crate) fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let server = LentServer::Shared(runtime.block_on(context_testing::postgres()));
        Self::on(server, runtime)
    }

    fn on(server: LentServer, runtime: Runtime) -> Self {
        let name = runtime.block_on(server.create_database("cli"));
        Self { here: Installation::new(), server, name, runtime }
    }

    /// Creates a database on a durable server of its own, with these tenants, to be served by a role that
    /// owns nothing.
    pub(crate) fn alone(tenants: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::builder().durable().start());
        let database = Self::on(LentServer::Own(Box::new(server)), runtime);
        database.succeeds(&["bootstrap", "--tenant-ids", tenants, "--serving-role", SERVER]);
        database
    }

    /// Starts a PgBouncer in front of the server, in transaction mode.
    pub(crate) fn pooler(&self) -> PgBouncer {
        self.runtime.block_on(context_testing::pgbouncer(&self.server, PoolMode::Transaction, 2))
    }

    /// Returns the database's URL through a pooler.
    pub(crate) fn url_through(&self, pooler: &PgBouncer, role: &str) -> String {
        pooler.url_as(role, &self.name)
    }

    /// Kills the database's server.
    pub(crate) fn kill(&self) {
        self.server.kill();
    }

    /// Restarts the database's server.
    pub(crate) fn restart(&self) {
        self.server.restart();
    }

    /// Returns the folder that commands run in.
    pub(crate) fn folder(&self) -> &Path {
        self.here.path()
    }

    /// Whether the database refuses the statement to the role.
    pub(crate) fn is_refused(&self, role: &str, statement: &str) -> bool {
        self.runtime.block_on(async {
            self.server.connect(role, &self.name).await.batch_execute(statement).await.is_err()
        })
    }

    /// Runs a shell command that must succeed, in the folder that commands run in.
    pub(crate) fn shell(&self, command: &str) {
        let output = Command::new("bash").args(["-c", command]).current_dir(self.folder()).output().unwrap();
        assert!(output.status.success(), "{command}: {}", texts(&output).1);
    }

    /// Creates a database with these tenants.
    pub(crate) fn with(tenants: &str) -> Self {
        let database = Self::new();
        database.succeeds(&["bootstrap", "--tenant-ids", tenants]);
        database
    }

    /// One with these tenants, served by a role that owns nothing.
    pub(crate) fn served(tenants: &str) -> Self {
        let database = Self::new();
        database.succeeds(&["bootstrap", "--tenant-ids", tenants, "--serving-role", SERVER]);
        database
    }

    pub(crate) fn url(&self) -> String {
        self.server.url(&self.name)
    }

    pub(crate) fn url_as(&self, role: &str) -> String {
        self.server.url_as(role, &self.name)
    }

    /// Prepares a command that connects as the owner.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.here.command(args);
        command.env("DATABASE_URL", self.url());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a command that must succeed, and returns standard output and standard error.
    pub(crate) fn succeeds(&self, args: &[&str]) -> (String, String) {
        let output = self.run(args);
        let (shown, errors) = texts(&output);
        assert!(output.status.success(), "{args:?}: {shown}{errors}");
        (shown, errors)
    }

    /// Runs a command that must succeed, and parses its output.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.succeeds(&[args, &["--output", "json"]].concat()).0).unwrap()
    }

    /// Runs statements as the superuser.
    pub(crate) fn execute(&self, statements: &str) {
        self.runtime.block_on(self.server.execute(&self.name, statements));
    }

    /// Runs a query, and returns its first column as text.
    pub(crate) fn query(&self, role: &str, sql: &str) -> Vec<String> {
        self.runtime.block_on(async {
            let client = self.server.connect(role, &self.name).await;
            let rows = client.query(sql, &[]).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        })
    }

    /// Starts a server that connects as `role`.
    pub(crate) fn serve(&self, role: &str, more: &[(&str, &str)]) -> Served {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("DATABASE_URL", self.url_as(role)).envs(more.iter().copied());
        Served::start(command)
    }
}

/// Returns standard output and standard error.
pub(crate) fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}
