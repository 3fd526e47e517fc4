//! One generation of a tenant, in a file of its own: `tenants/<id>.<generation>.db`.
//!
//! A file is dropped in three steps: a tombstone inside it (the moment of the drop), its row in `control.db`, the
//! file itself. Whoever holds the file open in another process sees the tombstone, because every transaction looks
//! for it first; without that, a write to a file that has lost its name would be acknowledged and lost.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use context_domain::id::TenantId;
use context_domain::tenant::{Generation, NewTenant};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::Mutex;

use super::connections::{Idle, IfMissing, connect, use_wal};
use super::control::{self, Control};
use super::failure::Failure;
use super::index;
use super::rows;
use super::schema::{Found, TENANT};

/// What SQLite appends to a file's name for the file itself, its log and the log's index.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// Tells whether the tenant was dropped.
const TOMBSTONE: &str = "SELECT dropped FROM meta";

/// One generation of a tenant.
pub(super) struct TenantFile {
    /// The tenant.
    pub(super) id: TenantId,
    /// Which life of it.
    pub(super) generation: Generation,
    /// Writers in this process take turns here, in the order in which they came, instead of racing for SQLite's lock.
    pub(super) turn: Arc<Mutex<()>>,
    path: PathBuf,
    idle: Idle,
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Commit,
    RollBack,
}

/// What a transaction met.
pub(super) enum Met<T> {
    /// The tenant; what came of the work.
    Alive(T),
    /// A tombstone: the tenant was dropped, and the drop may want finishing.
    Tombstone,
    /// No file, and no row in `control.db` for this generation.
    Nothing,
}

impl TenantFile {
    /// The file of this generation in the folder of the tenants.
    pub(super) fn of(folder: &Path, id: TenantId, generation: Generation) -> Self {
        let path = folder.join(format!("{id}.{}.db", generation.as_str()));
        Self { id, generation, turn: Arc::default(), path, idle: Idle::default() }
    }

    /// The file that a name in the folder of the tenants belongs to, if it is of our naming: the file itself, or what
    /// SQLite keeps beside it.
    pub(super) fn named(folder: &Path, name: &str) -> Option<Self> {
        let (id, rest) = name.split_once('.')?;
        let (generation, suffix) = rest.split_once('.')?;
        let file = Self::of(folder, id.parse().ok()?, generation.parse().ok()?);
        // A generation has several spellings; only the one that we write is ours.
        let ours = format!("{id}.{}.{suffix}", file.generation.as_str()) == name
            && SUFFIXES.iter().any(|ours| suffix.strip_prefix("db") == Some(ours));
        ours.then_some(file)
    }

    /// Makes the file with its tables and the global node. It becomes a tenant when `control.db` names it.
    pub(super) fn make(&self, new: &NewTenant) -> Result<(), Failure> {
        // The name must be free: what is removed after a failure is then certainly what was made here.
        fs::File::create_new(&self.path)
            .map_err(|error| Failure::unavailable("a tenant's file cannot be made", error))?;
        self.fill(new).or_else(|failure| {
            self.unlink()?;
            Err(failure)
        })
    }

    /// Runs `work` in a transaction on the tenant, if it is still there.
    pub(super) fn transact<T>(
        &self,
        control: &Control,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Connection) -> Result<(Ending, T), Failure>,
    ) -> Result<Met<T>, Failure> {
        let connection = match self.idle.take() {
            Some(connection) => Some(connection),
            None => self.connect(control)?,
        };
        let Some(mut connection) = connection else { return Ok(Met::Nothing) };
        let transaction = connection.transaction_with_behavior(behavior)?;
        if rows::number(&transaction, TOMBSTONE, ())? != 0 {
            return Ok(Met::Tombstone);
        }
        let (ending, value) = work(&transaction)?;
        match ending {
            Ending::RollBack => transaction.rollback()?,
            Ending::Commit => transaction.commit().map_err(Failure::of_commit)?,
        }
        // A connection that failed on the way here was closed, and its transaction rolled back with it.
        self.idle.give_back(connection);
        Ok(Met::Alive(value))
    }

    /// Finishes a drop whose tombstone is set. Done twice, or by several at once, it comes to the same.
    pub(super) fn bury(&self, control: &Control) -> Result<(), Failure> {
        control.write(|connection| control::delete(connection, &self.id, self.generation.as_str()))?;
        self.idle.close();
        self.unlink()
    }

    /// Whether the tombstone is set, looked at without regard to `control.db`.
    pub(super) fn is_tombstoned(&self) -> Result<bool, Failure> {
        let connection = self.open()?;
        Ok(rows::number(&connection, TOMBSTONE, ())? != 0)
    }

    /// Sets the tombstone, inside a transaction.
    pub(super) fn set_tombstone(connection: &Connection) -> Result<(), Failure> {
        rows::write(connection, "UPDATE meta SET dropped = 1", ())?;
        Ok(())
    }

    /// Whether the file is there.
    pub(super) fn exists(&self) -> Result<bool, Failure> {
        let found = self.path.try_exists();
        found.map_err(|error| Failure::unavailable("the folder of the tenants cannot be looked into", error))
    }

    /// Removes the file and what SQLite keeps beside it.
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
        TENANT.complete(&transaction, Found::Empty, Some(&self.id))?;
        rows::write(
            &transaction,
            "INSERT INTO meta (only, tenant_id, generation) VALUES (1, ?1, ?2)",
            (self.id.as_str(), self.generation.as_str()),
        )?;
        rows::insert(&transaction, &new.global)?;
        index::enter(&transaction, &new.global)?;
        transaction.commit()?;
        self.idle.give_back(connection);
        Ok(())
    }

    /// A new connection to what is certainly this generation's file; none if the tenant is gone.
    ///
    /// SQLite looks the names of a file and of its log up one after the other. Were the file dropped in between, the
    /// connection would make itself a new log, without the tombstone. A drop removes the row in `control.db` before
    /// the names: as long as the row is there, what was opened before is whole, and what could not be opened is
    /// damage.
    fn connect(&self, control: &Control) -> Result<Option<Connection>, Failure> {
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
        match TENANT.find(&connection)? {
            Found::Current => {}
            Found::Behind(_) => TENANT.upgrade(&mut connection, Some(&self.id))?,
            Found::Empty => return Err(Failure::damaged("its file is empty")),
        }
        let whose = rows::one(&connection, "SELECT tenant_id, generation FROM meta", (), |row| {
            Ok((rows::text(row, 0)?.to_owned(), rows::text(row, 1)?.to_owned()))
        })?;
        match whose {
            Some((id, generation)) if id == self.id.as_str() && generation == self.generation.as_str() => {
                Ok(connection)
            }
            _ => Err(Failure::damaged("its file is another tenant's")),
        }
    }

    fn is_known(&self, control: &Control) -> Result<bool, Failure> {
        let known = control.read(|connection| control::find(connection, &self.id))?;
        Ok(known.is_some_and(|tenant| tenant.generation == self.generation))
    }
}
