//! What the tests of several crates share: a private PostgreSQL server, and PgBouncer in front of it.
//!
//! [`postgres`] returns the server of this test process. It is started on first use, in a folder of its own
//! and on a free port of the loopback, and is removed with its folder when the process ends, even if the
//! process is killed. If the tests run as root it runs as another user, because PostgreSQL refuses root.
//!
//! A test creates a database of its own with [`Server::create_database`] or [`Server::clone_database`]; a
//! test that kills or configures the server creates a server of its own with [`Server::builder`].
#![expect(clippy::panic, clippy::expect_used, reason = "a test harness fails by panicking")]
#![expect(
    clippy::missing_panics_doc,
    reason = "every function here panics if the machine does not do what is asked"
)]

mod binaries;
mod databases;
mod guard;
mod pgbouncer;
mod ports;
mod roles;
mod server;
mod standby;
mod user;

pub use pgbouncer::{PgBouncer, PgBouncerBuilder, PoolMode, pgbouncer};
pub use roles::{OWNER, PASSWORD, PASSWORD_USER, SERVER, SUPERUSER};
pub use server::{Server, ServerBuilder};

use std::sync::OnceLock;

static SHARED: OnceLock<Server> = OnceLock::new();

/// Returns the private server of this test process, which is started on first use.
pub async fn postgres() -> &'static Server {
    tokio::task::spawn_blocking(|| SHARED.get_or_init(|| Server::builder().start_blocking()))
        .await
        .expect("PostgreSQL for the tests can be started: see the panic above")
}
