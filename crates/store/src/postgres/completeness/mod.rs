//! Whether tenants' schemas are complete: what each must hold, and one query that finds what is wrong with
//! any of them.
//!
//! The list of what a schema must hold ([`TABLES`]) is generated from `crates/fleet/schema/tenant.sql` and
//! committed, so that a change to it is reviewed. A fault ([`SchemaFault`]) is data: what is wrong with which
//! object ([`DatabaseObject`]). Repairs are decided from that; `Display` is for people only.
//!
//! The query reads the catalogs by index only, schema by schema, so that it is just as fast right after a
//! thousand tenants were created, when the catalogs have not been analyzed yet.

mod expected;
mod fault;
mod object;
mod tenant_tables;

use std::collections::BTreeMap;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

pub use expected::ExpectedTable;
pub use fault::{Alteration, IS_OPEN, SchemaFault};
pub use object::{DatabaseObject, PUBLIC};
pub use tenant_tables::TABLES;

/// The faults of each schema, by its name. Schemas without a fault are left out.
pub type SchemaFaults = BTreeMap<String, Vec<SchemaFault>>;

/// Returns what is wrong with these schemas, each given by its unquoted name.
///
/// # Errors
/// The server's or the connection's error.
pub async fn find_faults(client: &Client, schemas: &[String]) -> Result<SchemaFaults, Error> {
    let tables = table_names();
    let parameters = [(&schemas as _, Type::TEXT_ARRAY), (&tables.as_slice() as _, Type::TEXT_ARRAY)];
    let rows = client.query_typed(CATALOG, &parameters).await?;
    faults_of_rows(&rows)
}

/// Returns the names of [`TABLES`].
pub fn table_names() -> [&'static str; TABLES.len()] {
    TABLES.each_ref().map(|table| table.name)
}

/// Reads for each schema in `$1` and table in `$2` whether both exist; the table's columns, each a name and a
/// type; the names of its valid indexes, validated constraints, enabled triggers and rules; row-level
/// security, persistence and grants to PUBLIC; and whether the schema is granted to PUBLIC. A schema that
/// does not exist is one row. Scalar subqueries keep the planner to the catalogs' own indexes.
pub(super) const CATALOG: &str = "
    SELECT named.schema, named.relation, named.schema_oid IS NOT NULL, named.oid IS NOT NULL,
        ARRAY(SELECT unnest(ARRAY[a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod)])
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
             WHERE c.relname = tables.relation::name AND c.relnamespace = spaces.schema_oid
               AND c.relkind IN ('r', 'p')) AS oid
        FROM (
            SELECT s.name AS schema,
                (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = s.name::name) AS schema_oid
            FROM unnest($1::text[]) AS s (name) OFFSET 0
        ) AS spaces CROSS JOIN unnest($2::text[]) AS tables (relation)
        WHERE spaces.schema_oid IS NOT NULL OR tables.relation = ($2::text[])[1]
        OFFSET 0
    ) AS named";

/// Returns the faults that the rows of [`CATALOG`] show.
pub(super) fn faults_of_rows(rows: &[Row]) -> Result<SchemaFaults, Error> {
    let mut faults = SchemaFaults::new();
    for row in rows {
        let (schema, relation): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let Some(table) = TABLES.iter().find(|table| table.name == relation) else { continue };
        let object = DatabaseObject::schema(&schema);
        if !row.try_get::<_, bool>(2)? {
            // Its tables are missing too, which is not reported again.
            faults.insert(schema, vec![SchemaFault::Missing(object)]);
            continue;
        }
        let of_schema = faults.entry(schema.clone()).or_default();
        // Each row of a schema says whether it is open.
        let open = SchemaFault::Open(object);
        if row.try_get(10)? && !of_schema.contains(&open) {
            of_schema.push(open);
        }
        if row.try_get(3)? {
            let found = TableRow { schema: &schema, table, row };
            of_schema.extend(found.missing()?.into_iter().map(SchemaFault::Missing));
            of_schema.extend(found.alterations()?);
        } else {
            of_schema.push(SchemaFault::Missing(DatabaseObject::table(&schema, table.name)));
        }
    }
    faults.retain(|_, of_schema| !of_schema.is_empty());
    Ok(faults)
}

/// A row of [`CATALOG`] for a table that exists.
struct TableRow<'a> {
    schema: &'a str,
    table: &'static ExpectedTable,
    row: &'a Row,
}

type NewPart = fn(&str, &str, &str) -> DatabaseObject;

impl TableRow<'_> {
    /// Returns the name and the type of each column.
    fn columns(&self) -> Result<Vec<(&str, &str)>, Error> {
        let flat: Vec<&str> = self.row.try_get(4)?;
        let (pairs, _) = flat.as_chunks::<2>();
        Ok(pairs.iter().map(|[name, kind]| (*name, *kind)).collect())
    }

    /// Returns the parts of the table that are missing or not in force.
    fn missing(&self) -> Result<Vec<DatabaseObject>, Error> {
        let (schema, table) = (self.schema, self.table);
        let columns = self.columns()?;
        let absent = table.columns.iter().filter(|(name, _)| !columns.iter().any(|(found, _)| found == name));
        let mut missing: Vec<_> =
            absent.map(|(name, _)| DatabaseObject::column(schema, table.name, name)).collect();
        let expected: [(NewPart, _, _); 3] = [
            (DatabaseObject::index, table.indexes, 5),
            (DatabaseObject::constraint, table.constraints, 6),
            (DatabaseObject::trigger, table.triggers, 7),
        ];
        for (object, names, index) in expected {
            let found: Vec<&str> = self.row.try_get(index)?;
            let absent = names.iter().filter(|name| !found.contains(name));
            missing.extend(absent.map(|name| object(schema, table.name, name)));
        }
        Ok(missing)
    }

    /// Returns how the table was altered, and whether it is open to every role.
    fn alterations(&self) -> Result<Vec<SchemaFault>, Error> {
        let (schema, table) = (self.schema, self.table);
        let columns = self.columns()?;
        let mut faults = Vec::new();
        for (name, expected) in table.columns {
            let found = columns.iter().find(|(column, _)| column == name).map(|(_, kind)| *kind);
            if let Some(found) = found.filter(|found| found != expected) {
                faults.push(SchemaFault::Altered {
                    object: DatabaseObject::column(schema, table.name, name),
                    alteration: Alteration::ColumnType {
                        found: found.to_owned(),
                        expected: (*expected).to_owned(),
                    },
                });
            }
        }
        let object = || DatabaseObject::table(schema, table.name);
        let altered = |alteration| SchemaFault::Altered { object: object(), alteration };
        let (triggers, rules): (Vec<String>, Vec<String>) = (self.row.try_get(7)?, self.row.try_get(8)?);
        let traits: Vec<bool> = self.row.try_get(9)?;
        let [has_row_security, is_unlogged, is_open] = traits.as_slice() else { return Ok(faults) };
        if *has_row_security {
            faults.push(altered(Alteration::RowSecurity));
        }
        let foreign = triggers.into_iter().filter(|name| !table.triggers.contains(&name.as_str()));
        faults.extend(foreign.map(|trigger| altered(Alteration::ForeignTrigger { trigger })));
        faults.extend(rules.into_iter().map(|rule| altered(Alteration::ForeignRule { rule })));
        if *is_unlogged {
            faults.push(altered(Alteration::Unlogged));
        }
        if *is_open {
            faults.push(SchemaFault::Open(object()));
        }
        Ok(faults)
    }
}
