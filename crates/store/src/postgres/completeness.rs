//! Whether tenants' schemas are complete: what each must hold, and one query that tells what is wrong with any of them.
//!
//! The query reads the catalogs by index only, schema by schema, so that it is as quick right after a thousand tenants were
//! made, when nothing has counted the catalogs yet.

use std::collections::BTreeMap;
use std::fmt;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

/// A table that every tenant has, and what belongs to it.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The names of its columns, and their types as the catalog prints them.
    pub columns: &'static [(&'static str, &'static str)],
    /// The names of its indexes, that of its primary key aside.
    pub indexes: &'static [&'static str],
    /// The names of its constraints.
    pub constraints: &'static [&'static str],
    /// The names of its triggers.
    pub triggers: &'static [&'static str],
}

/// What the schema of every tenant holds.
pub const TABLES: [Table; 3] = [
    Table {
        name: "contexts",
        columns: &[
            ("id", "character varying(50)"),
            ("context_data", "jsonb"),
            ("context_type", "character varying(100)"),
            ("title", "character varying(255)"),
            ("description", "text"),
            ("tags", "text[]"),
            ("tenant_id", "character varying(100)"),
            ("user_id", "character varying(100)"),
            ("created_at", "timestamp with time zone"),
            ("updated_at", "timestamp with time zone"),
            ("expires_at", "timestamp with time zone"),
            ("version", "integer"),
            ("context_level", "character varying(50)"),
            ("parent_id", "character varying(50)"),
            ("node_key", "character varying(255)"),
            ("inheritance", "jsonb"),
            ("terms", "text[]"),
        ],
        indexes: &[
            "idx_contexts_tenant_id",
            "idx_contexts_user_id",
            "idx_contexts_context_type",
            "idx_contexts_created_at",
            "idx_contexts_expires_at",
            "idx_contexts_tags",
            "idx_contexts_data",
            "idx_contexts_global",
            "idx_contexts_parent_key",
            "idx_contexts_terms",
            "idx_contexts_without_terms",
        ],
        constraints: &[
            "contexts_pkey",
            "contexts_tenant_id_check",
            "contexts_version_check",
            "contexts_id_check",
            "contexts_context_data_check",
            "contexts_place_check",
            "contexts_parent_id_fkey",
        ],
        triggers: &["update_contexts_updated_at"],
    },
    Table {
        name: "context_inheritance_cache",
        columns: &[
            ("id", "character varying(50)"),
            ("context_id", "character varying(50)"),
            ("context_type", "character varying(50)"),
            ("resolved_data", "jsonb"),
            ("parent_chain", "jsonb"),
            ("user_id", "character varying(100)"),
            ("created_at", "timestamp with time zone"),
            ("expires_at", "timestamp with time zone"),
            ("context_level", "character varying(50)"),
            ("resolved_context", "jsonb"),
            ("dependencies_hash", "character varying"),
            ("resolution_path", "character varying"),
            ("hit_count", "integer"),
            ("last_hit", "timestamp with time zone"),
            ("cache_size_bytes", "integer"),
            ("invalidated", "boolean"),
            ("invalidation_reason", "character varying"),
        ],
        indexes: &[
            "idx_cache_level",
            "idx_cache_expires",
            "idx_cache_invalidated",
            "idx_cache_hit_count",
            "idx_cache_last_hit",
        ],
        constraints: &["context_inheritance_cache_pkey", "chk_cache_context_level"],
        triggers: &[],
    },
    Table {
        name: "context_changes",
        columns: &[
            ("tenant_id", "character varying(100)"),
            ("transaction_id", "xid8"),
            ("context_id", "character varying(50)"),
            ("version", "integer"),
            ("operation", "character varying(10)"),
            ("changed_at", "timestamp with time zone"),
            ("changed_by", "text"),
            ("request_id", "text"),
            ("idempotency_principal", "text"),
            ("idempotency_key", "text"),
            ("idempotency_request", "text"),
            ("content", "jsonb"),
        ],
        indexes: &["idx_context_changes_context", "idx_context_changes_idempotency"],
        constraints: &[
            "context_changes_pkey",
            "context_changes_tenant_id_check",
            "context_changes_operation_check",
        ],
        triggers: &[],
    },
];

