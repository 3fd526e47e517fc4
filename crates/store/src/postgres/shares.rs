//! What one tenant may have of the connections at a time: half of them. A tenant whose tables somebody has locked fills
//! what it may have with calls that wait; the others go on with the rest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use context_domain::id::TenantId;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Tenants after which those that have no call under way are forgotten.
const MAX_REMEMBERED: usize = 1_024;

/// The shares of all tenants that have calls under way.
pub(super) struct Shares {
    /// Connections that one tenant may have calls on.
    connections: usize,
    /// Calls that share their connection, of one tenant on one connection.
    calls: usize,
    tenants: Mutex<HashMap<TenantId, Weak<Share>>>,
}

/// What one tenant has of the connections.
pub(super) struct Share {
    connections: usize,
    calls: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    /// The tenant's calls by connection, where there are any.
    under_way: Mutex<HashMap<usize, usize>>,
}

/// The right to have a call under way.
pub(super) struct Admitted {
    pub(super) share: Arc<Share>,
    _call: OwnedSemaphorePermit,
    _write: Option<OwnedSemaphorePermit>,
}

impl Shares {
    /// Shares of so many connections, each of which takes so many calls at a time.
    pub(super) fn new(connections: usize, calls: u32) -> Self {
        Self { connections: connections.div_ceil(2), calls: calls as usize, tenants: Mutex::default() }
    }

    /// The tenant's share.
    pub(super) fn of(&self, tenant: &TenantId) -> Arc<Share> {
        let mut tenants = locked(&self.tenants);
        if let Some(share) = tenants.get(tenant).and_then(Weak::upgrade) {
            return share;
        }
        if tenants.len() >= MAX_REMEMBERED {
            tenants.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Share {
            connections: self.connections,
            calls: Arc::new(Semaphore::new(self.connections.saturating_mul(self.calls))),
            writes: Arc::new(Semaphore::new(self.connections)),
            under_way: Mutex::default(),
        });
        tenants.insert(tenant.clone(), Arc::downgrade(&share));
        share
    }
}

impl Share {
    /// Waits until the tenant may have one more call of that many permits under way.
    pub(super) async fn admit(self: Arc<Self>, permits: u32, kind: Kind) -> Result<Admitted, AcquireError> {
        let write = match kind {
            Kind::Read => None,
            Kind::Write => Some(Arc::clone(&self.writes).acquire_owned().await?),
        };
        let call = Arc::clone(&self.calls).acquire_many_owned(permits).await?;
        Ok(Admitted { share: self, _call: call, _write: write })
    }

    /// Whether a call may go to that connection: another one only while the tenant has less than its share.
    pub(super) fn allows(&self, connection: usize) -> bool {
        let under_way = locked(&self.under_way);
        under_way.len() < self.connections || under_way.contains_key(&connection)
    }

    /// Notes that a call is under way on a connection.
    pub(super) fn begin(&self, connection: usize) {
        *locked(&self.under_way).entry(connection).or_default() += 1;
    }

    /// Notes that it has ended.
    pub(super) fn end(&self, connection: usize) {
        let mut under_way = locked(&self.under_way);
        let left = under_way.get(&connection).map_or(0, |calls| calls.saturating_sub(1));
        if left == 0 {
            under_way.remove(&connection);
        } else {
            under_way.insert(connection, left);
        }
    }
}

/// Whether a call waits for locks of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It does not.
    Read,
    /// It may.
    Write,
}

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded is whole between any two statements that hold the lock.
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_calls_on_half_of_the_connections() {
        let shares = Shares::new(4, 16);
        let share = shares.of(&"a".parse().unwrap());
        share.begin(0);
        assert!(share.allows(3));
        share.begin(3);
        share.begin(3);
        let allowed: Vec<_> = (0..4).filter(|connection| share.allows(*connection)).collect();
        assert_eq!(allowed, [0, 3]);
        share.end(3);
        assert!(!share.allows(1));
        share.end(3);
        assert!(share.allows(1));
    }

    #[test]
    fn a_share_is_kept_for_as_long_as_it_is_used() {
        let shares = Shares::new(2, 16);
        let tenant: TenantId = "a".parse().unwrap();
        let share = shares.of(&tenant);
        assert!(Arc::ptr_eq(&share, &shares.of(&tenant)));
        assert!(!Arc::ptr_eq(&share, &shares.of(&"b".parse().unwrap())));
        drop(share);
        for number in 0..3 * MAX_REMEMBERED {
            shares.of(&format!("t{number}").parse().unwrap());
        }
        assert!(locked(&shares.tenants).len() <= MAX_REMEMBERED);
    }
}
