//! Runs statements without names, so that they work through every pooler, and converts their rows.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

/// A parameter with its type.
pub(crate) type TypedParameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// Runs `sql` and converts each row with `convert`.
pub(crate) async fn query_rows<T>(
    client: &Client,
    sql: &str,
    parameters: &[TypedParameter<'_>],
    convert: impl Fn(&Row) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    client.query_typed(sql, parameters).await?.iter().map(convert).collect()
}
