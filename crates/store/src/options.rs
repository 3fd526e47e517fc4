//! What a store is opened with.

use crate::postgres::connect::{ConnectionMode, PostgresUrl};
use crate::url::StoreUrl;

/// The number of connections to a database if nothing else is said.
pub const DEFAULT_MAX_CONNECTIONS: usize = 8;

/// Which store is opened, and how. All fields but `url` concern PostgreSQL only.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The store.
    pub url: StoreUrl,
    /// The same database with the role that owns it, which creates and drops tenants.
    pub admin: Option<PostgresUrl>,
    /// Whether to assume a pooler between this program and the server.
    pub connection_mode: ConnectionMode,
    /// The most connections to open, without those of the owner.
    pub max_connections: usize,
}

impl StoreOptions {
    /// Makes the options of a store with the defaults for everything else.
    pub fn new(url: StoreUrl) -> Self {
        let (connection_mode, max_connections) = (ConnectionMode::Auto, DEFAULT_MAX_CONNECTIONS);
        Self { url, admin: None, connection_mode, max_connections }
    }
}
