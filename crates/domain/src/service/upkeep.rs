//! Health: what is looked at, and what is wrong with it.

use super::Service;
use crate::error::Error;
use crate::ports::{Check, Fact};

/// The findings of every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// One entry for each thing looked at.
    pub checks: Vec<Check>,
}

impl Health {
    /// Whether nothing is wrong.
    pub fn is_healthy(&self) -> bool {
        self.checks.iter().all(|check| check.problem.is_none())
    }
}

impl Service {
    /// Looks at everything. The findings hold no caller's data, but they name tenants: they are for operators.
    pub async fn health(&self) -> Health {
        Health { checks: self.ports.upkeep.checks().await }
    }

    /// Looks at everything, and reads all that is stored: minutes, where much is.
    pub async fn inspect(&self) -> Health {
        Health { checks: self.ports.upkeep.inspect().await }
    }

    /// Whether the service can work at all; one tenant's troubles do not count.
    ///
    /// # Errors
    /// The store's.
    pub async fn ready(&self) -> Result<(), Error> {
        self.ports.upkeep.ready().await
    }

    /// What the store is and how it is reached, in words for operators.
    ///
    /// # Errors
    /// The store's.
    pub async fn facts(&self) -> Result<Vec<Fact>, Error> {
        self.ports.upkeep.facts().await
    }
}
