//! Statements that lock and remove contexts.

use super::fragments::{
    CONTEXTS, RecordedWrite, Statement, context_columns, is_live, is_ours, is_unexpired,
    parameters_after_record,
};

/// Locks the context `$3` of version `$4`, if it is live. `FOR UPDATE` also makes a writer wait that inserts
/// a node below it.
pub(crate) static LOCK: Statement = Statement::new(|| {
    let (columns, our, live) = (context_columns(), is_ours("c"), is_live());
    format!(
        "SELECT {columns} FROM {CONTEXTS} AS c WHERE {our} AND c.id = $3 AND c.version = $4 AND {live} \
         FOR UPDATE OF c"
    )
});

/// Locks the node `$3`, if it has expired itself.
pub(crate) static LOCK_EXPIRED: Statement = Statement::new(|| {
    let our = is_ours("c");
    format!(
        "SELECT c.id FROM {CONTEXTS} AS c WHERE {our} AND c.id = $3 AND c.expires_at <= $2 FOR UPDATE OF c"
    )
});

/// Counts the live nodes directly below the live node `$3`.
pub(crate) static COUNT_CHILDREN: Statement = Statement::new(|| {
    let (our, unexpired) = (is_ours("c"), is_unexpired("c"));
    format!("SELECT count(*) FROM {CONTEXTS} AS c WHERE {our} AND c.parent_id = $3 AND {unexpired}")
});

/// Locks the nodes directly below the nodes `$3`; returns for each whether it has expired at `$2`, or its
/// parent has (`$4`).
pub(crate) static LOCK_BELOW: Statement = Statement::new(|| {
    let our = is_ours("c");
    format!(
        "SELECT c.id, coalesce(c.expires_at <= $2, false) OR (c.parent_id = ANY ($4)) FROM {CONTEXTS} AS c \
         WHERE {our} AND c.parent_id = ANY ($3) ORDER BY c.id FOR UPDATE OF c"
    )
});

/// Removes contexts, each with a record of its own. After the parameters of the record come the ids, and the
/// id of the context whose record carries the idempotency key.
pub(crate) static REMOVE: Statement = Statement::new(|| {
    let [ids, addressed] = parameters_after_record();
    let (our, recorded) = (is_ours("c"), RecordedWrite::of_removal(format!("w.id = {addressed}")).to_sql());
    format!(
        "WITH w AS (DELETE FROM {CONTEXTS} AS c WHERE {our} AND c.id = ANY ({ids}) \
         RETURNING c.id, c.version), \
         {recorded} SELECT (SELECT count(*) FROM w), (SELECT count(*) FROM recorded)"
    )
});

/// Removes a context, if no node is below it. It was locked before, so that none can be added there. After
/// the parameters of the record comes its id.
pub(crate) static REMOVE_LEAF: Statement = Statement::new(|| {
    let [id] = parameters_after_record::<1>();
    let (our, our_child) = (is_ours("c"), is_ours("child"));
    let recorded = RecordedWrite::of_removal("true".to_owned()).to_sql();
    format!(
        "WITH w AS (DELETE FROM {CONTEXTS} AS c WHERE {our} AND c.id = {id} AND NOT EXISTS (\
         SELECT FROM {CONTEXTS} AS child WHERE child.parent_id = c.id AND {our_child}) \
         RETURNING c.id, c.version), \
         {recorded} SELECT FROM w, recorded"
    )
});
