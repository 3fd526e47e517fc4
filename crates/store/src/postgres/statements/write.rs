//! Statements that write contexts. Those with a record begin with its parameters, `ChangeColumn::PARAMETERS`.

use super::fragments::{
    CONTEXTS, FIRST_AFTER_RECORD, RecordedWrite, Statement, context_columns, inserted_columns,
    inserted_values, is_live, is_ours, is_unexpired, parameters_after_record, place_columns, set_list,
};

/// Overwrites a context, if it is live and has the expected version; returns its place. After the parameters
/// of the record come the version and the columns that are written, the id first.
pub(crate) static REPLACE: Statement = Statement::new(|| {
    let [version, id] = parameters_after_record();
    let set = set_list(FIRST_AFTER_RECORD + 1);
    let (our, live, place) = (is_ours("c"), is_live(), place_columns());
    let recorded = RecordedWrite::of_content().to_sql();
    format!(
        "WITH w AS (UPDATE {CONTEXTS} AS c SET {set} \
         WHERE {our} AND c.id = {id} AND c.version = {version} AND {live} RETURNING c.*), \
         {recorded} SELECT {place} FROM w, recorded"
    )
});

/// Records that a context stays as it is, if it is live and has the expected version. After the parameters of
/// the record come the id and the version.
pub(crate) static KEEP: Statement = Statement::new(|| {
    let [id, version] = parameters_after_record();
    let (columns, our, live) = (context_columns(), is_ours("c"), is_live());
    let recorded = RecordedWrite::of_content().to_sql();
    format!(
        "WITH w AS MATERIALIZED (SELECT c.* FROM {CONTEXTS} AS c \
         WHERE {our} AND c.id = {id} AND c.version = {version} AND {live} FOR NO KEY UPDATE OF c), \
         {recorded} SELECT {columns} FROM w AS c, recorded"
    )
});

/// Inserts a context outside the tree, unless its id is taken. After the parameters of the record come the
/// columns that are written.
pub(crate) static INSERT_FREE: Statement = Statement::new(|| {
    let columns = inserted_columns();
    let values = inserted_values(FIRST_AFTER_RECORD, ["NULL", "NULL", "NULL"]);
    let (recorded, place) = (RecordedWrite::of_content().to_sql(), place_columns());
    format!(
        "WITH w AS (INSERT INTO {CONTEXTS} AS made ({columns}) VALUES ({values}) \
         ON CONFLICT (id) DO NOTHING RETURNING made.*), {recorded} SELECT {place} FROM w, recorded"
    )
});

/// Inserts a node, if it does not exist, and all nodes above it do and have not expired. After the parameters
/// of the record come the keys of the nodes above it, its level, its key, and the columns that are written.
pub(crate) static INSERT_NODE: Statement = Statement::new(|| {
    let [keys, level, key] = parameters_after_record();
    let columns = inserted_columns();
    let values = inserted_values(FIRST_AFTER_RECORD + 3, [&level, "path.id", &key]);
    let (our, unexpired) = (is_ours("c"), is_unexpired("c"));
    let (recorded, place) = (RecordedWrite::of_content().to_sql(), place_columns());
    format!(
        "WITH RECURSIVE path AS (\
         SELECT c.id, 0 AS depth FROM {CONTEXTS} AS c WHERE {our} AND c.context_level = 'global' \
         UNION ALL SELECT below.id, path.depth + 1 FROM path CROSS JOIN LATERAL (\
         SELECT c.id FROM {CONTEXTS} AS c WHERE {our} AND c.parent_id = path.id \
         AND c.node_key = ({keys}::text[])[path.depth + 1] AND {unexpired} LIMIT 1) AS below), \
         w AS (INSERT INTO {CONTEXTS} AS made ({columns}) SELECT {values} FROM path \
         WHERE path.depth = cardinality({keys}::text[]) \
         ON CONFLICT (parent_id, node_key) DO NOTHING RETURNING made.*), \
         {recorded} SELECT {place} FROM w, recorded"
    )
});

/// The nodes on the path down the keys `$3`, the global one first, each with whether it has expired at `$2`.
pub(crate) static PATH_NODES: Statement = Statement::new(|| {
    let our = is_ours("c");
    format!(
        "WITH RECURSIVE path AS (\
         SELECT c.id, c.expires_at, 0 AS depth FROM {CONTEXTS} AS c \
         WHERE {our} AND c.context_level = 'global' \
         UNION ALL SELECT below.id, below.expires_at, path.depth + 1 FROM path CROSS JOIN LATERAL (\
         SELECT c.id, c.expires_at FROM {CONTEXTS} AS c WHERE {our} AND c.parent_id = path.id \
         AND c.node_key = ($3::text[])[path.depth + 1] LIMIT 1) AS below) \
         SELECT id, coalesce(expires_at <= $2, false) FROM path ORDER BY depth"
    )
});

/// Inserts an empty node, which no caller wrote, unless one exists: with the id `$3` and the level `$4`,
/// below `$5` at the key `$6`. All other columns keep their defaults.
pub(crate) static INSERT_EMPTY: Statement = Statement::new(|| {
    format!(
        "INSERT INTO {CONTEXTS} AS made (tenant_id, id, context_data, context_type, created_at, updated_at, \
         version, terms, context_level, parent_id, node_key) \
         VALUES ($1, $3, '{{}}', $4, $2, $2, 0, '{{}}', $4, $5, $6) \
         ON CONFLICT (parent_id, node_key) DO NOTHING RETURNING made.id"
    )
});
