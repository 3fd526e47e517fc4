//! A private PostgreSQL server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::binaries;
use crate::guard::Guard;
use crate::ports::free_port;
use crate::roles::{PASSWORD_USER, SUPERUSER, create_roles};
use crate::user::User;

/// How often a start is tried on another port, if another process took the free one first.
const STARTS: u32 = 5;

const POLL: Duration = Duration::from_millis(20);

/// About two minutes: on a busy machine a crashed server recovers slowly.
const POLLS: u32 = 6_000;

/// Lines in the configuration of every server.
const CONFIGURATION: &str = "
listen_addresses = '127.0.0.1'
max_connections = 300
dynamic_shared_memory_type = mmap
";

/// Lines in the configuration of servers whose data may be lost.
const NOT_DURABLE: &str = "
fsync = off
full_page_writes = off
synchronous_commit = off
";

/// The configuration of a server to start.
#[derive(Debug, Default)]
pub struct ServerBuilder {
    durable: bool,
    configuration: String,
    access: String,
    files: Vec<(String, Vec<u8>)>,
}

impl ServerBuilder {
    /// Makes commits durable: `fsync`, `full_page_writes` and `synchronous_commit` stay on.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Adds a line to `postgresql.conf`, for example `ssl = on`.
    #[must_use]
    pub fn setting(mut self, line: &str) -> Self {
        self.configuration.push_str(line);
        self.configuration.push('\n');
        self
    }

    /// Adds a line to `pg_hba.conf`, before the lines that trust all connections from the loopback.
    #[must_use]
    pub fn access(mut self, line: &str) -> Self {
        self.access.push_str(line);
        self.access.push('\n');
        self
    }

    /// Adds a file to the data folder, readable by the server only. Settings name it without a path:
    /// `ssl_key_file = 'server.key'`.
    #[must_use]
    pub fn file(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), content.into()));
        self
    }

    /// Starts the server and waits until it is ready.
    pub async fn start(self) -> Server {
        tokio::task::spawn_blocking(|| self.start_blocking())
            .await
            .expect("PostgreSQL for the tests starts: see the panic above")
    }

    /// Starts the server and waits, on this thread, until it is ready.
    pub fn start_blocking(self) -> Server {
        let folder = binaries::postgres_folder();
        let guard = Guard::new(User::unprivileged());
        let data = guard.folder().join("data");
        create_cluster(&folder, &guard, &data);
        self.configure(&guard, &data);
        let server = Server::started(guard, data);
        create_roles(server.port());
        server
    }

    fn configure(&self, guard: &Guard, data: &Path) {
        let socket_folder = guard.folder().display();
        let durability = if self.durable { "" } else { NOT_DURABLE };
        let added = format!(
            "{CONFIGURATION}{durability}unix_socket_directories = '{socket_folder}'\n{}",
            self.configuration
        );
        let configuration = data.join("postgresql.conf");
        let given = fs::read_to_string(&configuration).expect("initdb wrote postgresql.conf");
        fs::write(&configuration, given + &added).expect("postgresql.conf can be written");
        let access = format!(
            "{}host all {PASSWORD_USER} 127.0.0.1/32 scram-sha-256\nlocal all all trust\n\
             host all all 127.0.0.1/32 trust\nhost replication {SUPERUSER} 127.0.0.1/32 trust\n",
            self.access
        );
        fs::write(data.join("pg_hba.conf"), access).expect("pg_hba.conf can be written");
        for (name, content) in &self.files {
            let path = data.join(name);
            fs::write(&path, content).expect("a file can be written into the data folder");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
                .expect("the permissions of a file can be set");
            guard.user().own(&path);
        }
    }
}

/// A private server. It ends with its folder when it is dropped or the process ends.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    data: PathBuf,
    port: u16,
    guard: Mutex<Guard>,
}

impl Server {
    /// Configures a server for one test, which may kill it. Other tests share the one of
    /// `context_testing::postgres`.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Returns its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the process id of the postmaster, the parent of all its processes.
    pub fn pid(&self) -> u32 {
        self.guard().pid()
    }

