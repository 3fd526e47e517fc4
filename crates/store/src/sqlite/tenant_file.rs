//! One generation of a tenant, in a file of its own: `tenants/<id>.<generation>.db`.
//!
//! A tenant is dropped in three steps: a tombstone is set inside its file (which is the moment of the drop),
//! its row is removed from `control.db`, and the file is removed. Another process that has the file open sees
//! the tombstone, because every transaction checks it first; otherwise a write to an unlinked file would be
//! acknowledged and lost.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use context_domain::id::TenantId;
use context_domain::tenant::{Generation, NewTenant, Tenant};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Mutex;

use super::connections::{IdleConnections, IfMissing, connect, use_wal};
use super::control::{self, ControlFile};
use super::failure::Failure;
use super::schema::{FileState, TENANT};
use super::{context_rows, index, rows};

/// The suffixes of the names of a database file, its write-ahead log and the log's index.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// Reads whether the tenant was dropped.
const TOMBSTONE: &str = "SELECT dropped FROM meta";

/// One generation of a tenant.
pub(super) struct TenantFile {
    /// The tenant.
    pub(super) id: TenantId,
    /// Its generation: a tenant that is created again under the same id has another one.
    pub(super) generation: Generation,
    /// The lock that writers in this process take in the order in which they come, instead of racing for
    /// SQLite's lock.
    pub(super) turn: Arc<Mutex<()>>,
    path: PathBuf,
    idle: IdleConnections,
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Commit,
    RollBack,
}

/// The result of a transaction on a tenant that may have been dropped.
pub(super) enum Transacted<T> {
    /// The tenant is there, and this is the result of the work.
    Done(T),
    /// There is a tombstone: the tenant was dropped, and the drop may have to be finished.
    Tombstone,
    /// There is no row in `control.db` for this generation.
    Gone,
}

impl TenantFile {
    /// Returns the file of this generation in the folder of the tenants.
    pub(super) fn new(folder: &Path, id: TenantId, generation: Generation) -> Self {
        let path = folder.join(format!("{id}.{}.db", generation.as_str()));
        Self { id, generation, turn: Arc::default(), path, idle: IdleConnections::default() }
    }

    /// Returns the file that a name in the folder of the tenants belongs to: the name of the file itself, of
    /// its log or of the log's index. `None` for a name that this program does not write.
    pub(super) fn from_file_name(folder: &Path, name: &str) -> Option<Self> {
        let (id, rest) = name.split_once('.')?;
        let (generation, suffix) = rest.split_once('.')?;
        let file = Self::new(folder, id.parse().ok()?, generation.parse().ok()?);
        // A generation has several spellings; this program writes only one.
        let ours = format!("{id}.{}.{suffix}", file.generation.as_str()) == name
            && SUFFIXES.iter().any(|ours| suffix.strip_prefix("db") == Some(ours));
        ours.then_some(file)
    }

    /// Creates the file with its tables and the global node. It becomes a tenant when `control.db` names it.
    fn create(&self, new: &NewTenant) -> Result<(), Failure> {
        // The name must be free, so that a file removed after a failure is certainly the one created here.
        fs::File::create_new(&self.path)
            .map_err(|error| Failure::unavailable("a tenant's file cannot be created", error))?;
        self.fill(new).or_else(|failure| {
            self.unlink()?;
            Err(failure)
        })
    }

