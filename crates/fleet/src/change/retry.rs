//! How often a transaction is attempted if locks or other writes are in its way.

use std::time::Duration;

use context_domain::id::TenantId;

use crate::failure::FleetFailure;

/// The number of attempts in all. Each waits for locks for as long as `lock_timeout` allows.
pub(super) const MAX_ATTEMPTS: usize = 5;
/// The pause before the next attempt, in which the transaction in its way can end.
const PAUSE: Duration = Duration::from_millis(100);

/// The failed attempts of one transaction.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failed: usize,
}

impl Attempts {
    /// Waits until the next attempt at `step`, for `tenant` if it is about one. Returns the failure instead
    /// if a retry does not help, or if this was the last attempt.
    pub(super) async fn wait_after(
        &mut self,
        failure: FleetFailure,
        step: &str,
        tenant: Option<&TenantId>,
    ) -> Result<(), FleetFailure> {
        self.failed += 1;
        if !failure.is_transient() || self.failed >= MAX_ATTEMPTS {
            return Err(failure);
        }
        let tenant = tenant.map(TenantId::as_str);
        tracing::warn!(tenant, attempt = self.failed, ?failure, "others are in the way: will {step} again");
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}
