//! Rows: the values that PostgreSQL sends and takes, and the columns of a context as a [`Context`].

use std::error::Error as StdError;

use bytes::BytesMut;
use context_domain::clock::Timestamp;
use context_domain::content::Content;
use context_domain::context::Context;
use context_domain::error::Source;
use context_domain::id::{ContextId, TenantId};
use context_domain::inheritance::Inheritance;
use context_domain::tree::Place;
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, Json, ToSql, Type, accepts, to_sql_checked};

use super::failure::Failure;

type AnyError = Box<dyn StdError + Sync + Send>;

/// A `timestamptz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(pub(super) Timestamp);

impl Moment {
    /// 2000-01-01T00:00:00Z, from which PostgreSQL counts, in microseconds since 1970.
    const EPOCH: i64 = 946_684_800_000_000;
}

impl ToSql for Moment {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, AnyError> {
        out.extend_from_slice(&(self.0.as_micros() - Self::EPOCH).to_be_bytes());
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Moment {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, AnyError> {
        // What is infinite, or has a year of five digits, is no moment that can be written.
        let micros = i64::from_be_bytes(raw.try_into()?).checked_add(Self::EPOCH);
        let moment = micros.and_then(Timestamp::from_micros).ok_or("it is no moment that can be written")?;
        Ok(Self(moment))
    }

    accepts!(TIMESTAMPTZ);
}

/// An `xid8`: the number of a transaction, which is never given out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TransactionId(pub(super) u64);

impl ToSql for TransactionId {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, AnyError> {
        out.extend_from_slice(&self.0.to_be_bytes());
        Ok(IsNull::No)
    }

    accepts!(XID8);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for TransactionId {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, AnyError> {
        Ok(Self(u64::from_be_bytes(raw.try_into()?)))
    }

    accepts!(XID8);
}

/// The value in a column of something that is known by `name`.
pub(super) fn column<'r, T: FromSql<'r>>(
    row: &'r Row,
    index: usize,
    column: &str,
    name: impl FnOnce() -> String,
) -> Result<T, Failure> {
    row.try_get(index).map_err(|error| unreadable(column, &name(), Some(Box::new(error))))
}

/// The id of a context in a column.
pub(super) fn id(row: &Row, index: usize) -> Result<ContextId, Failure> {
    let damaged = |source: Source| Failure::damaged_by("an id in it is none", source);
    let text: &str = row.try_get(index).map_err(|error| damaged(Box::new(error)))?;
    text.parse().map_err(|rule: String| damaged(rule.into()))
}

/// A number of versions that was counted up to `version`.
pub(super) fn version(row: &Row, index: usize, id: &ContextId) -> Result<u32, Failure> {
    let version: i32 = column(row, index, "version", || id.to_string())?;
    u32::try_from(version).map_err(|error| unreadable("version", id.as_str(), Some(Box::new(error))))
}

/// A version as the database keeps it.
pub(super) fn stored_version(version: u32, id: &ContextId) -> Result<i32, Failure> {
    i32::try_from(version).map_err(|_| Failure::Misuse(format!("{id} has no version left")))
}

/// A limit as PostgreSQL takes it.
pub(super) fn limit(items: usize) -> i64 {
    // No table holds more rows than this.
    i64::try_from(items).unwrap_or(i64::MAX)
}

/// How many columns a context has; what else a row holds stands behind them.
pub(super) const CONTEXT_COLUMNS: usize = 16;

/// The context in a row of [`context_columns`](super::statements).
pub(super) fn context(row: &Row, tenant: &TenantId) -> Result<Context, Failure> {
    let id = id(row, 0)?;
    let name = || id.to_string();
    let rule = |column: &str, rule: String| unreadable(column, id.as_str(), Some(rule.into()));
    let owner: &str = column(row, 6, "tenant_id", name)?;
    if owner != tenant.as_str() {
        return Err(Failure::damaged(format!("the row of {id} is another tenant's")));
    }
    let Json(context_data): Json<Map<String, Value>> = column(row, 1, "context_data", name)?;
    let inheritance: Option<Json<Value>> = column(row, 15, "inheritance", name)?;
    let inheritance = inheritance.map(|Json(value)| Inheritance::parse(&value)).transpose();
    let content = Content {
        context_data,
        context_type: column(row, 2, "context_type", name)?,
        title: column(row, 3, "title", name)?,
        description: column(row, 4, "description", name)?,
        tags: column(row, 5, "tags", name)?,
        user_id: column(row, 7, "user_id", name)?,
        expires_at: moment(row, 10, "expires_at", &id)?,
        inheritance: inheritance.map_err(|faults| rule("inheritance", format!("{} faults", faults.len())))?,
    };
    let required =
        |moment: Option<Timestamp>, column: &str| moment.ok_or_else(|| rule(column, "null".to_owned()));
    Ok(Context {
        tenant_id: tenant.clone(),
        content,
        place: place(row, 12, &id)?,
        created_at: required(moment(row, 8, "created_at", &id)?, "created_at")?,
        updated_at: required(moment(row, 9, "updated_at", &id)?, "updated_at")?,
        version: version(row, 11, &id)?,
        id,
    })
}

/// The place in the tree in three columns: level, parent, key.
pub(super) fn place(row: &Row, first: usize, id: &ContextId) -> Result<Option<Place>, Failure> {
    let rule = |column: &str, rule: String| unreadable(column, id.as_str(), Some(rule.into()));
    let text = |index: usize, name: &str| column::<Option<&str>>(row, index, name, || id.to_string());
    let Some(level) = text(first, "context_level")? else { return Ok(None) };
    let parent_id = text(first + 1, "parent_id")?.map(str::parse).transpose();
    let node_key = text(first + 2, "node_key")?.map(str::parse).transpose();
    Ok(Some(Place {
        level: level.parse().map_err(|error| rule("context_level", error))?,
        parent_id: parent_id.map_err(|error| rule("parent_id", error))?,
        node_key: node_key.map_err(|error| rule("node_key", error))?,
    }))
}

fn moment(row: &Row, index: usize, name: &str, id: &ContextId) -> Result<Option<Timestamp>, Failure> {
    let moment: Option<Moment> = column(row, index, name, || id.to_string())?;
    Ok(moment.map(|Moment(moment)| moment))
}

fn unreadable(column: &str, name: &str, source: Option<Source>) -> Failure {
    Failure::Damaged { detail: format!("the column {column} of {name} cannot be read"), source }
}
