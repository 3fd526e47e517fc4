//! What the tests of several crates share: a private PostgreSQL server, and PgBouncer in front of it.
//!
//! [`postgres`] gives the server of this test process. It is made on first use in a folder of its own, listens on a free port
//! of the loopback, and is gone with its folder when the process ends, however it ends. It runs as another user where the tests
//! run as root, because PostgreSQL refuses root.
//!
//! A test takes a database of its own from [`Server::create_database`] or [`Server::clone_database`]; one that kills the server
//! or configures it takes a server of its own from [`Server::builder`].
#![expect(clippy::panic, clippy::expect_used, reason = "a test harness fails by panicking")]
#![expect(
    clippy::missing_panics_doc,
    reason = "every function here panics where the machine does not do what it is told"
)]

mod binaries;
mod databases;
mod guard;
mod pgbouncer;
mod ports;
mod server;
mod standby;
mod user;

pub use databases::{OWNER, PASSWORD, PASSWORD_USER, SERVER, SUPERUSER};
pub use pgbouncer::{PgBouncer, PgBouncerBuilder, PoolMode, pgbouncer};
pub use server::{Builder, Server};

use std::sync::OnceLock;

static SHARED: OnceLock<Server> = OnceLock::new();

/// The private server of this test process, made on first use.
pub async fn postgres() -> &'static Server {
    tokio::task::spawn_blocking(|| SHARED.get_or_init(|| Server::builder().start_blocking()))
        .await
        .expect("PostgreSQL for the tests could not be started: see the panic above")
}