/// What is wrong with a part of a tenant's schema. Its `Display` says it in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This is not there: `the table contexts`.
    Missing(String),
    /// This is there, and everybody may use it.
    Open(String),
    /// This is there, and was changed by somebody: nothing that this program does puts it back.
    Changed {
        /// What.
        object: String,
        /// What it is now: `is integer, not text`.
        how: String,
    },
}

impl Fault {
    fn changed(object: String, how: impl Into<String>) -> Self {
        Self::Changed { object, how: how.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(object) => write!(f, "{object} is missing"),
            Self::Open(object) => write!(f, "{object} {IS_OPEN}"),
            Self::Changed { object, how } => write!(f, "{object} {how}"),
        }
    }
}

/// How something is that everybody may use.
pub const IS_OPEN: &str = "is open to every role (PUBLIC)";

/// What is wrong with which schema. Schemas with which nothing is wrong are not among them.
pub type Faults = BTreeMap<String, Vec<Fault>>;

/// What is wrong with these schemas, each given by its name, not quoted.
///
/// # Errors
/// What the server or the connection says.
pub async fn faults(client: &Client, schemas: &[String]) -> Result<Faults, Error> {
    let tables = table_names();
    let rows =
        client.query_typed(CATALOG, &[(&schemas, Type::TEXT_ARRAY), (&tables, Type::TEXT_ARRAY)]).await?;
    read(&rows)
}

/// The names of the tables: the second parameter of [`CATALOG`]; the first is the names of the schemas.
pub(super) fn table_names() -> Vec<&'static str> {
    TABLES.iter().map(|table| table.name).collect()
}

