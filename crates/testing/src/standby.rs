//! A hot standby of a private server.

use std::fs;
use std::path::Path;

use crate::binaries;
use crate::guard::Guard;
use crate::roles::SUPERUSER;
use crate::server::Server;
use crate::user::User;

impl Server {
    /// Starts a hot standby of this server, which `synchronous_standby_names` can list as `name`. `SELECT
    /// pg_promote()` promotes it.
    pub async fn standby(&self, name: &str) -> Self {
        let primary = format!("host=127.0.0.1 port={} user={SUPERUSER} application_name={name}", self.port());
        tokio::task::spawn_blocking(move || start_standby(&primary))
            .await
            .expect("a standby for the tests starts: see the panic above")
    }
}

fn start_standby(primary: &str) -> Server {
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

/// Adds the standby's settings to the configuration copied from the primary, in which the last line for a
/// name counts. `--write-recovery-conf` is not used, because an older server does not understand what a newer
/// program writes.
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
