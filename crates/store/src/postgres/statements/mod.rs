//! Every statement on the tenants' tables, in one place: templates, in which `{schema}` is the tenant's schema.
//!
//! Three rules hold for all of them, and tests walk through all of them to see that they do. Each table is named with its
//! schema. Each mention of a table carries the tenant's id, which is always the first parameter; a moment is the second
//! one, wherever there is one. And nothing outside this folder mentions these tables.
//!
//! The tenant's id is compared inside of `coalesce` because its column has an index, which has one value: a planner that
//! knows no better (nobody has counted the table yet) takes it for a good way to any row.

mod search;

use context_domain::id::TenantId;

pub(super) use search::{Condition, search};

use super::names::{identifier, schema_of};

/// A statement for one tenant.
pub(super) fn of_tenant(template: &str, tenant: &TenantId) -> String {
    template.replace("{schema}", &identifier(&schema_of(tenant)))
}

/// Holds where the row under that name is the tenant's.
macro_rules! ours {
    ($row:literal) => {
        concat!("coalesce(", $row, ".tenant_id = $1, false)")
    };
}
use ours;

/// Holds where the row under that name has not expired at the moment `$2`.
macro_rules! unexpired {
    ($row:literal) => {
        concat!("(", $row, ".expires_at IS NULL OR ", $row, ".expires_at > $2)")
    };
}
use unexpired;

/// Holds where the context `c` has not expired, nor has one of the ancestors that may: two at the most, because the global
/// node never does. Subqueries for single values leave the planner no other way than by their keys.
macro_rules! is_live {
    () => {
        concat!(
            unexpired!("c"),
            " AND (c.parent_id IS NULL OR (SELECT ",
            unexpired!("above1"),
            " AND (above1.parent_id IS NULL OR (SELECT ",
            unexpired!("above2"),
            " FROM {schema}.contexts AS above2 WHERE above2.id = above1.parent_id AND ",
            ours!("above2"),
            ")) FROM {schema}.contexts AS above1 WHERE above1.id = c.parent_id AND ",
            ours!("above1"),
            "))"
        )
    };
}
use is_live;

/// The columns of a context, of the row `c`.
macro_rules! context_columns {
    () => {
        "c.id, c.context_data, c.context_type, c.title, c.description, c.tags, c.tenant_id, c.user_id, \
         c.created_at, c.updated_at, c.expires_at, c.version, c.context_level, c.parent_id, c.node_key, \
         c.inheritance"
    };
}
use context_columns;

