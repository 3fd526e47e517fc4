//! The embedded store: runs the transactions of the ports on the tenants' files.

use std::path::Path;
use std::sync::Arc;

use context_domain::clock::Clock;
use context_domain::error::Error;
use context_domain::id::{IdSource, TenantId};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{OwnedMutexGuard, Semaphore};
use tokio::task::{JoinError, spawn_blocking};

use super::failure::Failure;
use super::files::StoreFiles;
use super::tenant_file::{Ending, TenantFile};

/// How many calls may block a thread at the same time.
const MAX_CALLS: usize = 16;
/// How often a tenant is looked up again because it was dropped meanwhile.
const MAX_LOOKUPS: usize = 16;

/// The store in one folder.
#[derive(Clone)]
pub(crate) struct SqliteStore {
    files: Arc<StoreFiles>,
    calls: Arc<Semaphore>,
}

impl SqliteStore {
    /// Opens the store, or creates it.
    pub(crate) async fn open(
        folder: &Path,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Result<Self, Error> {
        let folder = folder.to_owned();
        let opened = spawn_blocking(move || StoreFiles::open(&folder, clock.as_ref(), ids.as_ref())).await;
        let files = opened.unwrap_or_else(|error| Err(unfinished(error))).map_err(Failure::in_store)?;
        Ok(Self { files: Arc::new(files), calls: Arc::new(Semaphore::new(MAX_CALLS)) })
    }

    /// Runs `work` in a read transaction on the tenant.
    pub(super) async fn read_tenant<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        work: impl Fn(&Connection) -> Result<T, Failure> + Send + Sync + 'static,
    ) -> Result<T, Error> {
        let work = move |connection: &Connection| Ok((Ending::RollBack, work(connection)?));
        self.transact(tenant, TransactionBehavior::Deferred, work).await
    }

    /// Runs `work` in a write transaction on the tenant.
    pub(super) async fn write_tenant<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        work: impl Fn(&Connection) -> Result<(Ending, T), Failure> + Send + Sync + 'static,
    ) -> Result<T, Error> {
        self.transact(tenant, TransactionBehavior::Immediate, work).await
    }

    /// Runs `work` in a transaction on the tenant. If the open file turns out to be dropped, the tenant is
    /// looked up again, because it may have been created again.
    async fn transact<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        behavior: TransactionBehavior,
        work: impl Fn(&Connection) -> Result<(Ending, T), Failure> + Send + Sync + 'static,
    ) -> Result<T, Error> {
        let work = Arc::new(work);
        for _ in 0..MAX_LOOKUPS {
            let file = self.file(tenant).await?;
            let turn = match behavior {
                TransactionBehavior::Deferred => None,
                _ => Some(Arc::clone(&file.turn).lock_owned().await),
            };
            let work = Arc::clone(&work);
            let result = self.blocking(turn, move |files| {
                let transacted = file.transact(&files.control, behavior, |connection| work(connection));
                files.settle_drop(&file, transacted).map_err(|failure| files.unhealthy(&file, failure))
            });
            if let Some(value) = result.await? {
                return Ok(value);
            }
        }
        Err(Error::Unavailable {
            detail: format!("the tenant {tenant} keeps being dropped and created again"),
            source: None,
        })
    }

    /// Returns the tenant's file, opened if it is not open yet.
    async fn file(&self, tenant: &TenantId) -> Result<Arc<TenantFile>, Error> {
        if let Some(file) = self.files.open_file(tenant) {
            return Ok(file);
        }
        let tenant = tenant.clone();
        self.blocking(None, move |files| files.look_up(&tenant)).await
    }

    /// Runs `work` on a thread that may block. It holds `turn` until it is done, even if nobody waits for it
    /// any more.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        turn: Option<OwnedMutexGuard<()>>,
        work: impl FnOnce(&StoreFiles) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let call = Arc::clone(&self.calls).acquire_owned().await;
        let call = call.map_err(|error| Error::Internal { detail: error.to_string() })?;
        let files = Arc::clone(&self.files);
        let done = spawn_blocking(move || {
            let done = work(&files);
            drop((turn, call));
            done
        });
        done.await.unwrap_or_else(|error| Err(unfinished(error).in_store()))
    }
}

/// Returns the failure of work on a blocking thread that ended without a result: it panicked, and its
/// connection was closed with its transaction; or the program is ending, and the work was never begun.
fn unfinished(error: JoinError) -> Failure {
    if error.is_panic() {
        Failure::Misuse(error.to_string())
    } else {
        Failure::unavailable("the program is ending", error)
    }
}
