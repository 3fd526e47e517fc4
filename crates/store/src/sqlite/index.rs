//! The index of a tenant's contexts: of each its terms and times, by a position that orders as its id does.

use context_domain::context::Context;
use context_domain::id::{ContextId, TenantId};
use rusqlite::Connection;

use super::contexts;
use super::failure::Failure;
use super::rows;
use super::terms::Terms;

/// How far behind the last position the next one is taken: what comes late, and belongs in between, finds room.
const STEP: i64 = 1_024;
/// The part of a gap that is left before what is put into it. Ids made one after the other belong one behind the other,
/// so that most of the gap is left behind.
const SHARE: i64 = 64;

/// Enters a context, or what has become of it.
pub(super) fn enter(connection: &Connection, context: &Context) -> Result<(), Failure> {
    let position = match position(connection, &context.id)? {
        Some(position) => position,
        None => make_room(connection, &context.id, &context.tenant_id)?,
    };
    let (created, updated) = (context.created_at.as_micros(), context.updated_at.as_micros());
    rows::write(
        connection,
        "INSERT INTO context_index (position, id, created_at, updated_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (position) DO UPDATE SET created_at = ?3, updated_at = ?4",
        (position, context.id.as_str(), created, updated),
    )?;
    enter_terms(connection, position, context)
}

/// Removes a context.
pub(super) fn remove(connection: &Connection, id: &ContextId) -> Result<(), Failure> {
    let position = position(connection, id)?;
    let position = position.ok_or_else(|| Failure::damaged(format!("its index does not know {id}")))?;
    rows::write(connection, "DELETE FROM context_terms WHERE rowid = ?1", [position])?;
    rows::write(connection, "DELETE FROM context_index WHERE position = ?1", [position])?;
    Ok(())
}

/// The position of the last context whose id does not come after `id`, or one before all of them.
pub(super) fn last_until(connection: &Connection, id: &ContextId) -> Result<i64, Failure> {
    let sql = "SELECT position FROM context_index WHERE id <= ?1 ORDER BY id DESC LIMIT 1";
    Ok(rows::one(connection, sql, [id.as_str()], |row| Ok(row.get(0)?))?.unwrap_or(0))
}

/// Enters every context of a file that has no index yet.
pub(super) fn fill(connection: &Connection, tenant: &TenantId) -> Result<(), Failure> {
    let mut last = String::new();
    loop {
        let sql = "SELECT id FROM contexts WHERE id > ?1 ORDER BY id LIMIT 1";
        let Some(id) = rows::one(connection, sql, [&last], |row| rows::id(row, 0))? else { return Ok(()) };
        enter(connection, &present(connection, tenant, &id)?)?;
        last = id.to_string();
    }
}

fn position(connection: &Connection, id: &ContextId) -> Result<Option<i64>, Failure> {
    let sql = "SELECT position FROM context_index WHERE id = ?1";
    rows::one(connection, sql, [id.as_str()], |row| Ok(row.get(0)?))
}

fn present(connection: &Connection, tenant: &TenantId, id: &ContextId) -> Result<Context, Failure> {
    let context = contexts::by_id(connection, tenant, id)?;
    context.ok_or_else(|| Failure::damaged(format!("its index knows {id}, which is not there")))
}

fn enter_terms(connection: &Connection, position: i64, context: &Context) -> Result<(), Failure> {
    rows::write(
        connection,
        "INSERT OR REPLACE INTO context_terms (rowid, terms) VALUES (?1, ?2)",
        (position, Terms::of(context).text()),
    )?;
    Ok(())
}

/// A free position for a new id, between those of the ids before and behind it.
fn make_room(connection: &Connection, id: &ContextId, tenant: &TenantId) -> Result<i64, Failure> {
    let before = last_until(connection, id)?;
    let sql = "SELECT position FROM context_index WHERE id > ?1 ORDER BY id LIMIT 1";
    let behind = rows::one(connection, sql, [id.as_str()], |row| Ok(row.get(0)?))?;
    let Some(behind) = behind else { return Ok(before.saturating_add(STEP)) };
    if behind == before + 1 {
        move_on(connection, behind, tenant)?;
        return Ok(behind);
    }
    Ok(before + 1 + (behind - before - 1) / SHARE)
}

/// Frees the position `first` by moving its context, and those that stand close behind it, on by one.
fn move_on(connection: &Connection, first: i64, tenant: &TenantId) -> Result<(), Failure> {
    let sql = "SELECT id FROM context_index WHERE position = ?1";
    let mut close = Vec::new();
    let mut next = first;
    while let Some(id) = rows::one(connection, sql, [next], |row| rows::id(row, 0))? {
        close.push((next, id));
        next += 1;
    }
    for (position, id) in close.iter().rev() {
        let context = present(connection, tenant, id)?;
        rows::write(connection, "DELETE FROM context_terms WHERE rowid = ?1", [position])?;
        let sql = "UPDATE context_index SET position = position + 1 WHERE position = ?1";
        rows::write(connection, sql, [position])?;
        enter_terms(connection, position + 1, &context)?;
    }
    Ok(())
}
