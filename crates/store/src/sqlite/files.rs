//! The files in the store's folder: `control.db`, and the open files of the tenants used last.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use context_domain::clock::Clock;
use context_domain::error::Error;
use context_domain::id::{IdSource, TenantId};
use context_domain::tenant::{Generation, NewTenant};
use lru::LruCache;

use super::control::{self, ControlFile};
use super::failure::Failure;
use super::tenant_file::{TenantFile, Transacted, create_tenant};

/// How many tenants' files are kept open. Each has up to four connections of three file descriptors: together
/// they stay below the 1,024 that a process commonly gets.
const MAX_OPEN_TENANTS: usize = 64;
/// The tenant that every new store has.
const FIRST_TENANT: &str = "default";

/// The files of one store. All calls block.
pub(super) struct StoreFiles {
    /// The list of the tenants.
    pub(super) control: ControlFile,
    /// The folder of the tenants' files.
    pub(super) tenants: PathBuf,
    open: Mutex<LruCache<TenantId, Arc<TenantFile>>>,
    /// The generations whose files calls found damaged.
    suspects: Mutex<HashSet<Generation>>,
}

impl StoreFiles {
    /// Opens the files in `folder`, or creates them.
    pub(super) fn open(folder: &Path, clock: &dyn Clock, ids: &dyn IdSource) -> Result<Self, Failure> {
        // SQLite takes a name that begins with "file:" for a URL; an absolute name never does.
        let folder = std::path::absolute(folder)
            .map_err(|error| Failure::unavailable("the folder's name cannot be made absolute", error))?;
        let tenants = folder.join("tenants");
        create_private_folder(&tenants)?;
        let id = FIRST_TENANT.parse().map_err(Failure::Misuse)?;
        let control = create_tenant(&tenants, &NewTenant::new(id, clock, ids), |create| {
            ControlFile::open(folder.join("control.db"), |connection| create(connection))
        })?;
        let files =
            Self { control, tenants, open: Mutex::new(LruCache::unbounded()), suspects: Mutex::default() };
        files.finish_drops()?;
        Ok(files)
    }

    /// Returns the tenant's file, if it is open.
    pub(super) fn open_file(&self, tenant: &TenantId) -> Option<Arc<TenantFile>> {
        self.open_files().get(tenant).map(Arc::clone)
    }

    /// Looks up the tenant's file in `control.db`, and keeps it open.
    pub(super) fn look_up(&self, tenant: &TenantId) -> Result<Arc<TenantFile>, Error> {
        let known = self.control.read(|connection| control::find(connection, tenant));
        match known.map_err(Failure::in_store)? {
            Some(known) => Ok(self.keep_open(TenantFile::new(&self.tenants, known.id, known.generation))),
            None => Err(Error::TenantNotFound { tenant: tenant.clone() }),
        }
    }

    /// Returns the result of a transaction; `None` if the tenant was dropped: then its file is closed and its
    /// drop finished.
    pub(super) fn settle_drop<T>(
        &self,
        file: &TenantFile,
        transacted: Result<Transacted<T>, Failure>,
    ) -> Result<Option<T>, Failure> {
        match transacted? {
            Transacted::Done(value) => return Ok(Some(value)),
            Transacted::Tombstone => {
                self.close_file(file);
                file.finish_drop(&self.control)?;
            }
            Transacted::Gone => self.close_file(file),
        }
        Ok(None)
    }

    /// Returns the error for a failed call on a tenant. A file that the call found damaged is suspect until
    /// it has been checked.
    pub(super) fn unhealthy(&self, file: &TenantFile, failure: Failure) -> Error {
        let error = failure.in_tenant(&file.id);
        if matches!(error, Error::TenantUnhealthy { .. }) {
            self.suspects().insert(file.generation.clone());
        }
        error
    }

    /// Whether a call found the file damaged.
    pub(super) fn is_suspect(&self, file: &TenantFile) -> bool {
        self.suspects().contains(&file.generation)
    }

    /// Records that the file was checked and is not damaged.
    pub(super) fn clear_suspicion(&self, file: &TenantFile) {
        self.suspects().remove(&file.generation);
    }

    /// Finishes drops whose program ended after the tenant's row was removed and before its file was.
    fn finish_drops(&self) -> Result<(), Failure> {
        let unreadable = |error| Failure::unavailable("the folder of the tenants cannot be read", error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.tenants).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            found.extend(name.to_str().and_then(|name| TenantFile::from_file_name(&self.tenants, name)));
        }
        let orphans = self.control.read(|connection| {
            let mut orphans = Vec::new();
            for file in found {
                let known = control::find(connection, &file.id)?;
                if known.is_none_or(|tenant| tenant.generation != file.generation) {
                    orphans.push(file);
                }
            }
            Ok(orphans)
        })?;
        for file in orphans {
            // A log without its file was left by a drop. A file without a tombstone may be one that another
            // process is creating.
            if !file.exists()? || matches!(file.is_tombstoned(), Ok(true)) {
                file.unlink()?;
            } else {
                tracing::warn!(
                    tenant = %file.id,
                    generation = file.generation.as_str(),
                    "a file that belongs to no tenant is kept"
                );
            }
        }
        Ok(())
    }

    fn suspects(&self) -> MutexGuard<'_, HashSet<Generation>> {
        // A panic cannot leave the set half changed.
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a file open, unless another call has done so already.
    fn keep_open(&self, file: TenantFile) -> Arc<TenantFile> {
        let mut open = self.open_files();
        if let Some(known) = open.get(&file.id).filter(|known| known.generation == file.generation) {
            return Arc::clone(known);
        }
        let file = Arc::new(file);
        let replaced = open.put(file.id.clone(), Arc::clone(&file));
        let evicted = if open.len() > MAX_OPEN_TENANTS { open.pop_lru() } else { None };
        drop(open);
        // Closing a file may write; that is not done under the lock.
        drop((replaced, evicted));
        file
    }

    fn close_file(&self, file: &TenantFile) {
        let mut open = self.open_files();
        if open.peek(&file.id).is_some_and(|known| known.generation == file.generation) {
            let forgotten = open.pop(&file.id);
            drop(open);
            drop(forgotten);
        }
    }

    fn open_files(&self) -> MutexGuard<'_, LruCache<TenantId, Arc<TenantFile>>> {
        // A panic cannot leave the cache half changed.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates a folder that only its owner can read, and the folders above it, if they are missing.
fn create_private_folder(folder: &Path) -> Result<(), Failure> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| Failure::unavailable("its folder cannot be created", error))
}
