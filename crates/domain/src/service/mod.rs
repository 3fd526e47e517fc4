//! The service: one type that does everything that Context Service does.
//!
//! [`Service`] is the only way in. HTTP, the command line and every later interface call it, and only it
//! calls the [`ports`](crate::ports). Every operation that reads or changes a tenant's data takes the
//! [`Caller`] first and authorizes it before anything is read. The exceptions are [`Service::authenticate`],
//! which finds out who the caller is, and the health operations, whose results contain no tenant's data.
//!
//! # Life cycle and concurrency
//! A process builds one `Service` over one store and shares it in an `Arc`. All operations take `&self` and
//! may run concurrently. Between requests it keeps two things, both of which may be lost at any time: the
//! write queues, and the resolved contexts in memory. There is no background task and nothing to shut down;
//! dropping an operation's future is safe, but as with a lost connection it is then unknown whether a write
//! in progress was done.
//!
//! # How a write is done
//! 1. **Read.** One port call reads the addressed context with its ancestors, in one snapshot.
//! 2. **Decide.** The new content is computed and checked without a port call: conditions (`If-Match`),
//!    patches, limits, the locks of ancestors, expiry. The decision is an error, an answer (nothing changes),
//!    or a commit.
//! 3. **Commit.** One port call carries out the commit if the context is still as it was read, and records
//!    the change.
//!
//! If another write was committed between 1 and 3, the commit is a conflict. If the caller named a version,
//! the write fails with [`Error::PreconditionFailed`](crate::error::Error::PreconditionFailed) and the
//! current context. Otherwise the write starts again at 1: a patch is applied to the new content, and nothing
//! is lost. After [`FREE_WRITE_ATTEMPTS`](crate::limits::FREE_WRITE_ATTEMPTS) conflicts it waits in a queue
//! for its address, in which the writes of this process run one after the other, so that they do not conflict
//! with each other again. Writes of other processes can still come first; after
//! [`MAX_WRITE_ATTEMPTS`](crate::limits::MAX_WRITE_ATTEMPTS) attempts the write fails with
//! [`Error::Contended`](crate::error::Error::Contended), and nothing was written.
//!
//! A successful write is remembered under its idempotency key for
//! [`IDEMPOTENCY_WINDOW_HOURS`](crate::limits::IDEMPOTENCY_WINDOW_HOURS). A repeated request gets the
//! recorded result, even if it would be refused now because of what the first one changed; another request
//! with the same key fails.
//!
//! # Which layer retries what
//! The service retries one thing: a write that was refused because another one was committed first, as above.
//! It does not retry a port call that failed. What a store retries inside a call is documented there (in
//! `context-store`, the modules `postgres::commit` and `postgres::pool`); it may only retry reads, and writes
//! that were certainly not done. A write whose result is unknown
//! ([`Error::OutcomeUnknown`](crate::error::Error::OutcomeUnknown)) is retried by no layer: the caller
//! repeats it with the same idempotency key.
//!
//! # Resolved contexts in memory
//! Resolving reads the chain from the store each time. The merged result is kept in memory, at most
//! [`MAX_RESULTS_BYTES`](crate::limits::MAX_RESULTS_BYTES), and reused only if the store returns the same
//! pointers that it was made from, which means that it has confirmed that those contexts are unchanged.
//!
//! # Failure
//! Operations fail with the one enum [`Error`](crate::error::Error). A failure never returns a partial
//! result, such as a document without what it inherits.
//!
//! [`Caller`]: crate::access::Caller

mod contexts;
mod intent;
mod keys;
mod queue;
mod resolve;
mod results;
mod tenants;
mod upkeep;
mod write;
mod written;

use std::sync::Arc;

pub use intent::{Condition, Parents, WriteOptions};
pub use keys::{KeyRequest, NewKey};
pub use upkeep::Health;
pub use written::{Effect, Written};

use crate::clock::Clock;
use crate::id::IdSource;
use crate::ports::{Contexts, Directory, Upkeep};
use queue::WriteQueues;
use results::ResultMemory;

/// Everything that Context Service does. The [module](self) describes how it works.
pub struct Service {
    ports: Ports,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    queues: WriteQueues,
    results: ResultMemory,
}

/// A store, as its three ports.
#[derive(Clone)]
pub struct Ports {
    /// The contexts of all tenants.
    pub contexts: Arc<dyn Contexts>,
    /// The tenants and the API keys.
    pub directory: Arc<dyn Directory>,
    /// The store's health.
    pub upkeep: Arc<dyn Upkeep>,
}

impl Service {
    /// Returns a service over a store.
    pub fn new(ports: Ports, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self { ports, clock, ids, queues: WriteQueues::default(), results: ResultMemory::default() }
    }
}
