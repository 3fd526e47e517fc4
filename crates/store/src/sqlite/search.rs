//! Search: reads the contexts that match, in the order of their ids.
//!
//! The index finds candidates in that order, one after the other, so that a term that many contexts have
//! costs no more than one that few have; among several terms, the full-text index advances the one that lags.
//! Each candidate is tested, and the walk ends when the page is full.

use std::sync::LazyLock;

use context_domain::clock::Timestamp;
use context_domain::context::Context;
use context_domain::id::{ContextId, TenantId};
use context_domain::ports::ContextQuery;
use context_domain::search::Search;
use rusqlite::{Connection, Params, named_params};

use super::context_rows::{IS_LIVE, WITH_ANCESTORS, context_columns, read_context};
use super::failure::Failure;
use super::index;
use super::terms::Terms;

/// Whether the times of the index's row `i` are in the range asked for.
const TIMES_FIT: &str =
    "i.created_at >= :created_after AND i.created_at < :created_before AND i.updated_at >= :updated_after";

/// Reads the first `query.limit` live contexts with an id after `after` that match, by id.
pub(super) fn search_contexts(
    connection: &Connection,
    tenant: &TenantId,
    query: &ContextQuery,
    (search, after): (&Search, Option<&ContextId>),
) -> Result<Vec<Context>, Failure> {
    let walk = CandidateWalk { connection, tenant, search, limit: query.limit };
    let at = query.live_at.as_micros();
    if search.is_everything() {
        // Every id comes after the empty text.
        let after = after.map_or("", ContextId::as_str);
        return walk.first_matches(&BY_ID, named_params! {":after": after, ":at": at});
    }
    let after = after.map(|id| index::last_position(connection, id)).transpose()?.unwrap_or(0);
    let micros = |time: Option<Timestamp>, none: i64| time.map_or(none, Timestamp::as_micros);
    let created_after = micros(search.created_after, i64::MIN);
    let created_before = micros(search.created_before, i64::MAX);
    let updated_after = micros(search.updated_after, i64::MIN);
    let terms = Terms::of_search(search);
    if terms.is_empty() {
        let parameters = named_params! {
            ":after": after, ":at": at, ":created_after": created_after, ":created_before": created_before,
            ":updated_after": updated_after,
        };
        return walk.first_matches(&BY_TIMES, parameters);
    }
    let parameters = named_params! {
        ":after": after, ":at": at, ":created_after": created_after, ":created_before": created_before,
        ":updated_after": updated_after, ":terms": terms.to_text(),
    };
    walk.first_matches(&BY_TERMS, parameters)
}

/// The live contexts with an id after `:after`.
static BY_ID: LazyLock<String> = LazyLock::new(|| {
    let columns = context_columns();
    format!("SELECT {columns} FROM {WITH_ANCESTORS} WHERE c.id > :after AND {IS_LIVE} ORDER BY c.id")
});

/// The live contexts with a position after `:after` whose times fit. CROSS JOIN keeps the order of the
/// tables: the index leads.
static BY_TIMES: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM context_index i NOT INDEXED CROSS JOIN {WITH_ANCESTORS}
         WHERE i.position > :after AND {TIMES_FIT} AND c.id = i.id AND {IS_LIVE} ORDER BY i.position",
        context_columns()
    )
});

/// The live contexts with a position after `:after` whose times fit and that have all terms.
static BY_TERMS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM context_terms CROSS JOIN context_index i CROSS JOIN {WITH_ANCESTORS}
         WHERE context_terms MATCH :terms AND context_terms.rowid > :after
             AND i.position = context_terms.rowid AND {TIMES_FIT} AND c.id = i.id AND {IS_LIVE}
         ORDER BY context_terms.rowid",
        context_columns()
    )
});

/// A walk through candidates, in order.
struct CandidateWalk<'a> {
    connection: &'a Connection,
    tenant: &'a TenantId,
    search: &'a Search,
    limit: usize,
}

impl CandidateWalk<'_> {
    /// Reads candidates until enough of them match.
    fn first_matches(&self, sql: &str, parameters: impl Params) -> Result<Vec<Context>, Failure> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut candidates = statement.query(parameters)?;
        let mut matches = Vec::new();
        while matches.len() < self.limit {
            let Some(row) = candidates.next()? else { break };
            let context = read_context(row, self.tenant)?;
            if self.search.matches(&context) {
                matches.push(context);
            }
        }
        Ok(matches)
    }
}
