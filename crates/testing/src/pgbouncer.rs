//! PgBouncer in front of a private server.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::Server;
use crate::binaries;
use crate::databases::{OWNER, PASSWORD, PASSWORD_USER, SERVER, SUPERUSER};
use crate::guard::Guard;
use crate::ports::free_port;
use crate::user::User;

/// How often the start is tried on another port, because someone else took the one that was free.
const STARTS: u32 = 5;

const POLL: Duration = Duration::from_millis(20);

/// Some twenty seconds.
const POLLS: u32 = 1_000;

/// When a client gives its server connection back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// When it disconnects.
    Session,
    /// After each transaction.
    Transaction,
}

/// Starts a PgBouncer in front of every database of a server; each pair of database and role gets `pool_size` connections.
pub async fn pgbouncer(server: &Server, mode: PoolMode, pool_size: u32) -> PgBouncer {
    PgBouncer::builder(mode, pool_size).database("*", server, None).start().await
}

/// What a PgBouncer is made with.
#[derive(Debug)]
pub struct PgBouncerBuilder {
    mode: PoolMode,
    pool_size: u32,
    databases: String,
    settings: String,
}

/// From 1.21 on it can follow prepared statements, and newer ones do if nobody says otherwise. The tests want the ones that do
/// not.
const FOLLOWS_STATEMENTS: (u32, u32) = (1, 21);

impl PgBouncerBuilder {
    /// Shows a database of a server under the name `shown`: `*` for all that are not named, and `None` for the same name.
    #[must_use]
    pub fn database(mut self, shown: &str, server: &Server, real: Option<&str>) -> Self {
        let port = server.port();
        write!(self.databases, "{shown} = host=127.0.0.1 port={port}").expect("a text takes more text");
        if let Some(real) = real {
            write!(self.databases, " dbname={real}").expect("a text takes more text");
        }
        self.databases.push('\n');
        self
    }

    /// Adds a line to the configuration, for example `server_idle_timeout = 1`.
    #[must_use]
    pub fn setting(mut self, line: &str) -> Self {
        self.settings.push_str(line);
        self.settings.push('\n');
        self
    }

    /// Starts it and waits until it listens.
    pub async fn start(self) -> PgBouncer {
        tokio::task::spawn_blocking(|| self.start_blocking())
            .await
            .expect("PgBouncer for the tests starts: see the panic above")
    }

    fn start_blocking(self) -> PgBouncer {
        let program = binaries::program("pgbouncer").expect(
            "the tests need PgBouncer, and it is not on the PATH: install it (`make tools`, `apt-get install pgbouncer`, `brew \
             install pgbouncer`)",
        );
        let mut guard = Guard::new(User::unprivileged());
        let users = format!(
            "\"{SUPERUSER}\" \"\"\n\"{OWNER}\" \"\"\n\"{SERVER}\" \"\"\n\"{PASSWORD_USER}\" \"{PASSWORD}\"\n"
        );
        fs::write(guard.folder().join("users"), users)
            .expect("a file can be written into PgBouncer's folder");
        let follow_none =
            if version(&program) < FOLLOWS_STATEMENTS { "" } else { "max_prepared_statements = 0\n" };
        for _ in 0..STARTS {
            let port = free_port();
            let configuration = guard.folder().join("configuration");
            fs::write(&configuration, self.configuration(&guard, port) + follow_none)
                .expect("a file can be written into PgBouncer's folder");
            guard.run(&program, &[configuration.display().to_string()]);
            if listens(&mut guard, port) {
                return PgBouncer { port, guard };
            }
            guard.kill();
        }
        panic!("PgBouncer found no free port in {STARTS} starts:\n{}", guard.log());
    }

    /// A role that is not in the file is looked up in the server. Nothing is set that would hide what a client does wrong.
    fn configuration(&self, guard: &Guard, port: u16) -> String {
        let mode = match self.mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
        };
        format!(
            "[databases]\n{}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir = {folder}\n\
             auth_type = trust\nauth_file = {folder}/users\nauth_user = {SUPERUSER}\npool_mode = {mode}\n\
             default_pool_size = {}\nmax_client_conn = 1000\n{}",
            self.databases,
            self.pool_size,
            self.settings,
            folder = guard.folder().display(),
        )
    }
}

/// A PgBouncer. It ends with its folder when it is dropped or the process ends.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    guard: Guard,
}

impl PgBouncer {
    /// A PgBouncer in front of several servers.
    pub fn builder(mode: PoolMode, pool_size: u32) -> PgBouncerBuilder {
        PgBouncerBuilder { mode, pool_size, databases: String::new(), settings: String::new() }
    }

    /// The port that it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.guard.pid()
    }

    /// The folder with its Unix socket.
    pub fn socket_folder(&self) -> PathBuf {
        self.guard.folder().to_owned()
    }

    /// The address of a database for its owner.
    pub fn url(&self, database: &str) -> String {
        self.url_as(OWNER, database)
    }

    /// The address of a database for a role.
    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.guard.log()
    }
}

/// It has nothing to put in order, and where the tests were started in the background of a script it does not hear the signal
/// by which a server is ended.
impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.guard.kill();
    }
}

/// `PgBouncer 1.18.0` is the first line that it prints.
fn version(program: &Path) -> (u32, u32) {
    let output = Command::new(program).arg("--version").output().expect("PgBouncer runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    let mut numbers = printed
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .split('.')
        .map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Whether it listens now; not if the port is taken.
fn listens(guard: &mut Guard, port: u16) -> bool {
    let (yes, no) = (format!("listening on 127.0.0.1:{port}"), "cannot listen on");
    for _ in 0..POLLS {
        let log = guard.log();
        if log.contains(no) {
            return false;
        }
        if log.contains(&yes) && log.contains("process up") {
            return true;
        }
        assert!(!guard.has_ended(), "PgBouncer does not start:\n{log}");
        thread::sleep(POLL);
    }
    panic!("PgBouncer does not listen:\n{}", guard.log());
}
