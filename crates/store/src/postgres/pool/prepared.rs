//! The prepared statements of one connection, and parameters that the driver cannot log.

use std::error::Error as StdError;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use lru::LruCache;
use tokio_postgres::Statement;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};

/// How a statement is sent this time.
pub(super) enum StatementForm {
    /// Unnamed.
    Unnamed,
    /// Unnamed; it is the second time, so it is prepared for the next one.
    UnnamedThenPrepare,
    /// Under its name.
    Named(Statement),
}

/// The statements that one connection has sent most recently: an LRU cache of fixed size. An evicted
/// statement is closed on the server too, because the driver closes a [`Statement`] when it is dropped.
pub(super) struct PreparedStatements(Mutex<LruCache<String, PreparedState>>);

/// The state of the preparation of a statement on one connection.
enum PreparedState {
    SentOnce,
    Preparing,
    Prepared(Statement),
}

impl PreparedStatements {
    /// Makes an empty cache for `capacity` statements.
    pub(super) fn new(capacity: usize) -> Self {
        Self(Mutex::new(LruCache::new(NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN))))
    }

    /// Decides how `sql` is sent. A statement is prepared when it is sent the second time: one that is sent
    /// only once then costs neither a second round trip nor memory on the server.
    pub(super) fn form(&self, sql: &str) -> StatementForm {
        let mut statements = self.locked();
        match statements.get_mut(sql) {
            Some(PreparedState::Prepared(statement)) => StatementForm::Named(statement.clone()),
            Some(PreparedState::Preparing) => StatementForm::Unnamed,
            Some(state @ PreparedState::SentOnce) => {
                *state = PreparedState::Preparing;
                StatementForm::UnnamedThenPrepare
            }
            None => {
                statements.put(sql.to_owned(), PreparedState::SentOnce);
                StatementForm::Unnamed
            }
        }
    }

    /// Stores a prepared statement, unless it was evicted while it was being prepared.
    pub(super) fn store(&self, sql: &str, statement: Statement) {
        if let Some(state) = self.locked().peek_mut(sql) {
            *state = PreparedState::Prepared(statement);
        }
    }

    /// Removes a statement.
    pub(super) fn forget(&self, sql: &str) {
        self.locked().pop(sql);
    }

    fn locked(&self) -> MutexGuard<'_, LruCache<String, PreparedState>> {
        // A panic cannot leave the cache half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A parameter whose `Debug` output is `_`: the driver logs parameters, and they hold callers' content.
pub(crate) struct RedactedParam<'a>(pub(crate) &'a (dyn ToSql + Sync));

impl fmt::Debug for RedactedParam<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

impl ToSql for RedactedParam<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.0.to_sql_checked(ty, out)
    }

    fn accepts(_: &Type) -> bool {
        // `accepts` has no `self`: `to_sql_checked` asks the wrapped value instead.
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
