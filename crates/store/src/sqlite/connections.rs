//! Connections to one file: how they are opened, how they wait, and those kept for the next caller.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::failure::Failure;

/// Connections kept open per file while nobody uses them.
const MAX_IDLE: usize = 4;
/// Statements kept prepared per connection: more than there are.
const MAX_STATEMENTS: usize = 64;
/// How long a waiter sleeps before it tries a lock again. A waiter that slept longer the longer it waited would be
/// overtaken by every newcomer.
const BUSY_SLEEP: Duration = Duration::from_millis(1);
/// Tries before a lock is given up: 30 seconds of sleep at the least.
const BUSY_TRIES: i32 = 30_000;

/// Whether a connection may make its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfMissing {
    Make,
    Fail,
}

/// Opens a connection with the store's settings.
pub(super) fn connect(path: &Path, if_missing: IfMissing) -> Result<Connection, rusqlite::Error> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if if_missing == IfMissing::Make {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_handler(Some(wait_for_lock))?;
    connection.set_prepared_statement_cache_capacity(MAX_STATEMENTS);
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    Ok(connection)
}

/// Turns a new file to write-ahead logging, which stays with the file.
pub(super) fn use_wal(connection: &Connection) -> Result<(), Failure> {
    let mut tries = 0;
    loop {
        let mode: Result<String, _> = connection.query_row("PRAGMA journal_mode = WAL", (), |row| row.get(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(Failure::unavailable(
                    "its folder lies on a disk that cannot hold it (write-ahead logging is refused)",
                    format!("journal_mode is {mode}"),
                ));
            }
            // Two processes that turn the same file at once would wait for each other for ever if SQLite called
            // its busy handler here; it does not, so the waiting is done outside.
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

/// The connections to one file that nobody uses just now.
#[derive(Default)]
pub(super) struct Idle(Mutex<Vec<Connection>>);

impl Idle {
    /// Takes the one used last, whose pages are likeliest to be in memory still.
    pub(super) fn take(&self) -> Option<Connection> {
        self.stack().pop()
    }

    /// Keeps a connection whose transaction has ended; closes it where enough are kept.
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
        // The stack is whole between any two statements that hold the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait_for_lock(tries: i32) -> bool {
    thread::sleep(BUSY_SLEEP);
    tries < BUSY_TRIES
}