/// A moment of the row `w` as the API writes it.
macro_rules! moment {
    ($column:literal) => {
        concat!("to_char(", $column, " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    };
}

/// The context in the row `w` as the API shows it: what `Context::to_json` makes of it.
macro_rules! content {
    () => {
        concat!(
            "jsonb_build_object('id', w.id, 'tenant_id', w.tenant_id, 'context_data', w.context_data, \
             'context_type', w.context_type, 'title', w.title, 'description', w.description, 'tags', w.tags, \
             'user_id', w.user_id, 'inheritance', w.inheritance, 'version', w.version, \
             'context_level', w.context_level, 'parent_id', w.parent_id, 'node_key', w.node_key, 'created_at', ",
            moment!("w.created_at"),
            ", 'updated_at', ",
            moment!("w.updated_at"),
            ", 'expires_at', ",
            moment!("w.expires_at"),
            ")"
        )
    };
}

/// Records that the rows `w` were written: by `$3` on the request `$4`, under the key `$5`, `$6`, `$7`.
macro_rules! recorded {
    (version: $version:literal, operation: $operation:literal, key: $key:literal, content: $content:expr) => {
        concat!(
            "recorded AS (INSERT INTO {schema}.context_changes AS entries \
                 (tenant_id, transaction_id, context_id, version, operation, changed_at, changed_by, request_id, \
                  idempotency_principal, idempotency_key, idempotency_request, content) \
             SELECT $1, pg_current_xact_id(), w.id, ",
            $version,
            ", ",
            $operation,
            ", $2, $3, $4, ",
            "CASE WHEN ",
            $key,
            " THEN $5 END, CASE WHEN ",
            $key,
            " THEN $6 END, CASE WHEN ",
            $key,
            " THEN $7 END, ",
            $content,
            " FROM w RETURNING 1)"
        )
    };
}

/// The columns of a new context, and the parameters from `$9` on that fill them.
macro_rules! new_columns {
    () => {
        "(tenant_id, id, context_data, context_type, title, description, tags, user_id, created_at, updated_at, \
          expires_at, version, inheritance, terms, context_level, parent_id, node_key)"
    };
}
macro_rules! new_values {
    () => {
        "$9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21"
    };
}

/// The nodes on the way down the keys `$22`, as far as they have not expired; the global node first.
macro_rules! live_way {
    () => {
        concat!(
            "way AS (SELECT c.id, 0 AS depth FROM {schema}.contexts AS c WHERE ",
            ours!("c"),
            " AND c.context_level = 'global' UNION ALL SELECT below.id, way.depth + 1 FROM way CROSS JOIN LATERAL (\
             SELECT c.id FROM {schema}.contexts AS c WHERE ",
            ours!("c"),
            " AND c.parent_id = way.id AND c.node_key = ($22::text[])[way.depth + 1] AND ",
            unexpired!("c"),
            " LIMIT 1) AS below)"
        )
    };
}

/// What tells the row `c` from any other that ever was, or will be: see `memory`.
macro_rules! stamp {
    () => {
        "c.id || '@' || c.version || '/' || c.xmin::text || '/' || (SELECT pg_postmaster_start_time())::text"
    };
}

/// The rows of `chain`, in `$order`: each with its stamp and, if that is not among `$3`, its columns. The subquery is one
/// of its own (`OFFSET 0`), so that a row which is known is not even looked for.
macro_rules! unknown_of_chain {
    ($order:literal) => {
        concat!(
            " SELECT body.*, chain.stamp FROM chain LEFT JOIN LATERAL (SELECT ",
            context_columns!(),
            " FROM {schema}.contexts AS c WHERE ",
            ours!("c"),
            " AND c.id = chain.id AND chain.stamp <> ALL ($3::text[]) OFFSET 0) AS body ON true ORDER BY ",
            $order
        )
    };
}

/// The chain of the node at the keys `$2`, global first, as far as there are nodes.
pub(super) const CHAIN_BY_SCOPE: &str = concat!(
    "WITH RECURSIVE chain AS (SELECT c.id, ",
    stamp!(),
    " AS stamp, 0 AS depth FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.context_level = 'global' UNION ALL SELECT below.id, below.stamp, chain.depth + 1 \
     FROM chain CROSS JOIN LATERAL (SELECT c.id, ",
    stamp!(),
    " AS stamp FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.parent_id = chain.id AND c.node_key = ($2::text[])[chain.depth + 1] LIMIT 1) AS below)",
    unknown_of_chain!("chain.depth")
);

/// The chain of the context `$2`, global first. It goes one step further than there are levels.
pub(super) const CHAIN_BY_ID: &str = concat!(
    "WITH RECURSIVE chain AS (SELECT c.id, c.parent_id, ",
    stamp!(),
    " AS stamp, 0 AS distance FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.id = $2 UNION ALL SELECT above.id, above.parent_id, above.stamp, chain.distance + 1 \
     FROM chain CROSS JOIN LATERAL (SELECT c.id, c.parent_id, ",
    stamp!(),
    " AS stamp FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.id = chain.parent_id LIMIT 1) AS above WHERE chain.distance < 4)",
    unknown_of_chain!("chain.distance DESC")
);

/// The context `$3`, if it is live.
pub(super) const LIVE: &str = concat!(
    "SELECT ",
    context_columns!(),
    " FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.id = $3 AND ",
    is_live!()
);

/// The live nodes directly below `$3`, behind the key `$4`, by key.
pub(super) const CHILDREN: &str = concat!(
    "SELECT ",
    context_columns!(),
    " FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.parent_id = $3 AND c.node_key > $4 AND ",
    is_live!(),
    " ORDER BY c.node_key LIMIT $5"
);

/// The live contexts behind the id `$3`.
pub(super) const EVERY: &str = concat!(
    "SELECT ",
    context_columns!(),
    " FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.id > $3 AND ",
    is_live!(),
    " ORDER BY c.id LIMIT $4"
);

/// All contexts behind the id `$2`, live or not: to read them all.
pub(super) const ALL: &str = concat!(
    "SELECT ",
    context_columns!(),
    " FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.id > $2 ORDER BY c.id LIMIT $3"
);

/// Writes over the context `$8` of version `$22`, if it is live; where it stands.
pub(super) const REPLACE: &str = concat!(
    "WITH w AS (UPDATE {schema}.contexts AS c SET context_data = $10, context_type = $11, title = $12, \
         description = $13, tags = $14, user_id = $15, created_at = $16, updated_at = $17, expires_at = $18, \
         version = $19, inheritance = $20, terms = $21 WHERE ",
    ours!("c"),
    " AND c.id = $9 AND c.version = $22 AND ",
    is_live!(),
    " RETURNING c.*), ",
    recorded!(version: "w.version", operation: "$8", key: "true", content: content!()),
    " SELECT w.context_level, w.parent_id, w.node_key FROM w, recorded"
);

/// Records that the context `$9` of version `$10` stays as it is, if it is live.
pub(super) const KEEP: &str = concat!(
    "WITH w AS MATERIALIZED (SELECT c.* FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.id = $9 AND c.version = $10 AND ",
    is_live!(),
    " FOR NO KEY UPDATE OF c), ",
    recorded!(version: "w.version", operation: "$8", key: "true", content: content!()),
    " SELECT ",
    context_columns!(),
    " FROM w AS c, recorded"
);

/// Makes a context outside the tree, unless its id is known.
pub(super) const INSERT_FREE: &str = concat!(
    "WITH w AS (INSERT INTO {schema}.contexts AS made ",
    new_columns!(),
    " VALUES ($1, ",
    new_values!(),
    ", NULL, NULL, NULL) ON CONFLICT (id) DO NOTHING RETURNING made.*), ",
    recorded!(version: "w.version", operation: "$8", key: "true", content: content!()),
    " SELECT w.context_level, w.parent_id, w.node_key FROM w, recorded"
);

/// Makes a node of the level `$23` and the key `$24`, if it is not there and all nodes above it are, at the keys `$22`.
pub(super) const INSERT_NODE: &str = concat!(
    "WITH RECURSIVE ",
    live_way!(),
    ", w AS (INSERT INTO {schema}.contexts AS made ",
    new_columns!(),
    " SELECT $1, ",
    new_values!(),
    ", $23, way.id, $24 FROM way WHERE way.depth = cardinality($22::text[]) \
     ON CONFLICT (parent_id, node_key) DO NOTHING RETURNING made.*), ",
    recorded!(version: "w.version", operation: "$8", key: "true", content: content!()),
    " SELECT w.context_level, w.parent_id, w.node_key FROM w, recorded"
);

/// The nodes on the way down the keys `$3`, the global one first: which have expired at `$2`.
pub(super) const WAY: &str = concat!(
    "WITH RECURSIVE way AS (SELECT c.id, c.expires_at, 0 AS depth FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.context_level = 'global' UNION ALL SELECT below.id, below.expires_at, way.depth + 1 \
     FROM way CROSS JOIN LATERAL (SELECT c.id, c.expires_at FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.parent_id = way.id AND c.node_key = ($3::text[])[way.depth + 1] LIMIT 1) AS below) \
     SELECT id, coalesce(expires_at <= $2, false) FROM way ORDER BY depth"
);

/// Makes a node that nobody wrote yet: the id `$3`, the level `$4`, below `$5` at the key `$6`; unless one is there.
pub(super) const MAKE_EMPTY: &str = "
    INSERT INTO {schema}.contexts AS made
        (tenant_id, id, context_data, context_type, created_at, updated_at, version, terms, context_level, parent_id,
         node_key)
    VALUES ($1, $3, '{}', $4, $2, $2, 0, '{}', $4, $5, $6)
    ON CONFLICT (parent_id, node_key) DO NOTHING RETURNING made.id";

/// Locks the context `$3` of version `$4` against everybody, if it is live. Who would make a node below it waits too.
pub(super) const LOCK: &str = concat!(
    "SELECT ",
    context_columns!(),
    " FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.id = $3 AND c.version = $4 AND ",
    is_live!(),
    " FOR UPDATE OF c"
);

/// The same for the node `$3`, if it has expired itself.
pub(super) const LOCK_EXPIRED: &str = concat!(
    "SELECT c.id FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.id = $3 AND c.expires_at <= $2 FOR UPDATE OF c"
);

/// How many live nodes stand below the live node `$3`.
pub(super) const COUNT_CHILDREN: &str = concat!(
    "SELECT count(*) FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.parent_id = $3 AND ",
    unexpired!("c")
);

/// Locks what stands directly below the nodes `$3`; which of it has expired at `$2`, or stands below what has (`$4`).
pub(super) const LOCK_BELOW: &str = concat!(
    "SELECT c.id, coalesce(c.expires_at <= $2, false) OR (c.parent_id = ANY ($4)) FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.parent_id = ANY ($3) ORDER BY c.id FOR UPDATE OF c"
);

/// Removes the contexts `$9`, each with a record of the operation `$8`. The one called `$10` carries the key.
pub(super) const REMOVE: &str = concat!(
    "WITH w AS (DELETE FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.id = ANY ($9) RETURNING c.id, c.version), ",
    recorded!(version: "w.version + 1", operation: "$8", key: "w.id = $10", content: "NULL"),
    " SELECT (SELECT count(*) FROM w), (SELECT count(*) FROM recorded)"
);

/// Removes the context `$9`, if nothing stands below it. It was locked before, so that nothing can come to stand there.
pub(super) const REMOVE_LEAF: &str = concat!(
    "WITH w AS (DELETE FROM {schema}.contexts AS c WHERE ",
    ours!("c"),
    " AND c.id = $9 AND NOT EXISTS (SELECT FROM {schema}.contexts AS child WHERE child.parent_id = c.id AND ",
    ours!("child"),
    ") RETURNING c.id, c.version), ",
    recorded!(version: "w.version + 1", operation: "$8", key: "true", content: "NULL"),
    " SELECT FROM w, recorded"
);

/// The columns of a change.
macro_rules! change_columns {
    () => {
        "e.transaction_id, e.context_id, e.version, e.operation, e.changed_at, e.changed_by, e.request_id, e.content, \
         e.idempotency_principal, e.idempotency_key, e.idempotency_request"
    };
}

/// The change on the key `$4` of the principal `$3`, if it was made after `$2`.
pub(super) const REMEMBERED: &str = concat!(
    "SELECT ",
    change_columns!(),
    " FROM {schema}.context_changes AS e WHERE ",
    ours!("e"),
    " AND e.idempotency_principal = $3 AND e.idempotency_key = $4 AND e.changed_at > $2"
);

/// Takes the key `$4` of the principal `$3` from a change that was not made after `$2`.
pub(super) const FREE_KEY: &str = concat!(
    "UPDATE {schema}.context_changes AS e \
     SET idempotency_principal = NULL, idempotency_key = NULL, idempotency_request = NULL WHERE ",
    ours!("e"),
    " AND e.idempotency_principal = $3 AND e.idempotency_key = $4 AND e.changed_at <= $2 RETURNING 1"
);

/// The changes before the transaction `$2` and the context `$3`, newest first.
pub(super) const CHANGES: &str = concat!(
    "SELECT ",
    change_columns!(),
    " FROM {schema}.context_changes AS e WHERE ",
    ours!("e"),
    " AND (e.transaction_id, e.context_id) < ($2, $3) ORDER BY e.transaction_id DESC, e.context_id DESC LIMIT $4"
);

/// The same, of the context `$5`.
pub(super) const CHANGES_OF_ONE: &str = concat!(
    "SELECT ",
    change_columns!(),
    " FROM {schema}.context_changes AS e WHERE ",
    ours!("e"),
    " AND e.context_id = $5 AND (e.transaction_id < $2 OR (e.transaction_id = $2 AND e.context_id < $3)) \
     ORDER BY e.transaction_id DESC LIMIT $4"
);

/// How many global nodes there are, of the tenant `{tenant}`.
const COUNT_GLOBAL: &str = "
    SELECT {tenant}, (SELECT count(*) FROM {schema}.contexts AS c
                      WHERE coalesce(c.tenant_id = {tenant}, false) AND c.context_level = 'global')";

/// How many global nodes each of these tenants has; they are the parameters.
pub(super) fn count_globals(tenants: &[TenantId]) -> String {
    let arms = (1..).zip(tenants).map(|(parameter, tenant)| {
        of_tenant(COUNT_GLOBAL, tenant).replace("{tenant}", &format!("${parameter}"))
    });
    arms.collect::<Vec<_>>().join(" UNION ALL ")
}

/// All of the above, for those who look at all statements.
#[cfg(test)]
pub(super) const STATEMENTS: [(&str, &str); 22] = [
    ("CHAIN_BY_SCOPE", CHAIN_BY_SCOPE),
    ("CHAIN_BY_ID", CHAIN_BY_ID),
    ("LIVE", LIVE),
    ("CHILDREN", CHILDREN),
    ("EVERY", EVERY),
    ("ALL", ALL),
    ("REPLACE", REPLACE),
    ("KEEP", KEEP),
    ("INSERT_FREE", INSERT_FREE),
    ("INSERT_NODE", INSERT_NODE),
    ("WAY", WAY),
    ("MAKE_EMPTY", MAKE_EMPTY),
    ("LOCK", LOCK),
    ("LOCK_EXPIRED", LOCK_EXPIRED),
    ("COUNT_CHILDREN", COUNT_CHILDREN),
    ("LOCK_BELOW", LOCK_BELOW),
    ("REMOVE", REMOVE),
    ("REMOVE_LEAF", REMOVE_LEAF),
    ("REMEMBERED", REMEMBERED),
    ("FREE_KEY", FREE_KEY),
    ("CHANGES", CHANGES),
    ("CHANGES_OF_ONE", CHANGES_OF_ONE),
];

#[cfg(test)]
mod tests;
