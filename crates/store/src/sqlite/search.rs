//! Search: the contexts that match, in the order of their ids.
//!
//! The index finds candidates in that order, one after the other, so that a term that many have costs no more than one
//! that few have; the full-text index leads by whichever of several terms is behind. Each candidate is tested, and the
//! walk ends with the page.

use context_domain::clock::Timestamp;
use context_domain::context::Context;
use context_domain::id::{ContextId, TenantId};
use context_domain::ports::ContextQuery;
use context_domain::search::Search;
use rusqlite::{Connection, Params, named_params};

use super::contexts::{is_live, with_ancestors};
use super::failure::Failure;
use super::index;
use super::rows::{self, context_columns};
use super::terms::Terms;

/// Holds where the times of the index's row `i` are as asked.
macro_rules! times_fit {
    () => {
        "i.created_at >= :created_after AND i.created_at < :created_before AND i.updated_at >= :updated_after"
    };
}

/// The first `query.limit` live contexts behind the id that match, by id.
pub(super) fn page(
    connection: &Connection,
    tenant: &TenantId,
    query: &ContextQuery,
    (search, after): (&Search, Option<&ContextId>),
) -> Result<Vec<Context>, Failure> {
    let walk = Walk { connection, tenant, search, limit: query.limit };
    let at = query.live_at.as_micros();
    if search.is_everything() {
        // Every id comes after the empty text.
        let after = after.map_or("", ContextId::as_str);
        return walk.page(BY_ID, named_params! {":after": after, ":at": at});
    }
    let after = after.map(|id| index::last_until(connection, id)).transpose()?.unwrap_or(0);
    let micros = |time: Option<Timestamp>, none: i64| time.map_or(none, Timestamp::as_micros);
    let created_after = micros(search.created_after, i64::MIN);
    let created_before = micros(search.created_before, i64::MAX);
    let updated_after = micros(search.updated_after, i64::MIN);
    let terms = Terms::needed(search);
    if terms.is_empty() {
        let parameters = named_params! {
            ":after": after, ":at": at, ":created_after": created_after, ":created_before": created_before,
            ":updated_after": updated_after,
        };
        return walk.page(BY_TIMES, parameters);
    }
    let parameters = named_params! {
        ":after": after, ":at": at, ":created_after": created_after, ":created_before": created_before,
        ":updated_after": updated_after, ":terms": terms.text(),
    };
    walk.page(BY_TERMS, parameters)
}

/// Every live context behind an id.
const BY_ID: &str = concat!(
    "SELECT ",
    context_columns!(),
    " FROM ",
    with_ancestors!(),
    " WHERE c.id > :after AND ",
    is_live!(),
    " ORDER BY c.id"
);

/// The live contexts behind a position whose times fit. CROSS JOIN keeps the order of the tables: the index leads.
const BY_TIMES: &str = concat!(
    "SELECT ",
    context_columns!(),
    " FROM context_index i NOT INDEXED CROSS JOIN ",
    with_ancestors!(),
    " WHERE i.position > :after AND ",
    times_fit!(),
    " AND c.id = i.id AND ",
    is_live!(),
    " ORDER BY i.position"
);

/// The same, of those that have all terms.
const BY_TERMS: &str = concat!(
    "SELECT ",
    context_columns!(),
    " FROM context_terms CROSS JOIN context_index i CROSS JOIN ",
    with_ancestors!(),
    " WHERE context_terms MATCH :terms AND context_terms.rowid > :after AND i.position = context_terms.rowid AND ",
    times_fit!(),
    " AND c.id = i.id AND ",
    is_live!(),
    " ORDER BY context_terms.rowid"
);

/// A walk through candidates, in order.
struct Walk<'a> {
    connection: &'a Connection,
    tenant: &'a TenantId,
    search: &'a Search,
    limit: usize,
}

impl Walk<'_> {
    /// The first candidates that match.
    fn page(&self, sql: &str, parameters: impl Params) -> Result<Vec<Context>, Failure> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut candidates = statement.query(parameters)?;
        let mut page = Vec::new();
        while page.len() < self.limit {
            let Some(row) = candidates.next()? else { break };
            let context = rows::context(row, self.tenant)?;
            if self.search.matches(&context) {
                page.push(context);
            }
        }
        Ok(page)
    }
}
