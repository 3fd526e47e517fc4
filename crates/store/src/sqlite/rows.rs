//! Helpers that run a statement, or read a value of a row.

use context_domain::id::ContextId;
use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::failure::Failure;

/// Runs a statement and returns all its rows.
pub(super) fn query_all<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        values.push(read(row)?);
    }
    Ok(values)
}

/// Runs a statement and returns its first row, if it gives one.
pub(super) fn query_one<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    rows.next()?.map(read).transpose()
}

/// Runs a statement that every file has a row for, and returns the first value of that row.
pub(super) fn query_number(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
) -> Result<i64, Failure> {
    let found = connection.prepare_cached(sql)?.query_row(parameters, |row| row.get(0)).optional()?;
    found.ok_or_else(|| Failure::damaged("a row that every file has is missing from it"))
}

/// Runs a statement that writes, and returns how many rows it wrote.
pub(super) fn execute(connection: &Connection, sql: &str, parameters: impl Params) -> Result<usize, Failure> {
    Ok(connection.prepare_cached(sql)?.execute(parameters)?)
}

/// Returns the limit as SQLite takes it.
pub(super) fn limit(items: usize) -> i64 {
    // No table holds more rows than this.
    i64::try_from(items).unwrap_or(i64::MAX)
}

/// Reads the id of a context at `index`.
pub(super) fn read_id(row: &Row<'_>, index: usize) -> Result<ContextId, Failure> {
    let text = read_text(row, index)?;
    text.parse().map_err(|rule: String| Failure::damaged_by("an id in it cannot be read", rule))
}

/// Reads the text at `index`.
pub(super) fn read_text<'r>(row: &'r Row<'_>, index: usize) -> Result<&'r str, Failure> {
    Ok(row.get_ref(index)?.as_str().map_err(rusqlite::Error::from)?)
}

/// Reads the text at `index`, which may be null.
pub(super) fn read_optional_text<'r>(row: &'r Row<'_>, index: usize) -> Result<Option<&'r str>, Failure> {
    Ok(row.get_ref(index)?.as_str_or_null().map_err(rusqlite::Error::from)?)
}

/// Returns the value, or null.
pub(super) fn or_null<'a>(value: Option<impl Into<ToSqlOutput<'a>>>) -> ToSqlOutput<'a> {
    value.map_or(ToSqlOutput::Owned(Value::Null), Into::into)
}

/// Returns the value as JSON without white space.
pub(super) fn compact_json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::Misuse(format!("JSON was not written: {error}")))
}
