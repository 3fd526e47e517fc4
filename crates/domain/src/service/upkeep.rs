//! Health: what is looked at, and what is wrong with it.

use super::Service;
use crate::error::Error;
use crate::ports::Check;

/// The findings of every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// One entry for each thing looked at.
    pub checks: Vec<Check>,
}

impl Health {
    /// Whether nothing is wrong.
    pub fn is_well(&self) -> bool {
        self.checks.iter().all(|check| check.problem.is_none())
    }
}

impl Service {
    /// Looks at everything. It is not a caller's data: names and findings only, so that a probe needs no credential.
    pub async fn health(&self) -> Health {
        Health { checks: self.ports.upkeep.checks().await }
    }

    /// Whether the service can work at all; one tenant's troubles do not count.
    ///
    /// # Errors
    /// The store's.
    pub async fn ready(&self) -> Result<(), Error> {
        self.ports.upkeep.ready().await
    }
}
