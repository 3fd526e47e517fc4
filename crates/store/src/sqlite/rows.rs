//! Rows: statements in short, and the columns of a context as a [`Context`].

use context_domain::clock::Timestamp;
use context_domain::content::Content;
use context_domain::context::Context;
use context_domain::error::Source;
use context_domain::id::{ContextId, TenantId};
use context_domain::inheritance::Inheritance;
use context_domain::tree::{NodeKey, Place};
use rusqlite::{Connection, OptionalExtension, Params, Row, named_params};
use serde_json::Value;
use serde_json::error::Error as JsonError;

use super::failure::Failure;

/// The columns that [`context`] reads, of the table under the name `c`.
macro_rules! context_columns {
    () => {
        "c.id, c.context_data, c.context_type, c.title, c.description, c.tags, c.tenant_id, c.user_id, \
         c.created_at, c.updated_at, c.expires_at, c.version, c.context_level, c.parent_id, c.node_key, \
         c.inheritance"
    };
}
pub(super) use context_columns;

/// All rows that a statement gives.
pub(super) fn all<T>(
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

/// The row that a statement gives, if it gives one.
pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    rows.next()?.map(read).transpose()
}

/// The first column of the one row that a statement gives.
pub(super) fn number(connection: &Connection, sql: &str, parameters: impl Params) -> Result<i64, Failure> {
    let found = connection.prepare_cached(sql)?.query_row(parameters, |row| row.get(0)).optional()?;
    found.ok_or_else(|| Failure::damaged("a row that every file has is missing from it"))
}

/// Carries out a statement; the rows that it wrote.
pub(super) fn write(connection: &Connection, sql: &str, parameters: impl Params) -> Result<usize, Failure> {
    Ok(connection.prepare_cached(sql)?.execute(parameters)?)
}

/// A limit as SQLite takes it.
pub(super) fn limit(items: usize) -> i64 {
    // No table holds more rows than this.
    i64::try_from(items).unwrap_or(i64::MAX)
}

/// The context in a row of [`context_columns`].
pub(super) fn context(row: &Row<'_>, tenant: &TenantId) -> Result<Context, Failure> {
    let id = id(row, 0)?;
    let unreadable = |column: &str, source: Option<Source>| Failure::Damaged {
        detail: format!("the column {column} of {id} cannot be read"),
        source,
    };
    let json = |column: &str, error: JsonError| unreadable(column, Some(Box::new(error)));
    let rule = |column: &str, rule: String| unreadable(column, Some(rule.into()));
    let time = |index: usize, column: &str| -> Result<Timestamp, Failure> {
        Timestamp::from_micros(row.get(index)?).ok_or_else(|| unreadable(column, None))
    };
    if row.get_ref(6)?.as_str().ok() != Some(tenant.as_str()) {
        return Err(Failure::damaged(format!("the row of {id} is another tenant's")));
    }
    let inheritance = match row.get::<_, Option<String>>(15)? {
        None => None,
        Some(text) => {
            let value: Value = serde_json::from_str(&text).map_err(|error| json("inheritance", error))?;
            let parsed = Inheritance::parse(&value);
            Some(parsed.map_err(|faults| rule("inheritance", format!("{} faults", faults.len())))?)
        }
    };
    let content = Content {
        context_data: serde_json::from_str(text(row, 1)?).map_err(|error| json("context_data", error))?,
        context_type: row.get(2)?,
        title: row.get(3)?,
        description: row.get(4)?,
        tags: serde_json::from_str(text(row, 5)?).map_err(|error| json("tags", error))?,
        user_id: row.get(7)?,
        expires_at: row.get::<_, Option<i64>>(10)?.map(|_| time(10, "expires_at")).transpose()?,
        inheritance,
    };
    let place = match row.get::<_, Option<String>>(12)? {
        None => None,
        Some(level) => Some(Place {
            level: level.parse().map_err(|error| rule("context_level", error))?,
            parent_id: optional_text(row, 13)?
                .map(str::parse)
                .transpose()
                .map_err(|error| rule("parent_id", error))?,
            node_key: optional_text(row, 14)?
                .map(str::parse)
                .transpose()
                .map_err(|error| rule("node_key", error))?,
        }),
    };
    let version = u32::try_from(row.get::<_, i64>(11)?).map_err(|_| unreadable("version", None))?;
    Ok(Context {
        tenant_id: tenant.clone(),
        content,
        place,
        created_at: time(8, "created_at")?,
        updated_at: time(9, "updated_at")?,
        version,
        id,
    })
}

/// The id in a column.
pub(super) fn id(row: &Row<'_>, column: usize) -> Result<ContextId, Failure> {
    text(row, column)?.parse().map_err(|rule: String| Failure::damaged_by("an id in it is none", rule))
}

/// The text in a column.
pub(super) fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str, Failure> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

/// The text in a column that may be null.
pub(super) fn optional_text<'r>(row: &'r Row<'_>, column: usize) -> Result<Option<&'r str>, Failure> {
    Ok(row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from)?)
}

/// Writes a context as a new row.
pub(super) fn insert(connection: &Connection, context: &Context) -> Result<(), Failure> {
    bind(
        connection,
        "INSERT INTO contexts (id, context_data, context_type, title, description, tags, tenant_id, user_id,
             created_at, updated_at, expires_at, version, context_level, parent_id, node_key, inheritance)
         VALUES (:id, :data, :type, :title, :description, :tags, :tenant, :user, :created, :updated, :expires,
             :version, :level, :parent, :key, :inheritance)",
        context,
    )
}

/// Writes a context over the row of its id.
pub(super) fn update(connection: &Connection, context: &Context) -> Result<(), Failure> {
    bind(
        connection,
        "UPDATE contexts SET context_data = :data, context_type = :type, title = :title,
             description = :description, tags = :tags, tenant_id = :tenant, user_id = :user,
             created_at = :created, updated_at = :updated, expires_at = :expires, version = :version,
             context_level = :level, parent_id = :parent, node_key = :key, inheritance = :inheritance
         WHERE id = :id",
        context,
    )
}

fn bind(connection: &Connection, sql: &str, context: &Context) -> Result<(), Failure> {
    let content = &context.content;
    let place = context.place.as_ref();
    let written = write(
        connection,
        sql,
        named_params! {
            ":id": context.id.as_str(),
            ":data": compact(&content.context_data)?,
            ":type": content.context_type,
            ":title": content.title,
            ":description": content.description,
            ":tags": compact(&content.tags)?,
            ":tenant": context.tenant_id.as_str(),
            ":user": content.user_id,
            ":created": context.created_at.as_micros(),
            ":updated": context.updated_at.as_micros(),
            ":expires": content.expires_at.map(Timestamp::as_micros),
            ":version": context.version,
            ":level": place.map(|place| place.level.as_str()),
            ":parent": place.and_then(|place| place.parent_id.as_ref()).map(ContextId::as_str),
            ":key": place.and_then(|place| place.node_key.as_ref()).map(NodeKey::as_str),
            ":inheritance": content.inheritance.as_ref().map(|rules| compact(rules.as_value())).transpose()?,
        },
    )?;
    match written {
        1 => Ok(()),
        rows => Err(Failure::Misuse(format!("writing {} wrote {rows} rows", context.id))),
    }
}

/// JSON without white space.
pub(super) fn compact(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|error| Failure::Misuse(format!("JSON was not written: {error}")))
}
