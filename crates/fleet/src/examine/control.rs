//! The control schema: whether its tables in `public` are as the control migrations make them.

use std::collections::{BTreeMap, BTreeSet};

use context_store::postgres::completeness::{DatabaseObject, ExpectedTable, PUBLIC};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::control_tables::CONTROL_TABLES;
use crate::finding::{Finding, FindingKind};
use crate::rows::query_rows;

/// The ledger. A table of that name with other columns is an older system's, and is renamed.
pub(crate) const LEDGER: &str = "migration_history";

/// The state of the control schema in a database.
pub(super) struct ControlState {
    /// What is wrong with it.
    pub(super) findings: Vec<Finding>,
    /// Its tables that exist with the columns that this version knows.
    readable: BTreeSet<&'static str>,
}

impl ControlState {
    /// Whether the table exists and can be read.
    pub(super) fn has(&self, table: &str) -> bool {
        self.readable.contains(table)
    }

    /// Whether none of its tables can be read.
    pub(super) fn is_absent(&self) -> bool {
        self.readable.is_empty()
    }
}

/// The parts of a table, as the catalog lists them.
struct FoundTable {
    columns: BTreeSet<(String, String)>,
    constraints: Vec<String>,
    indexes: Vec<String>,
}

/// Examines the tables of the control schema.
pub(super) async fn examine_control(client: &Client) -> Result<ControlState, tokio_postgres::Error> {
    let found = query_tables(client).await?;
    let mut control = ControlState { findings: Vec::new(), readable: BTreeSet::new() };
    for table in &CONTROL_TABLES {
        let object = DatabaseObject::table(PUBLIC, table.name);
        let Some(found) = found.get(table.name) else {
            control.findings.push(Finding::of_control(object, FindingKind::Missing));
            continue;
        };
        let has =
            |(name, kind): &(&str, &str)| found.columns.contains(&((*name).to_owned(), (*kind).to_owned()));
        if !table.columns.iter().all(has) {
            let kind = if table.name == LEDGER { FindingKind::Legacy } else { FindingKind::NameTaken };
            control.findings.push(Finding::of_control(object, kind));
            continue;
        }
        control.readable.insert(table.name);
        let missing = missing_parts(table, found);
        control.findings.extend(missing.map(|part| Finding::of_control(part, FindingKind::Missing)));
    }
    Ok(control)
}

/// Returns the constraints and indexes that a table lacks.
fn missing_parts<'a>(
    table: &'a ExpectedTable,
    found: &'a FoundTable,
) -> impl Iterator<Item = DatabaseObject> + 'a {
    let missing = |wanted: &'a [&'a str], found: &'a [String]| {
        wanted.iter().filter(|name| !found.iter().any(|other| other == *name))
    };
    let constraints = missing(table.constraints, &found.constraints);
    let indexes = missing(table.indexes, &found.indexes);
    let constraints = constraints.map(|name| DatabaseObject::constraint(PUBLIC, table.name, name));
    constraints.chain(indexes.map(|name| DatabaseObject::index(PUBLIC, table.name, name)))
}

async fn query_tables(client: &Client) -> Result<BTreeMap<String, FoundTable>, tokio_postgres::Error> {
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
    let names = CONTROL_TABLES.each_ref().map(|table| table.name);
    let convert = |row: &Row| {
        let (names, kinds): (Vec<String>, Vec<String>) = (row.try_get(1)?, row.try_get(2)?);
        let columns = names.into_iter().zip(kinds).collect();
        Ok((row.try_get(0)?, FoundTable { columns, constraints: row.try_get(3)?, indexes: row.try_get(4)? }))
    };
    let found = query_rows(client, sql, &[(&names.as_slice(), Type::TEXT_ARRAY)], convert).await?;
    Ok(found.into_iter().collect())
}

/// Whether there once was a control schema: a tenant's schema has a table that no older system had.
pub(super) async fn was_lost(client: &Client) -> Result<bool, tokio_postgres::Error> {
    let sql = "SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
               WHERE c.relname = 'context_changes' AND c.relkind = 'r'
                 AND starts_with(n.nspname::text, 'tenant_')
               LIMIT 1";
    Ok(client.query_typed_opt(sql, &[]).await?.is_some())
}
