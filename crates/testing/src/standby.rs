//! A hot standby: a copy of a private server that follows it, answers reads, and can take its place.

use std::fs;
use std::path::Path;

use crate::Server;
use crate::binaries;
use crate::databases::SUPERUSER;
use crate::guard::Guard;
use crate::user::User;

impl Server {
    /// A copy of this server that follows it under `name`, as `synchronous_standby_names` has it. `SELECT pg_promote()` makes
    /// it a server of its own right.
    pub async fn standby(&self, name: &str) -> Self {
        let primary = format!("host=127.0.0.1 port={} user={SUPERUSER} application_name={name}", self.port());
        tokio::task::spawn_blocking(move || follow(&primary))
            .await
            .expect("a standby for the tests starts: see the panic above")
    }
}

fn follow(primary: &str) -> Server {
    let guard = Guard::new(User::unprivileged());
    let data = guard.folder().join("data");
    let program = binaries::client("pg_basebackup");
    let mut copying = guard.user().command(&program, guard.folder());
    copying.args(["--checkpoint", "fast", "--no-sync", "--dbname", primary]);
    let copied = copying.arg("--pgdata").arg(&data).output().expect("pg_basebackup runs");
    assert!(copied.status.success(), "pg_basebackup fails:\n{}", String::from_utf8_lossy(&copied.stderr));
    configure(&guard, &data, primary);
    Server::started(guard, data)
}

/// The copied configuration is that of the server that was copied; the last line counts. What `--write-recovery-conf` writes is
/// not understood by a server that is older than the program.
fn configure(guard: &Guard, data: &Path, primary: &str) {
    let configuration = data.join("postgresql.conf");
    let copied = fs::read_to_string(&configuration).expect("pg_basebackup copied postgresql.conf");
    let folder = guard.folder().display();
    let added = format!("{copied}unix_socket_directories = '{folder}'\nprimary_conninfo = '{primary}'\n");
    fs::write(&configuration, added).expect("postgresql.conf can be written");
    let signal = data.join("standby.signal");
    fs::write(&signal, "").expect("a file can be written into the data folder");
    guard.user().own(&signal);
}
