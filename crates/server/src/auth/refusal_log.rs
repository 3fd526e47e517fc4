//! The log of refused access, at most one line per interval: a client that guesses keys must not fill the
//! disk.

use std::sync::{Mutex, PoisonError};

use context_domain::error::Code;
use tokio::time::Instant;

use crate::limits::REFUSAL_LOG_INTERVAL;

/// Logs refused access once per [`REFUSAL_LOG_INTERVAL`], with the number of refusals that were not logged.
#[derive(Debug, Default)]
pub(crate) struct RefusalLog(Mutex<LogState>);

#[derive(Debug, Default)]
struct LogState {
    /// When the last line was written.
    logged_at: Option<Instant>,
    /// Refusals since then.
    unlogged: u64,
}

impl RefusalLog {
    /// Records a refusal, with the principal's name if it is known.
    pub(crate) fn record(&self, code: Code, principal: Option<&str>) {
        let now = Instant::now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.logged_at.is_some_and(|at| now.duration_since(at) < REFUSAL_LOG_INTERVAL) {
            state.unlogged = state.unlogged.saturating_add(1);
            return;
        }
        let LogState { unlogged, .. } =
            std::mem::replace(&mut *state, LogState { logged_at: Some(now), unlogged: 0 });
        drop(state);
        tracing::info!(code = code.as_str(), principal, unlogged, "access was refused");
    }
}