    /// Returns the folder with its Unix socket.
    pub fn socket_folder(&self) -> PathBuf {
        self.guard().folder().to_owned()
    }

    /// Returns what it has logged since its last start.
    pub fn log(&self) -> String {
        self.guard().log()
    }

    /// Kills all its processes with SIGKILL, as a failing machine would.
    pub fn kill(&self) {
        self.guard().kill();
    }

    /// Shuts it down, and waits until it has ended.
    pub fn stop(&self) {
        self.guard().end("-INT");
    }

    /// Starts it again on the same port after [`Server::kill`] or [`Server::stop`], and waits until it is
    /// ready.
    pub fn restart(&self) {
        for _ in 0..STARTS {
            if self.start_once(self.port) {
                return;
            }
            thread::sleep(POLL);
        }
        panic!("PostgreSQL does not start again on port {}:\n{}", self.port, self.log());
    }

    /// Starts a server over an existing data folder, on a free port.
    pub(crate) fn started(guard: Guard, data: PathBuf) -> Self {
        let program = binaries::postgres_folder().join("postgres");
        Self { program, data, port: 0, guard: Mutex::new(guard) }.start_on_a_free_port()
    }

    fn start_on_a_free_port(mut self) -> Self {
        for _ in 0..STARTS {
            self.port = free_port();
            if self.start_once(self.port) {
                return self;
            }
        }
        panic!("PostgreSQL found no free port in {STARTS} starts:\n{}", self.log());
    }

    /// Starts the server and returns whether it became ready: not if the port is taken.
    fn start_once(&self, port: u16) -> bool {
        let mut guard = self.guard();
        let data = self.data.display().to_string();
        guard.start_program(&self.program, &["-D".to_owned(), data, "-p".to_owned(), port.to_string()]);
        for _ in 0..POLLS {
            if is_ready(&self.data, guard.pid()) {
                return true;
            }
            if guard.has_ended() {
                guard.kill();
                let log = guard.log();
                // The port is taken, or a process of the killed server has not ended yet.
                let may_pass = ["Address already in use", "pre-existing shared memory block"];
                assert!(
                    may_pass.iter().any(|reason| log.contains(reason)),
                    "PostgreSQL does not start:\n{log}"
                );
                return false;
            }
            thread::sleep(POLL);
        }
        panic!("PostgreSQL does not get ready:\n{}", guard.log());
    }

    fn guard(&self) -> MutexGuard<'_, Guard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates the data folder with a linguistic collation if the server supports ICU, because most installations
/// have such a collation: code that needs the order of bytes must ask for it.
fn create_cluster(folder: &Path, guard: &Guard, data: &Path) {
    let initdb = |provider: &[&str]| {
        let mut command = guard.user().command(&folder.join("initdb"), guard.folder());
        command.arg("--pgdata").arg(data).args([
            "--username",
            SUPERUSER,
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--no-sync",
        ]);
        command.args(["--locale", "C"]).args(provider).output().expect("initdb runs")
    };
    let with_language = initdb(&["--locale-provider", "icu", "--icu-locale", "en-US"]);
    if with_language.status.success() {
        return;
    }
    // PostgreSQL before 15, or built without ICU.
    let plain = initdb(&[]);
    assert!(
        plain.status.success(),
        "initdb fails:\n{}\n{}",
        String::from_utf8_lossy(&with_language.stderr),
        String::from_utf8_lossy(&plain.stderr)
    );
}

/// Whether the server is ready, as the eighth line of `postmaster.pid` says; the first line is the process id
/// of the server that wrote it.
fn is_ready(data: &Path, pid: u32) -> bool {
    let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else { return false };
    let mut lines = text.lines();
    lines.next().and_then(|line| line.trim().parse().ok()) == Some(pid)
        && lines.nth(6).is_some_and(|line| line.trim() == "ready")
}