    /// Runs `work` in a transaction on the tenant, if it is still there.
    pub(super) fn transact<T>(
        &self,
        control: &ControlFile,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Connection) -> Result<(Ending, T), Failure>,
    ) -> Result<Transacted<T>, Failure> {
        let connection = match self.idle.take() {
            Some(connection) => Some(connection),
            None => self.connect(control)?,
        };
        let Some(mut connection) = connection else { return Ok(Transacted::Gone) };
        let transaction = connection.transaction_with_behavior(behavior)?;
        if rows::query_number(&transaction, TOMBSTONE, ())? != 0 {
            return Ok(Transacted::Tombstone);
        }
        let (ending, value) = work(&transaction)?;
        match ending {
            Ending::RollBack => transaction.rollback()?,
            Ending::Commit => transaction.commit().map_err(Failure::of_commit)?,
        }
        // A connection that failed before this point was closed, and its transaction rolled back with it.
        self.idle.give_back(connection);
        Ok(Transacted::Done(value))
    }

    /// Finishes a drop whose tombstone is set. It may be done twice, or by several processes at once.
    pub(super) fn finish_drop(&self, control: &ControlFile) -> Result<(), Failure> {
        control.write(|connection| control::delete(connection, &self.id, self.generation.as_str()))?;
        self.idle.close();
        self.unlink()
    }

    /// Whether the tombstone is set, whatever `control.db` says.
    pub(super) fn is_tombstoned(&self) -> Result<bool, Failure> {
        let connection = self.open()?;
        Ok(rows::query_number(&connection, TOMBSTONE, ())? != 0)
    }

    /// Sets the tombstone, inside a transaction.
    pub(super) fn set_tombstone(connection: &Connection) -> Result<(), Failure> {
        rows::execute(connection, "UPDATE meta SET dropped = 1", ())?;
        Ok(())
    }

    /// Whether the file is there.
    pub(super) fn exists(&self) -> Result<bool, Failure> {
        let found = self.path.try_exists();
        found.map_err(|error| Failure::unavailable("the folder of the tenants cannot be read", error))
    }

    /// Removes the file, its log and the log's index.
    pub(super) fn unlink(&self) -> Result<(), Failure> {
        for suffix in SUFFIXES {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Failure::unavailable("a dropped tenant's file cannot be removed", error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn fill(&self, new: &NewTenant) -> Result<(), Failure> {
        let mut connection = connect(&self.path, IfMissing::Fail)?;
        use_wal(&connection)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        TENANT.complete(&transaction, FileState::Empty, Some(&self.id))?;
        rows::execute(
            &transaction,
            "INSERT INTO meta (only, tenant_id, generation) VALUES (1, ?1, ?2)",
            (self.id.as_str(), self.generation.as_str()),
        )?;
        context_rows::insert(&transaction, &new.global)?;
        index::enter(&transaction, &new.global)?;
        transaction.commit()?;
        self.idle.give_back(connection);
        Ok(())
    }

    /// Opens a connection to what is certainly this generation's file; `None` if the tenant is gone.
    ///
    /// SQLite opens a file and its log one after the other. If the file were removed in between, the
    /// connection would create a new log, without the tombstone. A drop removes the row in `control.db`
    /// before the files. So if the row is still there after opening, the file was opened whole, and if it
    /// could not be opened, it is damaged.
    fn connect(&self, control: &ControlFile) -> Result<Option<Connection>, Failure> {
        let opened = self.open();
        if !self.is_known(control)? {
            return Ok(None);
        }
        if opened.is_err() && !self.exists()? {
            return Err(Failure::damaged("its file is missing"));
        }
        opened.map(Some)
    }

    fn open(&self) -> Result<Connection, Failure> {
        let mut connection = connect(&self.path, IfMissing::Fail)?;
        match TENANT.read_state(&connection)? {
            FileState::Current => {}
            FileState::Outdated(_) => TENANT.upgrade(&mut connection, Some(&self.id))?,
            FileState::Empty => return Err(Failure::damaged("its file is empty")),
        }
        let whose = rows::query_one(&connection, "SELECT tenant_id, generation FROM meta", (), |row| {
            Ok((rows::read_text(row, 0)?.to_owned(), rows::read_text(row, 1)?.to_owned()))
        })?;
        match whose {
            Some((id, generation)) if id == self.id.as_str() && generation == self.generation.as_str() => {
                Ok(connection)
            }
            _ => Err(Failure::damaged("its file is another tenant's")),
        }
    }

    fn is_known(&self, control: &ControlFile) -> Result<bool, Failure> {
        let known = control.read(|connection| control::find(connection, &self.id))?;
        Ok(known.is_some_and(|tenant| tenant.generation == self.generation))
    }
}

/// Creates a tenant when `transaction`, which runs on `control.db`, calls back. If the transaction certainly
/// fails after that, the file is removed again; if it may have been committed, the file is kept, because it
/// may be needed.
pub(super) fn create_tenant<T>(
    tenants: &Path,
    new: &NewTenant,
    transaction: impl FnOnce(&mut dyn FnMut(&Connection) -> Result<(), Failure>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let Tenant { id, generation, .. } = new.tenant.clone();
    let file = TenantFile::new(tenants, id, generation);
    let mut created = false;
    let result = transaction(&mut |connection| {
        file.create(new)?;
        created = true;
        control::insert(connection, &new.tenant)
    });
    match result {
        Err(failure) if created && !matches!(failure, Failure::Unanswered(_)) => {
            file.unlink()?;
            Err(failure)
        }
        other => other,
    }
}
