//! The limits of connections, requests and responses; those of stored data are in `context_domain::limits`.

use std::time::Duration;

/// Maximum number of requests in progress, unless configured; further ones are refused, because a hidden
/// queue only grows.
pub(crate) const DEFAULT_CONCURRENT_REQUESTS: usize = 512;
/// Connections at the same time; further ones wait to be accepted.
pub(crate) const MAX_CONNECTIONS: usize = 4_096;
/// Bytes of a request's line and headers.
pub(crate) const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Bytes of a body beyond its limit that are read and discarded, so that its sender can read the refusal
/// before the connection closes.
pub(crate) const MAX_DISCARDED_BYTES: usize = 32 * 1024 * 1024;
/// Time for a request's line and headers, and for a connection to stay idle.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_mins(1);
/// Time for requests in progress to finish when the server stops.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause after a failed accept, which is a temporary shortage of file descriptors or memory.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Failed accepts in a row after which the listener counts as lost.
pub(crate) const MAX_ACCEPT_FAILURES: usize = 600;
/// Time for reading a request's body, and again for its response, unless configured.
pub(crate) const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Shortest time between two log lines about refused access.
pub(crate) const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(1);
