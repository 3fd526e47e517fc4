//! What the pool needs to know about a statement: its parameters with their types, and what it does.

use tokio_postgres::types::{ToSql, Type};

/// A parameter with its type, so that a statement without a name needs no round trip to learn the types.
pub(super) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// The kind of a statement, which decides whether it may be sent twice, and how the pool weighs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatementKind {
    /// It reads and is quick. It is sent again if its connection was lost.
    Read,
    /// It reads and may take long. It is sent again if its connection was lost.
    Scan,
    /// It writes: it is never sent twice. It may take long, because it may wait for locks.
    Write,
}
