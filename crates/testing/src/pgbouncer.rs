//! PgBouncer in front of a private server.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::binaries;
use crate::guard::Guard;
use crate::ports::free_port;
use crate::roles::{OWNER, PASSWORD, PASSWORD_USER, SERVER, SUPERUSER, url_of};
use crate::server::Server;
use crate::user::User;

/// How often a start is tried on another port, if another process took the free one first.
const STARTS: u32 = 5;

const POLL: Duration = Duration::from_millis(20);

/// About twenty seconds.
const POLLS: u32 = 1_000;

/// When a client returns its server connection to the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// When it disconnects.
    Session,
    /// After each transaction.
    Transaction,
}

/// Starts a PgBouncer in front of all databases of a server; each pair of database and role has `pool_size`
/// connections.
pub async fn pgbouncer(server: &Server, mode: PoolMode, pool_size: u32) -> PgBouncer {
    PgBouncer::builder(mode, pool_size).database("*", server, None).start().await
}

/// The configuration of a PgBouncer to start.
#[derive(Debug)]
pub struct PgBouncerBuilder {
    mode: PoolMode,
    pool_size: u32,
    databases: String,
    settings: String,
}

/// PgBouncer can track prepared statements since this version, and does by default in later ones. The tests
/// turn that off, because the service must work without it.
const TRACKS_STATEMENTS: (u32, u32) = (1, 21);

impl PgBouncerBuilder {
    /// Offers a database of a server under the name `shown`, where `*` is every name not listed. `None` as
    /// the real name means the same name.
    #[must_use]
    pub fn database(mut self, shown: &str, server: &Server, real: Option<&str>) -> Self {
        let port = server.port();
        write!(self.databases, "{shown} = host=127.0.0.1 port={port}")
            .expect("text can be appended to a string");
        if let Some(real) = real {
            write!(self.databases, " dbname={real}").expect("text can be appended to a string");
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
            "the tests need PgBouncer, but it is not on the PATH: install it (`make tools`, `apt-get install \
             pgbouncer`, `brew install pgbouncer`)",
        );
        let mut guard = Guard::new(User::unprivileged());
        let users = format!(
            "\"{SUPERUSER}\" \"\"\n\"{OWNER}\" \"\"\n\"{SERVER}\" \"\"\n\"{PASSWORD_USER}\" \"{PASSWORD}\"\n"
        );
        fs::write(guard.folder().join("users"), users)
            .expect("a file can be written into PgBouncer's folder");
        let untracked =
            if version(&program) < TRACKS_STATEMENTS { "" } else { "max_prepared_statements = 0\n" };
        for _ in 0..STARTS {
            let port = free_port();
            let configuration = guard.folder().join("configuration");
            fs::write(&configuration, self.configuration(&guard, port) + untracked)
                .expect("a file can be written into PgBouncer's folder");
            guard.start_program(&program, &[configuration.display().to_string()]);
            if listens(&mut guard, port) {
                return PgBouncer { port, guard };
            }
            guard.kill();
        }
        panic!("PgBouncer found no free port in {STARTS} starts:\n{}", guard.log());
    }

    /// Builds the configuration. Roles that are not in the file are looked up in the server, and no setting
    /// hides the mistakes of a client.
    fn configuration(&self, guard: &Guard, port: u16) -> String {
        let mode = match self.mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
        };
        format!(
            "[databases]\n{}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir = {folder}\n\
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
    /// Configures a PgBouncer in front of several servers.
    pub fn builder(mode: PoolMode, pool_size: u32) -> PgBouncerBuilder {
        PgBouncerBuilder { mode, pool_size, databases: String::new(), settings: String::new() }
    }

    /// Returns its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.guard.pid()
    }

    /// Returns the folder with its Unix socket.
    pub fn socket_folder(&self) -> PathBuf {
        self.guard.folder().to_owned()
    }

    /// Returns the URL of a database for its owner.
    pub fn url(&self, database: &str) -> String {
        self.url_as(OWNER, database)
    }

    /// Returns the URL of a database for a role.
    pub fn url_as(&self, role: &str, database: &str) -> String {
        url_of(self.port, role, database)
    }

    /// Returns what it has logged.
    pub fn log(&self) -> String {
        self.guard.log()
    }
}

/// Kills it: it has no data to save, and it ignores SIGQUIT if the tests were started in the background of a
/// script.
impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.guard.kill();
    }
}

/// Reads the version from the first line that `--version` prints, such as `PgBouncer 1.18.0`.
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

/// Waits until it listens, and returns whether it does: not if the port is taken.
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
