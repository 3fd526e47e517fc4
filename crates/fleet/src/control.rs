//! The control schema: the tables in `public` that say what an installation has.

use std::collections::{BTreeMap, BTreeSet};

use context_store::postgres::identifier;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::findings::{Finding, Kind};
use crate::rows::query;

/// A table of the control schema, and what tells it from another of its name.
struct Table {
    name: &'static str,
    /// Names and types, as the catalog prints them.
    columns: &'static [(&'static str, &'static str)],
    constraints: &'static [&'static str],
    indexes: &'static [&'static str],
}

/// The ledger. One of another shape is an older system's, and makes way.
pub(crate) const LEDGER: &str = "migration_history";

const TABLES: [Table; 4] = [
    Table {
        name: "tenants",
        columns: &[
            ("id", "character varying(48)"),
            ("generation", "uuid"),
            ("created_at", "timestamp with time zone"),
            ("revision", "integer"),
        ],
        constraints: &["tenants_pkey", "tenants_id_check", "tenants_generation_key"],
        indexes: &[],
    },
    Table {
        name: "api_keys",
        columns: &[
            ("id", "character varying(64)"),
            ("name", "text"),
            ("tenant_id", "character varying(48)"),
            ("permission", "character varying(10)"),
            ("secret_hash", "text"),
            ("created_at", "timestamp with time zone"),
            ("expires_at", "timestamp with time zone"),
            ("revoked_at", "timestamp with time zone"),
            ("last_used_at", "timestamp with time zone"),
        ],
        constraints: &[
            "api_keys_pkey",
            "api_keys_tenant_id_fkey",
            "api_keys_permission_check",
            "api_keys_access_check",
        ],
        indexes: &["idx_api_keys_tenant"],
    },
    Table {
        name: LEDGER,
        columns: &[
            ("id", "bigint"),
            ("tenant", "character varying(48)"),
            ("schema", "text"),
            ("revision", "integer"),
            ("migration_name", "text"),
            ("checksum", "text"),
            ("status", "text"),
            ("backup", "text"),
            ("started", "timestamp with time zone"),
            ("finished", "timestamp with time zone"),
            ("by", "text"),
        ],
        constraints: &["migration_history_pkey", "migration_history_status_check"],
        indexes: &["idx_migration_history_tenant"],
    },
    Table {
        name: "serving_roles",
        columns: &[("role", "text")],
        constraints: &["serving_roles_pkey"],
        indexes: &[],
    },
];

/// What a database has of the control schema.
pub(crate) struct Control {
    /// What is wrong with it.
    pub(crate) findings: Vec<Finding>,
    /// Which of its tables can be read: they are there, with the columns that this version knows.
    readable: BTreeSet<&'static str>,
}

impl Control {
    /// Whether the table can be read.
    pub(crate) fn has(&self, table: &str) -> bool {
        self.readable.contains(table)
    }

    /// Whether there is nothing yet, which is no damage.
    pub(crate) fn is_absent(&self) -> bool {
        self.readable.is_empty()
    }
}

/// What the catalog says of a table.
#[derive(Default)]
struct Found {
    columns: BTreeSet<(String, String)>,
    constraints: Vec<String>,
    indexes: Vec<String>,
}

/// Reads what there is of the control schema.
pub(crate) async fn examine(client: &Client) -> Result<Control, tokio_postgres::Error> {
    let found = read(client).await?;
    let mut control = Control { findings: Vec::new(), readable: BTreeSet::new() };
    for table in &TABLES {
        let object = format!("the table public.{}", table.name);
        let Some(found) = found.get(table.name) else {
            control.findings.push(Finding::of_control(object, Kind::Missing));
            continue;
        };
        let fits = table
            .columns
            .iter()
            .all(|(name, kind)| found.columns.contains(&((*name).to_owned(), (*kind).to_owned())));
        if !fits {
            let kind = if table.name == LEDGER { Kind::Legacy } else { Kind::Another };
            control.findings.push(Finding::of_control(object, kind));
            continue;
        }
        control.readable.insert(table.name);
        let lacks =
            [("constraint", table.constraints, &found.constraints), ("index", table.indexes, &found.indexes)];
        for (noun, wanted, found) in lacks {
            let absent = wanted.iter().filter(|name| !found.iter().any(|other| other == *name));
            control.findings.extend(absent.map(|name| {
                Finding::of_control(format!("the {noun} {name} of public.{}", table.name), Kind::Missing)
            }));
        }
    }
    Ok(control)
}

async fn read(client: &Client) -> Result<BTreeMap<String, Found>, tokio_postgres::Error> {
    let sql = "
        SELECT c.relname::text,
               ARRAY(SELECT a.attname::text FROM pg_attribute a
                     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
               ARRAY(SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
                     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
               ARRAY(SELECT k.conname::text FROM pg_constraint k WHERE k.conrelid = c.oid AND k.convalidated),
               ARRAY(SELECT (SELECT x.relname::text FROM pg_class x WHERE x.oid = i.indexrelid)
                     FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid)
        FROM pg_class c
        WHERE c.relnamespace = to_regnamespace('public') AND c.relname::text = ANY ($1)";
    let names = TABLES.each_ref().map(|table| table.name);
    let found = query(client, sql, &[(&names.as_slice(), Type::TEXT_ARRAY)], |row: &Row| {
        let (names, kinds): (Vec<String>, Vec<String>) = (row.try_get(1)?, row.try_get(2)?);
        let columns = names.into_iter().zip(kinds).collect();
        Ok((row.try_get(0)?, Found { columns, constraints: row.try_get(3)?, indexes: row.try_get(4)? }))
    })
    .await?;
    Ok(found.into_iter().collect())
}

/// Whether there was a control schema once: there are tenants' tables that no older system had.
pub(crate) async fn is_lost(client: &Client) -> Result<bool, tokio_postgres::Error> {
    let sql = "SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
               WHERE c.relname = 'context_changes' AND c.relkind = 'r' AND starts_with(n.nspname::text, 'tenant_')
               LIMIT 1";
    Ok(client.query_typed_opt(sql, &[]).await?.is_some())
}

/// Renames the ledger of an older system, with the names of its indexes, which would be in the way of ours.
pub(crate) async fn rename_legacy_ledger(client: &Client) -> Result<(), tokio_postgres::Error> {
    let sql = "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
               WHERE i.indrelid = to_regclass('public.migration_history')";
    let mut statements = vec![format!("ALTER TABLE public.{LEDGER} RENAME TO {LEDGER}_legacy;")];
    for index in query(client, sql, &[], |row| row.try_get::<_, String>(0)).await? {
        let (old, new) = (identifier(&index), identifier(&format!("{index}_legacy")));
        statements.push(format!("ALTER INDEX public.{old} RENAME TO {new};"));
    }
    client.batch_execute(&statements.concat()).await
}
