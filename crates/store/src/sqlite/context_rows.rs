//! The rows of `contexts`: each read into a [`Context`] and written from one.

use std::str::FromStr;
use std::sync::LazyLock;

use context_domain::clock::Timestamp;
use context_domain::content::Content;
use context_domain::context::Context;
use context_domain::error::Source;
use context_domain::id::{ContextId, TenantId};
use context_domain::inheritance::Inheritance;
use context_domain::tree::{NodeKey, Place};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Row, named_params, params_from_iter};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::columns::ContextColumn;
use super::failure::Failure;
use super::rows;
use crate::columns::{Column, join, names, qualified_names};

/// Whether neither the context `c` nor one of its ancestors has expired at `:at`.
pub(super) const IS_LIVE: &str = "(c.expires_at IS NULL OR c.expires_at > :at)
    AND (above1.expires_at IS NULL OR above1.expires_at > :at)
    AND (above2.expires_at IS NULL OR above2.expires_at > :at)";

/// The context `c` with the ancestors that can expire. These are at most two: the global node never expires.
pub(super) const WITH_ANCESTORS: &str = "contexts c
    LEFT JOIN contexts above1 ON above1.id = c.parent_id
    LEFT JOIN contexts above2 ON above2.id = above1.parent_id";

/// Returns the columns of the context `c` that [`read_context`] reads.
pub(super) fn context_columns() -> String {
    qualified_names("c", ContextColumn::ALL.iter().copied())
}

/// Reads the context of that id, if neither it nor an ancestor has expired at `at`.
pub(super) fn find_live(
    connection: &Connection,
    tenant: &TenantId,
    id: &ContextId,
    at: Timestamp,
) -> Result<Option<Context>, Failure> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!("SELECT {} FROM {WITH_ANCESTORS} WHERE c.id = :id AND {IS_LIVE}", context_columns())
    });
    let parameters = named_params! {":id": id.as_str(), ":at": at.as_micros()};
    rows::query_one(connection, &SQL, parameters, |row| read_context(row, tenant))
}

/// Reads the context of that id, expired or not.
pub(super) fn find_by_id(
    connection: &Connection,
    tenant: &TenantId,
    id: &ContextId,
) -> Result<Option<Context>, Failure> {
    static SQL: LazyLock<String> =
        LazyLock::new(|| format!("SELECT {} FROM contexts c WHERE c.id = ?1", context_columns()));
    rows::query_one(connection, &SQL, [id.as_str()], |row| read_context(row, tenant))
}

/// Reads the id of the global node, which every tenant has.
pub(super) fn find_global_id(connection: &Connection) -> Result<ContextId, Failure> {
    let sql = "SELECT id FROM contexts WHERE context_level = 'global'";
    let found = rows::query_one(connection, sql, (), |row| rows::read_id(row, 0))?;
    found.ok_or_else(|| Failure::damaged("its global node is missing"))
}

/// Reads the context in a row of [`context_columns`].
pub(super) fn read_context(row: &Row<'_>, tenant: &TenantId) -> Result<Context, Failure> {
    let id = rows::read_id(row, ContextColumn::Id.index())?;
    let reader = ContextReader { row, id: &id };
    if row.get_ref(ContextColumn::TenantId.index())?.as_str().ok() != Some(tenant.as_str()) {
        return Err(Failure::damaged(format!("the row of {id} is another tenant's")));
    }
    let content = Content {
        context_data: reader.json(ContextColumn::ContextData)?,
        context_type: row.get(ContextColumn::ContextType.index())?,
        title: row.get(ContextColumn::Title.index())?,
        description: row.get(ContextColumn::Description.index())?,
        tags: reader.json(ContextColumn::Tags)?,
        user_id: row.get(ContextColumn::UserId.index())?,
        expires_at: match row.get::<_, Option<i64>>(ContextColumn::ExpiresAt.index())? {
            None => None,
            Some(_) => Some(reader.time(ContextColumn::ExpiresAt)?),
        },
        inheritance: reader.inheritance()?,
    };
    let version = u32::try_from(row.get::<_, i64>(ContextColumn::Version.index())?);
    Ok(Context {
        tenant_id: tenant.clone(),
        content,
        place: reader.place()?,
        created_at: reader.time(ContextColumn::CreatedAt)?,
        updated_at: reader.time(ContextColumn::UpdatedAt)?,
        version: version.map_err(|_| reader.unreadable(ContextColumn::Version, None))?,
        id,
    })
}

/// Inserts a context.
pub(super) fn insert(connection: &Connection, context: &Context) -> Result<(), Failure> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        let columns = || ContextColumn::ALL.iter().copied();
        let values = join(columns(), parameter_of);
        format!("INSERT INTO contexts ({}) VALUES ({values})", names(columns()))
    });
    write_row(connection, &SQL, context)
}

