//! Rows: PostgreSQL's types as values, and the row of a context as a [`Context`].

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

use super::columns::ContextColumn;
use super::failure::Failure;
use crate::columns::Column;

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
        // An infinite timestamp, and one whose year has five digits, cannot be written in RFC 3339.
        let micros = i64::from_be_bytes(raw.try_into()?).checked_add(Self::EPOCH);
        let moment = micros
            .and_then(Timestamp::from_micros)
            .ok_or("the timestamp is infinite, or its year has five digits")?;
        Ok(Self(moment))
    }

    accepts!(TIMESTAMPTZ);
}

/// An `xid8`: the 64-bit number of a transaction, which does not wrap around.
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

/// Reads the value at `index`; `name` says whose it is in the error.
pub(super) fn column<'r, T: FromSql<'r>>(
    row: &'r Row,
    index: usize,
    column: &str,
    name: impl FnOnce() -> String,
) -> Result<T, Failure> {
    row.try_get(index).map_err(|error| unreadable(column, &name(), Some(Box::new(error))))
}

/// Reads the value of a listed column; `name` says whose it is in the error.
pub(super) fn field<'r, T: FromSql<'r>>(
    row: &'r Row,
    field: impl Column,
    name: impl FnOnce() -> String,
) -> Result<T, Failure> {
    column(row, field.index(), field.name(), name)
}

/// Reads the id of a context at `index`.
pub(super) fn id(row: &Row, index: usize) -> Result<ContextId, Failure> {
    let damaged = |source: Source| Failure::damaged_by("an id in it cannot be read", source);
    let text: &str = row.try_get(index).map_err(|error| damaged(Box::new(error)))?;
    text.parse().map_err(|rule: String| damaged(rule.into()))
}

/// Reads a version of the context `id`.
pub(super) fn version(row: &Row, field: impl Column, id: &ContextId) -> Result<u32, Failure> {
    let version: i32 = self::field(row, field, || id.to_string())?;
    u32::try_from(version).map_err(|error| unreadable(field.name(), id.as_str(), Some(Box::new(error))))
}

/// Returns the version as the database stores it.
pub(super) fn stored_version(version: u32, id: &ContextId) -> Result<i32, Failure> {
    i32::try_from(version).map_err(|_| Failure::Misuse(format!("{id} has no version left")))
}

/// Returns the limit as PostgreSQL takes it.
pub(super) fn limit(items: usize) -> i64 {
    // No table holds more rows than this.
    i64::try_from(items).unwrap_or(i64::MAX)
}

/// How many columns of a context are read; other values of a row come after them.
pub(super) const CONTEXT_COLUMNS: usize = ContextColumn::READ;

/// Reads the context in a row that was selected with [`ContextColumn::read_columns`].
pub(super) fn context(row: &Row, tenant: &TenantId) -> Result<Context, Failure> {
    let id = id(row, ContextColumn::Id.index())?;
    let name = || id.to_string();
    let rule = |column: ContextColumn, rule: String| {
        unreadable(column.name(), id.as_str(), Some(Source::from(rule)))
    };
    let owner: &str = field(row, ContextColumn::TenantId, name)?;
    if owner != tenant.as_str() {
        return Err(Failure::damaged(format!("the row of {id} is another tenant's")));
    }
    let Json(context_data): Json<Map<String, Value>> = field(row, ContextColumn::ContextData, name)?;
    let inheritance: Option<Json<Value>> = field(row, ContextColumn::Inheritance, name)?;
    let inheritance = inheritance.map(|Json(value)| Inheritance::parse(&value)).transpose();
    let inheritance =
        inheritance.map_err(|faults| rule(ContextColumn::Inheritance, format!("{} faults", faults.len())))?;
    let content = Content {
        context_data,
        context_type: field(row, ContextColumn::ContextType, name)?,
        title: field(row, ContextColumn::Title, name)?,
        description: field(row, ContextColumn::Description, name)?,
        tags: field(row, ContextColumn::Tags, name)?,
        user_id: field(row, ContextColumn::UserId, name)?,
        expires_at: moment(row, ContextColumn::ExpiresAt, &id)?,
        inheritance,
    };
    let required =
        |column: ContextColumn| moment(row, column, &id)?.ok_or_else(|| rule(column, "null".to_owned()));
    Ok(Context {
        tenant_id: tenant.clone(),
        content,
        place: place(row, ContextColumn::PLACE.map(Column::index), &id)?,
        created_at: required(ContextColumn::CreatedAt)?,
        updated_at: required(ContextColumn::UpdatedAt)?,
        version: version(row, ContextColumn::Version, &id)?,
        id,
    })
}

/// Reads the place in the tree, whose columns are at these indexes.
pub(super) fn place(row: &Row, indexes: [usize; 3], id: &ContextId) -> Result<Option<Place>, Failure> {
    let [level, parent, key] = ContextColumn::PLACE.map(Column::name);
    let [level_at, parent_at, key_at] = indexes;
    let rule = |column: &str, rule: String| unreadable(column, id.as_str(), Some(rule.into()));
    let text = |index: usize, name: &str| column::<Option<&str>>(row, index, name, || id.to_string());
    let Some(found) = text(level_at, level)? else { return Ok(None) };
    let parent_id = text(parent_at, parent)?.map(str::parse).transpose();
    let node_key = text(key_at, key)?.map(str::parse).transpose();
    Ok(Some(Place {
        level: found.parse().map_err(|error| rule(level, error))?,
        parent_id: parent_id.map_err(|error| rule(parent, error))?,
        node_key: node_key.map_err(|error| rule(key, error))?,
    }))
}

fn moment(row: &Row, column: ContextColumn, id: &ContextId) -> Result<Option<Timestamp>, Failure> {
    let moment: Option<Moment> = field(row, column, || id.to_string())?;
    Ok(moment.map(|Moment(moment)| moment))
}

fn unreadable(column: &str, name: &str, source: Option<Source>) -> Failure {
    Failure::Damaged { detail: format!("the column {column} of {name} cannot be read"), source }
}
