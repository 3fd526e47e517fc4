//! What an installation is to have, and how far making it has come.

use context_domain::id::TenantId;

/// What an installation is to have.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The tenants that must exist. Others are left alone.
    pub tenants: Vec<TenantId>,
    /// Roles that are to serve, in addition to those that are recorded already.
    pub serving_roles: Vec<String>,
    /// How many tenants are worked on at the same time, each over a connection of its own:
    /// [`default_workers`].
    pub workers: usize,
}

/// How far work on many tenants has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Tenants that were worked on.
    pub done: usize,
    /// Tenants to work on in all.
    pub of: usize,
}

const MAX_DEFAULT_WORKERS: usize = 8;

/// How many workers there are where nobody says how many: two per processor, at most eight.
pub fn default_workers() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (2 * cores).min(MAX_DEFAULT_WORKERS)
}
