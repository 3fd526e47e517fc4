//! Statements: their parameters, and those that a connection keeps prepared.

use std::error::Error as StdError;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use lru::LruCache;
use tokio_postgres::Statement;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

/// A parameter with its type, so that a statement without a name needs no round trip to learn it.
pub(super) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// A parameter that the driver's log cannot print.
pub(super) struct Unseen<'a>(pub(super) &'a (dyn ToSql + Sync));

impl fmt::Debug for Unseen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

impl ToSql for Unseen<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.0.to_sql_checked(ty, out)
    }

    fn accepts(_: &Type) -> bool {
        // Which types it takes is told by the value that it holds, in `to_sql_checked`.
        true
    }

    fn to_sql_checked(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.0.to_sql_checked(ty, out)
    }

    fn encode_format(&self, ty: &Type) -> Format {
        self.0.encode_format(ty)
    }
}

/// How a statement is to be sent this time.
pub(super) enum Sending {
    /// Without a name.
    Unnamed,
    /// Without a name; it has come before, and is worth preparing for the next time.
    UnnamedThenPrepare,
    /// Under its name.
    Named(Statement),
}

/// What is known of a statement on one connection.
enum Kept {
    Seen,
    Preparing,
    Prepared(Statement),
}

/// The statements that one connection has met last. What is forgotten is closed on the server too.
pub(super) struct Statements(Mutex<LruCache<String, Kept>>);

impl Statements {
    /// Room for `capacity` statements.
    pub(super) fn new(capacity: usize) -> Self {
        Self(Mutex::new(LruCache::new(NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN))))
    }

    /// How `sql` is to be sent. A statement is prepared at its second coming, so that those that come once take no
    /// second round trip and no memory of the server's.
    pub(super) fn recall(&self, sql: &str) -> Sending {
        let mut statements = self.locked();
        match statements.get_mut(sql) {
            Some(Kept::Prepared(statement)) => Sending::Named(statement.clone()),
            Some(Kept::Preparing) => Sending::Unnamed,
            Some(seen @ Kept::Seen) => {
                *seen = Kept::Preparing;
                Sending::UnnamedThenPrepare
            }
            None => {
                statements.put(sql.to_owned(), Kept::Seen);
                Sending::Unnamed
            }
        }
    }

    /// Keeps what was prepared, unless it was forgotten meanwhile.
    pub(super) fn keep(&self, sql: &str, statement: Statement) {
        if let Some(kept) = self.locked().peek_mut(sql) {
            *kept = Kept::Prepared(statement);
        }
    }

    /// Forgets a statement.
    pub(super) fn forget(&self, sql: &str) {
        self.locked().pop(sql);
    }

    fn locked(&self) -> MutexGuard<'_, LruCache<String, Kept>> {
        // The cache is whole between any two statements that hold the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
