//! The desired state of an installation, and the progress of making it.

use context_domain::id::TenantId;

/// The desired state of an installation.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The tenants that must exist. Others are left alone.
    pub tenants: Vec<TenantId>,
    /// Serving roles, in addition to those that are recorded already.
    pub serving_roles: Vec<String>,
    /// How many tenants are worked on at the same time, each over a connection of its own:
    /// [`default_workers`].
    pub workers: usize,
}

/// The progress of work on many tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Tenants that were worked on.
    pub done: usize,
    /// Tenants to work on in all.
    pub of: usize,
}

const MAX_DEFAULT_WORKERS: usize = 8;

/// Returns the default number of workers: two per processor, at most eight.
pub fn default_workers() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (2 * cores).min(MAX_DEFAULT_WORKERS)
}
