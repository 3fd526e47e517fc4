//! Connections to one file: how they are opened, how they wait for locks, and the idle ones that are kept.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::failure::Failure;

/// How many idle connections are kept open per file.
const MAX_IDLE: usize = 4;
/// How many statements are kept prepared per connection: more than there are.
const MAX_STATEMENTS: usize = 64;
/// How long a waiter sleeps before it tries a lock again. It is constant: with a growing delay, every
/// newcomer would overtake those who have waited longest.
const BUSY_SLEEP: Duration = Duration::from_millis(1);
/// How often a lock is tried: at least 30 seconds of sleep.
const BUSY_TRIES: i32 = 30_000;

/// Whether opening a connection may create the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfMissing {
    Create,
    Fail,
}

/// Opens a connection with the store's settings.
pub(super) fn connect(path: &Path, if_missing: IfMissing) -> Result<Connection, rusqlite::Error> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if if_missing == IfMissing::Create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_handler(Some(wait_for_lock))?;
    connection.set_prepared_statement_cache_capacity(MAX_STATEMENTS);
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    Ok(connection)
}

/// Switches a new file to write-ahead logging, which the file keeps.
pub(super) fn use_wal(connection: &Connection) -> Result<(), Failure> {
    let mut tries = 0;
    loop {
        let mode: Result<String, _> = connection.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(Failure::unavailable(
                    "its folder is on a file system without write-ahead logging",
                    format!("journal_mode is {mode}"),
                ));
            }
            // Two processes that switch the same file at once would wait for each other forever if SQLite
            // called its busy handler here. It does not, so this loop waits.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                tries += 1;
                if !wait_for_lock(tries) {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The idle connections to one file.
#[derive(Default)]
pub(super) struct IdleConnections(Mutex<Vec<Connection>>);

impl IdleConnections {
    /// Takes the one used last, whose pages are most likely still in memory.
    pub(super) fn take(&self) -> Option<Connection> {
        self.stack().pop()
    }

    /// Keeps a connection whose transaction has ended, or closes it if enough are kept.
    pub(super) fn give_back(&self, connection: Connection) {
        let mut stack = self.stack();
        if stack.len() < MAX_IDLE {
            stack.push(connection);
            return;
        }
        drop(stack);
        drop(connection);
    }

    /// Closes all of them.
    pub(super) fn close(&self) {
        let closed = std::mem::take(&mut *self.stack());
        drop(closed);
    }

    fn stack(&self) -> MutexGuard<'_, Vec<Connection>> {
        // A panic cannot leave the stack half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait_for_lock(tries: i32) -> bool {
    thread::sleep(BUSY_SLEEP);
    tries < BUSY_TRIES
}