/// For each schema and table: whether they are there, the table's columns with their types, and the names of its indexes
/// that work, constraints, triggers that fire, and rules; what else it is; and whether everybody may use the schema. Of a
/// schema that is not there, one row says so.
/// Subqueries for single values keep the planner to the catalogs' own indexes.
pub(super) const CATALOG: &str = "
    SELECT named.schema, named.relation, named.schema_oid IS NOT NULL, named.oid IS NOT NULL,
        ARRAY(SELECT a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
              FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = named.oid AND a.attnum > 0 AND NOT a.attisdropped),
        ARRAY(SELECT (SELECT c.relname::text FROM pg_catalog.pg_class c WHERE c.oid = i.indexrelid)
              FROM pg_catalog.pg_index i
              WHERE i.indrelid = named.oid AND i.indisvalid AND i.indisready AND NOT i.indisprimary),
        ARRAY(SELECT k.conname::text FROM pg_catalog.pg_constraint k
              WHERE k.conrelid = named.oid AND k.convalidated),
        ARRAY(SELECT t.tgname::text FROM pg_catalog.pg_trigger t
              WHERE t.tgrelid = named.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')),
        ARRAY(SELECT r.rulename::text FROM pg_catalog.pg_rewrite r WHERE r.ev_class = named.oid),
        (SELECT ARRAY[c.relrowsecurity OR c.relforcerowsecurity, c.relpersistence = 'u',
                      EXISTS (SELECT FROM pg_catalog.aclexplode(c.relacl) AS held WHERE held.grantee = 0)]
         FROM pg_catalog.pg_class c WHERE c.oid = named.oid),
        (SELECT EXISTS (SELECT FROM pg_catalog.aclexplode(n.nspacl) AS held WHERE held.grantee = 0)
         FROM pg_catalog.pg_namespace n WHERE n.oid = named.schema_oid)
    FROM (
        SELECT spaces.schema, spaces.schema_oid, tables.relation,
            (SELECT c.oid FROM pg_catalog.pg_class c
             WHERE c.relname = tables.relation::name AND c.relnamespace = spaces.schema_oid AND c.relkind IN ('r', 'p')) AS oid
        FROM (
            SELECT s.name AS schema,
                (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = s.name::name) AS schema_oid
            FROM unnest($1::text[]) AS s (name) OFFSET 0
        ) AS spaces CROSS JOIN unnest($2::text[]) AS tables (relation)
        WHERE spaces.schema_oid IS NOT NULL OR tables.relation = ($2::text[])[1]
        OFFSET 0
    ) AS named";

/// What the rows of [`CATALOG`] say is wrong.
pub(super) fn read(rows: &[Row]) -> Result<Faults, Error> {
    let mut faults = Faults::new();
    for row in rows {
        let (schema, relation): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let Some(table) = TABLES.iter().find(|table| table.name == relation) else { continue };
        let the_schema = format!("the schema {schema}");
        if !row.try_get::<_, bool>(2)? {
            // Its tables are missing with it, which goes without saying.
            faults.insert(schema, vec![Fault::Missing(the_schema)]);
            continue;
        }
        let of_schema = faults.entry(schema).or_default();
        // Each row of a schema says so.
        let open = Fault::Open(the_schema);
        if row.try_get(10)? && !of_schema.contains(&open) {
            of_schema.push(open);
        }
        if row.try_get(3)? {
            of_schema.extend(lacks_of(table, row)?.into_iter().map(Fault::Missing));
            of_schema.extend(changes_of(table, row)?);
        } else {
            of_schema.push(Fault::Missing(format!("the table {relation}")));
        }
    }
    faults.retain(|_, of_schema| !of_schema.is_empty());
    Ok(faults)
}

fn lacks_of(table: &Table, row: &Row) -> Result<Vec<String>, Error> {
    let columns: Vec<&str> = row.try_get(4)?;
    let is_there = |name: &str| columns.iter().any(|column| type_of(column, name).is_some());
    let absent = table.columns.iter().filter(|(name, _)| !is_there(name));
    let mut lacks: Vec<_> = absent.map(|(name, _)| format!("the column {name} of {}", table.name)).collect();
    let wanted =
        [("index", table.indexes, 5), ("constraint", table.constraints, 6), ("trigger", table.triggers, 7)];
    for (kind, names, index) in wanted {
        let found: Vec<&str> = row.try_get(index)?;
        let absent = names.iter().filter(|name| !found.contains(name));
        lacks.extend(absent.map(|name| format!("the {kind} {name} of {}", table.name)));
    }
    Ok(lacks)
}

/// What somebody changed of a table.
fn changes_of(table: &Table, row: &Row) -> Result<Vec<Fault>, Error> {
    let columns: Vec<&str> = row.try_get(4)?;
    let mut changes = Vec::new();
    for (name, wanted) in table.columns {
        let found = columns.iter().find_map(|column| type_of(column, name));
        if let Some(found) = found.filter(|found| found != wanted) {
            let object = format!("the column {name} of {}", table.name);
            changes.push(Fault::changed(object, format!("is {found}, not {wanted}")));
        }
    }
    let object = || format!("the table {}", table.name);
    let foreign = |what: &str| Fault::changed(object(), format!("has {what}, which is not this service's"));
    let (triggers, rules): (Vec<&str>, Vec<&str>) = (row.try_get(7)?, row.try_get(8)?);
    let traits: Vec<bool> = row.try_get(9)?;
    let [has_row_security, is_unlogged, is_open] = traits.as_slice() else { return Ok(changes) };
    if *has_row_security {
        changes.push(foreign("row-level security"));
    }
    let others = triggers.iter().filter(|name| !table.triggers.contains(name));
    changes.extend(others.map(|name| foreign(&format!("the trigger {name}"))));
    changes.extend(rules.iter().map(|name| foreign(&format!("the rule {name}"))));
    if *is_unlogged {
        changes.push(Fault::changed(object(), "is unlogged: a crash empties it"));
    }
    if *is_open {
        changes.push(Fault::Open(object()));
    }
    Ok(changes)
}

/// The type of a column (`title text`), if it is the one of that name.
fn type_of<'a>(column: &'a str, name: &str) -> Option<&'a str> {
    column.strip_prefix(name)?.strip_prefix(' ')
}
