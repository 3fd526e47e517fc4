//! A slot of the pool: room for one connection, which is opened when it is first needed and replaced when it
//! can no longer be used.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use context_domain::id::TenantId;
use tokio::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::super::failure::Failure;
use super::connection::Connection;

/// Room for one connection.
#[derive(Default)]
pub(super) struct PoolSlot {
    /// Locked for reading by each call that shares the connection, for writing by a call that has it alone.
    users: RwLock<()>,
    contents: Mutex<SlotContents>,
    /// Number of times that opening the connection has failed.
    failures: AtomicU64,
}

#[derive(Default)]
struct SlotContents {
    connection: Option<Arc<Connection>>,
    /// Why the connection could not be opened the last time.
    refusal: String,
}

/// Whether a call may share its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    Shared,
    Exclusive,
}

/// The lock that a call holds on its slot.
#[expect(dead_code, reason = "the guards are held, not read")]
pub(super) enum SlotGuard<'p> {
    Shared(RwLockReadGuard<'p, ()>),
    Exclusive(RwLockWriteGuard<'p, ()>),
}

impl PoolSlot {
    /// Waits until a call may use the slot in this way.
    pub(super) async fn lock(&self, sharing: Sharing) -> SlotGuard<'_> {
        match sharing {
            Sharing::Shared => SlotGuard::Shared(self.users.read().await),
            Sharing::Exclusive => SlotGuard::Exclusive(self.users.write().await),
        }
    }

    /// Returns the slot's connection, and awaits `open` for one if it has none that accepts the tenant. Calls
    /// that waited while another one failed to open it fail for the same reason, instead of each trying in
    /// turn.
    pub(super) async fn connection(
        &self,
        tenant: Option<&TenantId>,
        open: impl Future<Output = Result<Connection, Failure>>,
    ) -> Result<Arc<Connection>, Failure> {
        let failures = self.failures.load(Ordering::Acquire);
        let mut contents = self.contents.lock().await;
        if let Some(connection) = contents.connection.as_ref().filter(|connection| connection.accepts(tenant))
        {
            return Ok(Arc::clone(connection));
        }
        contents.connection = None;
        if self.failures.load(Ordering::Acquire) != failures {
            return Err(Failure::Unavailable { detail: contents.refusal.clone(), source: None });
        }
        match open.await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                connection.accepts(tenant);
                contents.connection = Some(Arc::clone(&connection));
                Ok(connection)
            }
            Err(failure) => {
                self.failures.fetch_add(1, Ordering::Release);
                if let Failure::Unavailable { detail, .. } = &failure {
                    contents.refusal.clone_from(detail);
                }
                Err(failure)
            }
        }
    }

    /// Removes `connection` from the slot if it is still there and retired.
    pub(super) fn remove_retired(&self, connection: &Arc<Connection>) {
        // Another call that holds this lock replaces a retired connection itself.
        let Ok(mut contents) = self.contents.try_lock() else { return };
        let is_it = |kept: &mut Arc<Connection>| Arc::ptr_eq(kept, connection) && kept.is_retired();
        drop(contents.connection.take_if(is_it));
    }
}
