//! How much of the pool one tenant may use at a time: half of the connections, rounded up.
//!
//! If somebody locks a tenant's tables, that tenant's calls wait and fill its share; other tenants still have
//! the other half.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use context_domain::id::TenantId;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::super::statement::StatementKind;

/// Number of shares above which those of tenants without a running call are removed.
const MAX_SHARES: usize = 1_024;

/// The shares of all tenants with running calls.
pub(super) struct TenantShares {
    /// Connections that one tenant may use at a time.
    connections: usize,
    /// Calls of one tenant that may share one connection.
    calls: usize,
    tenants: Mutex<HashMap<TenantId, Weak<TenantShare>>>,
}

/// One tenant's share of the connections.
pub(crate) struct TenantShare {
    connections: usize,
    calls: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    /// Number of the tenant's running calls on each slot that has any.
    running: Mutex<HashMap<usize, usize>>,
}

/// The tenant that a connection is leased for.
#[derive(Clone, Copy)]
pub(crate) struct Borrower<'a> {
    /// The tenant whose data the call is about.
    pub(crate) tenant: Option<&'a TenantId>,
    /// The tenant's share, which the lease counts against.
    pub(crate) share: Option<&'a Arc<TenantShare>>,
}

/// The permission to have one more call running. Dropping it returns its permits.
pub(super) struct Admission {
    pub(super) share: Arc<TenantShare>,
    _call: OwnedSemaphorePermit,
    _write: Option<OwnedSemaphorePermit>,
}

impl TenantShares {
    /// Makes the shares of a pool with that many `connections`, each of which takes that many `calls` at a
    /// time.
    pub(super) fn new(connections: usize, calls: u32) -> Self {
        Self { connections: connections.div_ceil(2), calls: calls as usize, tenants: Mutex::default() }
    }

    /// Returns the tenant's share, and makes it if the tenant has no call running.
    pub(super) fn share_of(&self, tenant: &TenantId) -> Arc<TenantShare> {
        let mut tenants = locked(&self.tenants);
        if let Some(share) = tenants.get(tenant).and_then(Weak::upgrade) {
            return share;
        }
        if tenants.len() >= MAX_SHARES {
            tenants.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(TenantShare {
            connections: self.connections,
            calls: Arc::new(Semaphore::new(self.connections.saturating_mul(self.calls))),
            writes: Arc::new(Semaphore::new(self.connections)),
            running: Mutex::default(),
        });
        tenants.insert(tenant.clone(), Arc::downgrade(&share));
        share
    }
}

impl TenantShare {
    /// Waits until the tenant may have one more call running, which takes `permits`. A write also takes one
    /// of the permits for writes, because it may wait for row locks.
    pub(super) async fn admit(
        self: Arc<Self>,
        permits: u32,
        kind: StatementKind,
    ) -> Result<Admission, AcquireError> {
        let write = match kind {
            StatementKind::Read | StatementKind::Scan => None,
            StatementKind::Write => Some(Arc::clone(&self.writes).acquire_owned().await?),
        };
        let call = Arc::clone(&self.calls).acquire_many_owned(permits).await?;
        Ok(Admission { share: self, _call: call, _write: write })
    }

    /// Whether a call may use that slot: one that the tenant uses already, or another one while it uses fewer
    /// slots than its share.
    pub(super) fn allows(&self, slot: usize) -> bool {
        let running = locked(&self.running);
        running.len() < self.connections || running.contains_key(&slot)
    }

    /// Counts a call that starts on a slot.
    pub(super) fn begin(&self, slot: usize) {
        *locked(&self.running).entry(slot).or_default() += 1;
    }

    /// Counts a call that has ended on a slot.
    pub(super) fn end(&self, slot: usize) {
        let mut running = locked(&self.running);
        let left = running.get(&slot).map_or(0, |calls| calls.saturating_sub(1));
        if left == 0 {
            running.remove(&slot);
        } else {
            running.insert(slot, left);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic cannot leave the maps half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_uses_half_of_the_connections() {
        let shares = TenantShares::new(4, 16);
        let share = shares.share_of(&"a".parse().unwrap());
        share.begin(0);
        assert!(share.allows(3));
        share.begin(3);
        share.begin(3);
        let allowed: Vec<_> = (0..4).filter(|slot| share.allows(*slot)).collect();
        assert_eq!(allowed, [0, 3]);
        share.end(3);
        assert!(!share.allows(1));
        share.end(3);
        assert!(share.allows(1));
    }

    #[test]
    fn a_share_exists_while_it_is_used() {
        let shares = TenantShares::new(2, 16);
        let tenant: TenantId = "a".parse().unwrap();
        let share = shares.share_of(&tenant);
        assert!(Arc::ptr_eq(&share, &shares.share_of(&tenant)));
        assert!(!Arc::ptr_eq(&share, &shares.share_of(&"b".parse().unwrap())));
        drop(share);
        for number in 0..3 * MAX_SHARES {
            shares.share_of(&format!("t{number}").parse().unwrap());
        }
        assert!(locked(&shares.tenants).len() <= MAX_SHARES);
    }
}