/// Overwrites the row of the context's id.
pub(super) fn update(connection: &Connection, context: &Context) -> Result<(), Failure> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        let set = ContextColumn::ALL.iter().copied().filter(|column| *column != ContextColumn::Id);
        let set = join(set, |column| format!("{} = {}", column.name(), parameter_of(column)));
        format!("UPDATE contexts SET {set} WHERE id = {}", parameter_of(ContextColumn::Id))
    });
    write_row(connection, &SQL, context)
}

/// Returns the parameter that holds the value of a column.
fn parameter_of(column: ContextColumn) -> String {
    format!("?{}", column.index() + 1)
}

fn write_row(connection: &Connection, sql: &str, context: &Context) -> Result<(), Failure> {
    let values: Vec<_> =
        ContextColumn::ALL.iter().map(|column| stored_value(context, *column)).collect::<Result<_, _>>()?;
    match rows::execute(connection, sql, params_from_iter(values))? {
        1 => Ok(()),
        rows => Err(Failure::Misuse(format!("writing {} wrote {rows} rows", context.id))),
    }
}

/// Returns the value of a column, as it is stored.
fn stored_value(context: &Context, column: ContextColumn) -> Result<ToSqlOutput<'_>, Failure> {
    let content = &context.content;
    let place = context.place.as_ref();
    Ok(match column {
        ContextColumn::Id => context.id.as_str().into(),
        ContextColumn::ContextData => rows::compact_json(&content.context_data)?.into(),
        ContextColumn::ContextType => content.context_type.as_str().into(),
        ContextColumn::Title => rows::or_null(content.title.as_deref()),
        ContextColumn::Description => rows::or_null(content.description.as_deref()),
        ContextColumn::Tags => rows::compact_json(&content.tags)?.into(),
        ContextColumn::TenantId => context.tenant_id.as_str().into(),
        ContextColumn::UserId => rows::or_null(content.user_id.as_deref()),
        ContextColumn::CreatedAt => context.created_at.as_micros().into(),
        ContextColumn::UpdatedAt => context.updated_at.as_micros().into(),
        ContextColumn::ExpiresAt => rows::or_null(content.expires_at.map(Timestamp::as_micros)),
        ContextColumn::Version => context.version.into(),
        ContextColumn::ContextLevel => rows::or_null(place.map(|place| place.level.as_str())),
        ContextColumn::ParentId => {
            rows::or_null(place.and_then(|place| place.parent_id.as_ref()).map(ContextId::as_str))
        }
        ContextColumn::NodeKey => {
            rows::or_null(place.and_then(|place| place.node_key.as_ref()).map(NodeKey::as_str))
        }
        ContextColumn::Inheritance => {
            let rules = content.inheritance.as_ref();
            rows::or_null(rules.map(|rules| rows::compact_json(rules.as_value())).transpose()?)
        }
    })
}

/// Reads the values of one row of a context.
struct ContextReader<'r> {
    row: &'r Row<'r>,
    id: &'r ContextId,
}

impl ContextReader<'_> {
    fn unreadable(&self, column: ContextColumn, source: Option<Source>) -> Failure {
        let (column, id) = (column.name(), self.id);
        Failure::Damaged { detail: format!("the column {column} of {id} cannot be read"), source }
    }

    fn json<T: DeserializeOwned>(&self, column: ContextColumn) -> Result<T, Failure> {
        let value = serde_json::from_str(rows::read_text(self.row, column.index())?);
        value.map_err(|error| self.unreadable(column, Some(Box::new(error))))
    }

    fn time(&self, column: ContextColumn) -> Result<Timestamp, Failure> {
        let time = Timestamp::from_micros(self.row.get(column.index())?);
        time.ok_or_else(|| self.unreadable(column, None))
    }

    fn parsed<T: FromStr<Err = String>>(&self, column: ContextColumn) -> Result<Option<T>, Failure> {
        let text = rows::read_optional_text(self.row, column.index())?;
        text.map(str::parse).transpose().map_err(|rule: String| self.unreadable(column, Some(rule.into())))
    }

    fn inheritance(&self) -> Result<Option<Inheritance>, Failure> {
        let column = ContextColumn::Inheritance;
        if rows::read_optional_text(self.row, column.index())?.is_none() {
            return Ok(None);
        }
        let value: Value = self.json(column)?;
        let parsed = Inheritance::parse(&value);
        let rules = parsed
            .map_err(|faults| self.unreadable(column, Some(format!("{} faults", faults.len()).into())))?;
        Ok(Some(rules))
    }

    fn place(&self) -> Result<Option<Place>, Failure> {
        let Some(level) = self.parsed(ContextColumn::ContextLevel)? else { return Ok(None) };
        let parent_id = self.parsed(ContextColumn::ParentId)?;
        let node_key = self.parsed(ContextColumn::NodeKey)?;
        Ok(Some(Place { level, parent_id, node_key }))
    }
}
