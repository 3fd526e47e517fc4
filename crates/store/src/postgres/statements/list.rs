//! Statements that read contexts by id, by parent and page by page, and that count global nodes.

use context_domain::id::TenantId;

use super::fragments::{CONTEXTS, Statement, context_columns, is_live, is_ours, of_tenant};

/// The context `$3`, if it is live.
pub(crate) static LIVE: Statement = Statement::new(|| {
    let (columns, our, live) = (context_columns(), is_ours("c"), is_live());
    format!("SELECT {columns} FROM {CONTEXTS} AS c WHERE {our} AND c.id = $3 AND {live}")
});

/// The live nodes directly below `$3` with a key after `$4`, by key.
pub(crate) static CHILDREN: Statement = Statement::new(|| {
    let (columns, our, live) = (context_columns(), is_ours("c"), is_live());
    format!(
        "SELECT {columns} FROM {CONTEXTS} AS c WHERE {our} AND c.parent_id = $3 AND c.node_key > $4 \
         AND {live} ORDER BY c.node_key LIMIT $5"
    )
});

/// The live contexts with an id after `$3`.
pub(crate) static EVERY: Statement = Statement::new(|| {
    let (columns, our, live) = (context_columns(), is_ours("c"), is_live());
    format!(
        "SELECT {columns} FROM {CONTEXTS} AS c WHERE {our} AND c.id > $3 AND {live} ORDER BY c.id LIMIT $4"
    )
});

/// All contexts with an id after `$2`, live or not: to check that each can be read.
pub(crate) static ALL: Statement = Statement::new(|| {
    let (columns, our) = (context_columns(), is_ours("c"));
    format!("SELECT {columns} FROM {CONTEXTS} AS c WHERE {our} AND c.id > $2 ORDER BY c.id LIMIT $3")
});

/// Counts the global nodes of the tenant `{tenant}`.
pub(super) const COUNT_GLOBAL: &str = "
    SELECT {tenant}, (SELECT count(*) FROM {schema}.contexts AS c
                      WHERE coalesce(c.tenant_id = {tenant}, false) AND c.context_level = 'global')";

/// Returns the statement that counts the global nodes of each of these tenants; the parameters are their ids.
pub(crate) fn count_globals(tenants: &[TenantId]) -> String {
    let arms = (1..).zip(tenants).map(|(parameter, tenant)| {
        of_tenant(COUNT_GLOBAL, tenant).replace("{tenant}", &format!("${parameter}"))
    });
    arms.collect::<Vec<_>>().join(" UNION ALL ")
}
