//! The options that a store is opened with.

use crate::postgres::connect::{ConnectionMode, PostgresUrl};
use crate::url::StoreUrl;

/// The default of [`StoreOptions::max_connections`].
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
    /// The maximum number of connections, not counting the owner's.
    pub max_connections: usize,
}

impl StoreOptions {
    /// Returns options for the store at `url`, with the defaults for everything else.
    pub fn new(url: StoreUrl) -> Self {
        let (connection_mode, max_connections) = (ConnectionMode::Auto, DEFAULT_MAX_CONNECTIONS);
        Self { url, admin: None, connection_mode, max_connections }
    }
}
