//! The index of a tenant's contexts: the terms and times of each, under a position that sorts as its id does.

use context_domain::context::Context;
use context_domain::id::{ContextId, TenantId};
use rusqlite::Connection;

use super::context_rows;
use super::failure::Failure;
use super::rows;
use super::terms::Terms;

/// The distance between the last position and the next one: it leaves room for ids that come later and sort
/// in between.
const STEP: i64 = 1_024;
/// A position is taken at this fraction of a gap. Ids that are made one after the other sort in that order,
/// so most of the gap is kept for those that come later.
const GAP_FRACTION: i64 = 64;

/// Enters a context, or a new version of it.
pub(super) fn enter(connection: &Connection, context: &Context) -> Result<(), Failure> {
    let position = match find_position(connection, &context.id)? {
        Some(position) => position,
        None => make_room(connection, &context.id, &context.tenant_id)?,
    };
    let (created, updated) = (context.created_at.as_micros(), context.updated_at.as_micros());
    rows::execute(
        connection,
        "INSERT INTO context_index (position, id, created_at, updated_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (position) DO UPDATE SET created_at = ?3, updated_at = ?4",
        (position, context.id.as_str(), created, updated),
    )?;
    enter_terms(connection, position, context)
}

/// Removes a context.
pub(super) fn remove(connection: &Connection, id: &ContextId) -> Result<(), Failure> {
    let position = find_position(connection, id)?;
    let position = position.ok_or_else(|| Failure::damaged(format!("its index does not hold {id}")))?;
    rows::execute(connection, "DELETE FROM context_terms WHERE rowid = ?1", [position])?;
    rows::execute(connection, "DELETE FROM context_index WHERE position = ?1", [position])?;
    Ok(())
}

/// Returns the position of the last context whose id does not sort after `id`, or 0, which is before all
/// positions.
pub(super) fn last_position(connection: &Connection, id: &ContextId) -> Result<i64, Failure> {
    let sql = "SELECT position FROM context_index WHERE id <= ?1 ORDER BY id DESC LIMIT 1";
    Ok(rows::query_one(connection, sql, [id.as_str()], |row| Ok(row.get(0)?))?.unwrap_or(0))
}

/// Enters every context of a file that has no index yet.
pub(super) fn fill(connection: &Connection, tenant: &TenantId) -> Result<(), Failure> {
    let mut last = String::new();
    loop {
        let sql = "SELECT id FROM contexts WHERE id > ?1 ORDER BY id LIMIT 1";
        let Some(id) = rows::query_one(connection, sql, [&last], |row| rows::read_id(row, 0))? else {
            return Ok(());
        };
        enter(connection, &find_present(connection, tenant, &id)?)?;
        last = id.to_string();
    }
}

fn find_position(connection: &Connection, id: &ContextId) -> Result<Option<i64>, Failure> {
    let sql = "SELECT position FROM context_index WHERE id = ?1";
    rows::query_one(connection, sql, [id.as_str()], |row| Ok(row.get(0)?))
}

fn find_present(connection: &Connection, tenant: &TenantId, id: &ContextId) -> Result<Context, Failure> {
    let context = context_rows::find_by_id(connection, tenant, id)?;
    context.ok_or_else(|| Failure::damaged(format!("its index holds {id}, which is not there")))
}

fn enter_terms(connection: &Connection, position: i64, context: &Context) -> Result<(), Failure> {
    rows::execute(
        connection,
        "INSERT OR REPLACE INTO context_terms (rowid, terms) VALUES (?1, ?2)",
        (position, Terms::of_context(context).to_text()),
    )?;
    Ok(())
}

/// Finds a free position for a new id, between those of the ids before and after it.
fn make_room(connection: &Connection, id: &ContextId, tenant: &TenantId) -> Result<i64, Failure> {
    let before = last_position(connection, id)?;
    let sql = "SELECT position FROM context_index WHERE id > ?1 ORDER BY id LIMIT 1";
    let after = rows::query_one(connection, sql, [id.as_str()], |row| Ok(row.get(0)?))?;
    let Some(after) = after else { return Ok(before.saturating_add(STEP)) };
    if after == before + 1 {
        move_on(connection, after, tenant)?;
        return Ok(after);
    }
    Ok(before + 1 + (after - before - 1) / GAP_FRACTION)
}

/// Frees the position `first` by moving its context, and those that follow it without a gap, on by one.
fn move_on(connection: &Connection, first: i64, tenant: &TenantId) -> Result<(), Failure> {
    let sql = "SELECT id FROM context_index WHERE position = ?1";
    let mut close = Vec::new();
    let mut next = first;
    while let Some(id) = rows::query_one(connection, sql, [next], |row| rows::read_id(row, 0))? {
        close.push((next, id));
        next += 1;
    }
    for (position, id) in close.iter().rev() {
        let context = find_present(connection, tenant, id)?;
        rows::execute(connection, "DELETE FROM context_terms WHERE rowid = ?1", [position])?;
        let sql = "UPDATE context_index SET position = position + 1 WHERE position = ?1";
        rows::execute(connection, sql, [position])?;
        enter_terms(connection, position + 1, &context)?;
    }
    Ok(())
}
