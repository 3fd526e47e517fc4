//! The limits of the way in; those of what is stored stand in the domain.

use std::time::Duration;

/// Requests that are worked on at the same time where nothing else is configured; one more is refused, because work
/// that waits unseen only grows.
pub(crate) const DEFAULT_CONCURRENT_REQUESTS: usize = 512;
/// Connections at the same time; more wait to be accepted.
pub(crate) const MAX_CONNECTIONS: usize = 4_096;
/// Bytes of a request's line and headers.
pub(crate) const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Bytes of a body beyond its limit that are read and thrown away, so that its sender gets to read the refusal
/// before the connection closes.
pub(crate) const MAX_DISCARDED_BYTES: usize = 32 * 1024 * 1024;
/// Time for a request's line and headers, and for a connection to stay idle.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_mins(1);
/// Time for requests under way when the server stops.
pub(crate) const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Wait after a failed accept, which is a shortage (of file descriptors, of memory) that passes.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Failed accepts in a row after which the listener counts as lost.
pub(crate) const MAX_ACCEPT_FAILURES: usize = 600;
/// Time for reading a request's body, and again for answering it, where nothing else is configured.
pub(crate) const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Time between two lines in the log that tell of refused access.
pub(crate) const REFUSAL_LOG_INTERVAL: Duration = Duration::from_secs(1);
