//! The embedded store: SQLite files in a folder.
//!
//! Every call on a tenant is one transaction on its file ([`tenant_file`]), run on a thread that may block. The
//! future that waits for it may be dropped; the transaction is carried out all the same, or not begun.

mod changes;
mod commit;
mod connections;
mod contexts;
mod control;
mod directory;
mod failure;
mod files;
mod index;
mod keys;
mod rows;
mod schema;
mod search;
mod tenant_file;
mod terms;
mod upkeep;

use std::path::Path;
use std::sync::Arc;

use context_domain::clock::Clock;
use context_domain::error::Error;
use context_domain::id::{IdSource, TenantId};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{OwnedMutexGuard, Semaphore};
use tokio::task::{JoinError, spawn_blocking};

use failure::Failure;
use files::Files;
use tenant_file::{Ending, TenantFile};

/// Calls that block a thread at the same time.
const MAX_CALLS: usize = 16;
/// Times that a tenant is looked up anew because it was dropped in between.
const MAX_LOOKUPS: usize = 16;

/// The store in one folder.
#[derive(Clone)]
pub(crate) struct Store {
    files: Arc<Files>,
    calls: Arc<Semaphore>,
}

impl Store {
    /// Opens the store, or makes it.
    pub(crate) async fn open(
        folder: &Path,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Result<Self, Error> {
        let folder = folder.to_owned();
        let opened = spawn_blocking(move || Files::open(&folder, clock.as_ref(), ids.as_ref())).await;
        let files = opened.unwrap_or_else(|error| Err(unfinished(error))).map_err(Failure::in_store)?;
        Ok(Self { files: Arc::new(files), calls: Arc::new(Semaphore::new(MAX_CALLS)) })
    }

    /// Runs `work` in a read transaction on the tenant.
    async fn read<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        work: impl Fn(&Connection) -> Result<T, Failure> + Send + Sync + 'static,
    ) -> Result<T, Error> {
        let work = move |connection: &Connection| Ok((Ending::RollBack, work(connection)?));
        self.transact(tenant, TransactionBehavior::Deferred, work).await
    }

    /// Runs `work` in a write transaction on the tenant.
    async fn write<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        work: impl Fn(&Connection) -> Result<(Ending, T), Failure> + Send + Sync + 'static,
    ) -> Result<T, Error> {
        self.transact(tenant, TransactionBehavior::Immediate, work).await
    }

    /// Runs `work` in a transaction on the tenant as `control.db` knows it now: where the open file turns out to be
    /// dropped, on its successor, if it has one.
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
            let met = self.blocking(turn, move |files| {
                let met = file.transact(&files.control, behavior, |connection| work(connection));
                files.leave_the_dead(&file, met).map_err(|failure| files.unhealthy(&file, failure))
            });
            if let Some(value) = met.await? {
                return Ok(value);
            }
        }
        Err(Error::Unavailable {
            detail: format!("the tenant {tenant} is being dropped and made again, over and over"),
            source: None,
        })
    }

    async fn file(&self, tenant: &TenantId) -> Result<Arc<TenantFile>, Error> {
        if let Some(file) = self.files.opened(tenant) {
            return Ok(file);
        }
        let tenant = tenant.clone();
        self.blocking(None, move |files| files.named(&tenant)).await
    }

    /// Runs `work` on a thread that may block. It holds on to `turn` until it is done, also where nobody waits for
    /// it any more.
    async fn blocking<T: Send + 'static>(
        &self,
        turn: Option<OwnedMutexGuard<()>>,
        work: impl FnOnce(&Files) -> Result<T, Error> + Send + 'static,
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

/// Work on a blocking thread that ended without a result: it panicked, and its connection was closed with its
/// transaction; or the program is ending, and it was never begun.
fn unfinished(error: JoinError) -> Failure {
    if error.is_panic() {
        Failure::Misuse(error.to_string())
    } else {
        Failure::unavailable("the program is ending", error)
    }
}
