//! Where contexts are stored: [`open`] returns the ports of `context-domain` over the store that a URL names.
//!
//! There are two stores, and every case of `tests/it/conformance` holds for both.
//!
//! The embedded store is a folder of SQLite files, shared by any number of processes on one machine.
//! `control.db` holds the tenants and the keys. Each tenant has a file of its own under `tenants/`: no
//! statement can reach another tenant's rows, and a damaged file leaves the other tenants working.
//!
//! The other store is a PostgreSQL database ([`postgres`]), shared by any number of servers. Each tenant has
//! a schema of its own, every statement names the schema and carries the tenant's id, and the role that
//! serves owns nothing.

mod columns;
mod failure;
mod options;
pub mod postgres;
mod sqlite;
mod url;

use std::sync::Arc;

use context_domain::clock::Clock;
use context_domain::error::Error;
use context_domain::id::IdSource;
use context_domain::service::Ports;

pub use options::{DEFAULT_MAX_CONNECTIONS, StoreOptions};
pub use url::StoreUrl;

/// A store that is open.
#[derive(Clone)]
pub struct OpenedStore {
    /// Its ports.
    pub ports: Ports,
    /// The clock that all servers of the store share: the database's on PostgreSQL, else the one that was
    /// passed in.
    pub clock: Arc<dyn Clock>,
}

/// Opens the store that the options name.
///
/// An embedded store that does not exist is created, with the tenant `default`, atomically: a second process
/// that opens it at the same moment waits and finds it complete. In a PostgreSQL database nothing is created.
///
/// # Errors
/// [`Error::Unavailable`] if the store cannot be created, reached or opened, is not a store of this program,
/// was written by a newer version, or, in PostgreSQL, is missing or older.
pub async fn open(
    options: &StoreOptions,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
) -> Result<OpenedStore, Error> {
    match &options.url {
        StoreUrl::Sqlite { folder } => {
            let store = Arc::new(sqlite::SqliteStore::open(folder, Arc::clone(&clock), ids).await?);
            let (contexts, directory) = (Arc::clone(&store), Arc::clone(&store));
            Ok(OpenedStore { ports: Ports { contexts, directory, upkeep: store }, clock })
        }
        StoreUrl::Postgres(url) => {
            let (mode, max_connections) = (options.connection_mode, options.max_connections);
            let opened = postgres::Store::open(url, options.admin.as_ref(), mode, max_connections);
            let (store, clock) = opened.await?;
            let store = Arc::new(store);
            let (contexts, directory) = (Arc::clone(&store), Arc::clone(&store));
            Ok(OpenedStore { ports: Ports { contexts, directory, upkeep: store }, clock })
        }
    }
}
