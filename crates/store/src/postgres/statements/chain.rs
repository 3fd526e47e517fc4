//! Statements that read chains. A row that the caller knows by its stamp is not sent again.

use super::fragments::{CONTEXTS, Statement, context_columns, is_ours};

/// The stamp of the row `c`, which changes with its content: see `memory`.
const STAMP: &str =
    "c.id || '@' || c.version || '/' || c.xmin::text || '/' || (SELECT pg_postmaster_start_time())::text";

/// Returns the SQL that selects the rows of `chain` in this order: each with its stamp and, if that is not in
/// `$3`, its columns. `OFFSET 0` keeps the planner from flattening the subquery, so that a known row is not
/// even looked up.
fn unknown_rows(order: &str) -> String {
    let (columns, our) = (context_columns(), is_ours("c"));
    format!(
        " SELECT body.*, chain.stamp FROM chain LEFT JOIN LATERAL (\
         SELECT {columns} FROM {CONTEXTS} AS c WHERE {our} AND c.id = chain.id \
         AND chain.stamp <> ALL ($3::text[]) OFFSET 0) AS body ON true ORDER BY {order}"
    )
}

/// The chain of the node at the keys `$2`, global first, as far as there are nodes.
pub(crate) static CHAIN_BY_SCOPE: Statement = Statement::new(|| {
    let (our, rows) = (is_ours("c"), unknown_rows("chain.depth"));
    format!(
        "WITH RECURSIVE chain AS (\
         SELECT c.id, {STAMP} AS stamp, 0 AS depth FROM {CONTEXTS} AS c \
         WHERE {our} AND c.context_level = 'global' \
         UNION ALL SELECT below.id, below.stamp, chain.depth + 1 FROM chain CROSS JOIN LATERAL (\
         SELECT c.id, {STAMP} AS stamp FROM {CONTEXTS} AS c WHERE {our} AND c.parent_id = chain.id \
         AND c.node_key = ($2::text[])[chain.depth + 1] LIMIT 1) AS below){rows}"
    )
});

/// The chain of the context `$2`, global first. It goes one step further than there are levels, so that a
/// chain that is too long is noticed.
pub(crate) static CHAIN_BY_ID: Statement = Statement::new(|| {
    let (our, rows) = (is_ours("c"), unknown_rows("chain.distance DESC"));
    format!(
        "WITH RECURSIVE chain AS (\
         SELECT c.id, c.parent_id, {STAMP} AS stamp, 0 AS distance FROM {CONTEXTS} AS c \
         WHERE {our} AND c.id = $2 \
         UNION ALL SELECT above.id, above.parent_id, above.stamp, chain.distance + 1 \
         FROM chain CROSS JOIN LATERAL (\
         SELECT c.id, c.parent_id, {STAMP} AS stamp FROM {CONTEXTS} AS c WHERE {our} \
         AND c.id = chain.parent_id LIMIT 1) AS above WHERE chain.distance < 4){rows}"
    )
});
