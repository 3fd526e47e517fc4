//! The files of the store's folder: `control.db`, and those of the tenants that were used last, kept open.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use context_domain::clock::Clock;
use context_domain::error::Error;
use context_domain::id::{IdSource, TenantId};
use context_domain::tenant::{Generation, NewTenant};
use lru::LruCache;

use super::control::{self, Control};
use super::directory;
use super::failure::Failure;
use super::tenant_file::{Met, TenantFile};

/// Tenants whose files are kept open. Each holds up to four connections of three file descriptors: together they stay
/// below the 1,024 that a process commonly gets.
const MAX_OPEN_TENANTS: usize = 64;
/// The tenant that every new store has.
const FIRST_TENANT: &str = "default";

/// The files of one store. What is done with them blocks.
pub(super) struct Files {
    /// Which tenants there are.
    pub(super) control: Control,
    /// The folder of the tenants' files.
    pub(super) tenants: PathBuf,
    open: Mutex<LruCache<TenantId, Arc<TenantFile>>>,
    /// The generations whose files calls found damaged.
    suspects: Mutex<HashSet<Generation>>,
}

impl Files {
    /// Opens the files in `folder`, or makes them.
    pub(super) fn open(folder: &Path, clock: &dyn Clock, ids: &dyn IdSource) -> Result<Self, Failure> {
        // SQLite takes a name that begins with "file:" for a URL; an absolute one never does.
        let folder = std::path::absolute(folder)
            .map_err(|error| Failure::unavailable("the folder's name cannot be made absolute", error))?;
        let tenants = folder.join("tenants");
        make_private(&tenants)?;
        let id = FIRST_TENANT.parse().map_err(Failure::Misuse)?;
        let control = directory::make(&tenants, &NewTenant::new(id, clock, ids), |make| {
            Control::open(folder.join("control.db"), |connection| make(connection))
        })?;
        let files =
            Self { control, tenants, open: Mutex::new(LruCache::unbounded()), suspects: Mutex::default() };
        files.finish_drops()?;
        Ok(files)
    }

    /// The tenant's file, if it is open.
    pub(super) fn opened(&self, tenant: &TenantId) -> Option<Arc<TenantFile>> {
        self.open_files().get(tenant).map(Arc::clone)
    }

    /// The tenant's file, as `control.db` names it.
    pub(super) fn named(&self, tenant: &TenantId) -> Result<Arc<TenantFile>, Error> {
        let known = self.control.read(|connection| control::find(connection, tenant));
        match known.map_err(Failure::in_store)? {
            Some(known) => Ok(self.remember(TenantFile::of(&self.tenants, known.id, known.generation))),
            None => Err(Error::TenantNotFound { tenant: tenant.clone() }),
        }
    }

    /// What came of a transaction, if it met the tenant alive; else the file is forgotten, and a drop finished.
    pub(super) fn leave_the_dead<T>(
        &self,
        file: &TenantFile,
        met: Result<Met<T>, Failure>,
    ) -> Result<Option<T>, Failure> {
        match met? {
            Met::Alive(value) => return Ok(Some(value)),
            Met::Tombstone => {
                self.forget(file);
                file.bury(&self.control)?;
            }
            Met::Nothing => self.forget(file),
        }
        Ok(None)
    }

    /// The failure of a call on a tenant. Whose file was found damaged is suspect until it was read through.
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

    /// The file was read through, and is whole.
    pub(super) fn trust(&self, file: &TenantFile) {
        self.suspects().remove(&file.generation);
    }

    fn suspects(&self) -> MutexGuard<'_, HashSet<Generation>> {
        // The set is whole between any two statements that hold the lock.
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a file open, unless another call was faster.
    fn remember(&self, file: TenantFile) -> Arc<TenantFile> {
        let mut open = self.open_files();
        if let Some(known) = open.get(&file.id).filter(|known| known.generation == file.generation) {
            return Arc::clone(known);
        }
        let file = Arc::new(file);
        let replaced = open.put(file.id.clone(), Arc::clone(&file));
        let evicted = if open.len() > MAX_OPEN_TENANTS { open.pop_lru() } else { None };
        drop(open);
        // Closing a file may write; nobody waits for that behind the lock.
        drop((replaced, evicted));
        file
    }

    fn forget(&self, file: &TenantFile) {
        let mut open = self.open_files();
        if open.peek(&file.id).is_some_and(|known| known.generation == file.generation) {
            let forgotten = open.pop(&file.id);
            drop(open);
            drop(forgotten);
        }
    }

    fn open_files(&self) -> MutexGuard<'_, LruCache<TenantId, Arc<TenantFile>>> {
        // The cache is whole between any two statements that hold the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a folder that its owner alone can look into, and the folders above it, where they are missing.
fn make_private(folder: &Path) -> Result<(), Failure> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| Failure::unavailable("its folder cannot be made", error))
}
