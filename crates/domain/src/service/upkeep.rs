//! Health checks.

use super::Service;
use crate::error::Error;
use crate::ports::{Check, Fact};

/// The results of all checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// One entry for each thing that was checked.
    pub checks: Vec<Check>,
}

impl Health {
    /// Whether no check found a problem.
    pub fn is_healthy(&self) -> bool {
        self.checks.iter().all(|check| check.problem.is_none())
    }
}

impl Service {
    /// Checks the store and every tenant. The results contain no tenant's data, but they name tenants: show
    /// them to operators only.
    pub async fn health(&self) -> Health {
        Health { checks: self.ports.upkeep.checks().await }
    }

    /// Checks the store and every tenant by reading everything that is stored, which can take minutes.
    pub async fn inspect(&self) -> Health {
        Health { checks: self.ports.upkeep.inspect().await }
    }

    /// Checks that the service can work at all. A problem of a single tenant is not an error.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn ready(&self) -> Result<(), Error> {
        self.ports.upkeep.ready().await
    }

    /// Returns facts about the store and its connection, in words for operators.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn facts(&self) -> Result<Vec<Fact>, Error> {
        self.ports.upkeep.facts().await
    }
}
