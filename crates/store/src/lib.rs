//! Where contexts are kept: [`open`] gives the ports of `context-domain` over the store that a URL names.
//!
//! There are two stores, and every case of `tests/conformance` holds on both.
//!
//! The embedded one is a folder with SQLite files, shared by any number of processes on one machine. `control.db` knows the
//! tenants and the keys; each tenant has a file of its own under `tenants/`, so that no statement can reach another
//! tenant's rows, and one damaged file leaves the others working.
//!
//! The other one is a PostgreSQL database ([`postgres`]), shared by any number of servers. Each tenant has a schema of its own,
//! every statement on it names the schema and carries the tenant's id, and the role that serves owns nothing.

mod columns;
mod failure;
pub mod postgres;
mod sqlite;
mod url;

use std::sync::Arc;

use context_domain::clock::Clock;
use context_domain::error::Error;
use context_domain::id::IdSource;
use context_domain::service::Ports;

use postgres::{ConnectionMode, PostgresUrl};
pub use url::StoreUrl;

/// Connections to a database at the most, where nobody says otherwise.
pub const DEFAULT_MAX_CONNECTIONS: usize = 8;

/// Which store is opened, and how. What is said of connections holds for a database only.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The store.
    pub url: StoreUrl,
    /// The same database as its owner sees it: tenants are made and dropped over it.
    pub admin: Option<PostgresUrl>,
    /// What is believed of the way to the server.
    pub connection_mode: ConnectionMode,
    /// Connections at the most, those of the owner aside.
    pub max_connections: usize,
}

impl StoreOptions {
    /// This store, with everything else as it is where nobody says otherwise.
    pub fn new(url: StoreUrl) -> Self {
        let (connection_mode, max_connections) = (ConnectionMode::Auto, DEFAULT_MAX_CONNECTIONS);
        Self { url, admin: None, connection_mode, max_connections }
    }
}

/// A store that is open.
#[derive(Clone)]
pub struct Opened {
    /// Its ports.
    pub ports: Ports,
    /// The time that its servers agree on: that of the database, where there is one.
    pub clock: Arc<dyn Clock>,
}

/// Opens the store that the options name. An embedded one that does not exist is made, with the tenant `default`, all at
/// once: a second process that opens it at the same moment waits and finds it whole. In a database nothing is made.
///
/// # Errors
/// [`Error::Unavailable`] where the store cannot be made, reached or opened, is none of this program's, was written by a
/// newer version, or, in a database, is missing or older.
pub async fn open(
    options: &StoreOptions,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
) -> Result<Opened, Error> {
    match &options.url {
        StoreUrl::Sqlite { folder } => {
            let store = Arc::new(sqlite::SqliteStore::open(folder, Arc::clone(&clock), ids).await?);
            let (contexts, directory) = (Arc::clone(&store), Arc::clone(&store));
            Ok(Opened { ports: Ports { contexts, directory, upkeep: store }, clock })
        }
        StoreUrl::Postgres(url) => {
            let (store, clock) = postgres::Store::open(url, options).await?;
            let store = Arc::new(store);
            let (contexts, directory) = (Arc::clone(&store), Arc::clone(&store));
            Ok(Opened { ports: Ports { contexts, directory, upkeep: store }, clock })
        }
    }
}
