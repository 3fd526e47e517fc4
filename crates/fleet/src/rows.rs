//! Statements without names, so that they work through every pooler, and their rows.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

/// A parameter with its type.
pub(crate) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// The rows of `sql`, each as `read` reads it.
pub(crate) async fn query<T>(
    client: &Client,
    sql: &str,
    params: &[Param<'_>],
    read: impl Fn(&Row) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    client.query_typed(sql, params).await?.iter().map(read).collect()
}
