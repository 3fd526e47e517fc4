//! The service: the only way in. HTTP, the command line and every later surface call it; only it calls the ports.

mod contexts;
mod intent;
mod keys;
mod queue;
mod resolve;
mod results;
mod tenants;
mod upkeep;
mod write;

use std::sync::Arc;

pub use intent::{Condition, Parents, WriteOptions};
pub use keys::{KeyRequest, NewKey};
pub use upkeep::Health;
pub use write::{Effect, Written};

use crate::clock::Clock;
use crate::id::IdSource;
use crate::ports::{Contexts, Directory, Upkeep};
use queue::Queues;
use results::Results;

/// Everything that Context Service does. Each operation takes the caller first and authorizes before it reads.
pub struct Service {
    ports: Ports,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    queues: Queues,
    results: Results,
}

/// A store, seen through its ports.
#[derive(Clone)]
pub struct Ports {
    /// The contexts.
    pub contexts: Arc<dyn Contexts>,
    /// The tenants.
    pub directory: Arc<dyn Directory>,
    /// The store's own state.
    pub upkeep: Arc<dyn Upkeep>,
}

impl Service {
    /// The service over a store.
    pub fn new(ports: Ports, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self { ports, clock, ids, queues: Queues::default(), results: Results::default() }
    }
}
