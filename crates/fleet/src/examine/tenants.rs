//! Finds what is wrong with the schemas of tenants.

use context_domain::id::TenantId;
use context_store::postgres::completeness::{
    Alteration, DatabaseObject, SchemaFault, TABLES, find_faults, table_names,
};
use context_store::postgres::schema_of;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::finding::{Finding, FindingKind};
use crate::rows::query_rows;

/// The table that holds the global node.
const CONTEXTS: &str = "contexts";

/// An object of a schema that was altered: the schema's name, the object, and how it was altered.
type AlteredObject = (String, DatabaseObject, Alteration);

/// Returns what is missing, not in force, altered or open to every role in the schemas of these tenants.
pub(super) async fn examine_tenants(
    client: &Client,
    tenants: &[TenantId],
) -> Result<Vec<Finding>, tokio_postgres::Error> {
    let schemas: Vec<String> = tenants.iter().map(schema_of).collect();
    let mut altered = find_foreign_owners(client, &schemas).await?;
    let mut faults = find_faults(client, &schemas).await?;
    let damaged: Vec<String> = faults.keys().cloned().collect();
    let mut not_in_force = Vec::new();
    if !damaged.is_empty() {
        not_in_force = find_not_in_force(client, &damaged).await?;
        altered.extend(find_taken_names(client, &damaged).await?);
    }
    let mut findings = Vec::new();
    for tenant in tenants {
        let schema = schema_of(tenant);
        for (_, object, alteration) in altered.iter().filter(|(of, ..)| *of == schema) {
            let kind = FindingKind::Altered(alteration.clone());
            findings.push(Finding::of_tenant(tenant, object.clone(), kind));
        }
        for fault in faults.remove(&schema).into_iter().flatten() {
            let (object, kind) = match fault {
                SchemaFault::Missing(object) if not_in_force.contains(&object) => {
                    (object, FindingKind::Invalid)
                }
                SchemaFault::Missing(object) => (object, FindingKind::Missing),
                SchemaFault::Open(object) => (object, FindingKind::Open),
                SchemaFault::Altered { object, alteration } => (object, FindingKind::Altered(alteration)),
            };
            findings.push(Finding::of_tenant(tenant, object, kind));
        }
    }
    Ok(findings)
}

/// Whether the global node of the tenant cannot be read because of this finding.
pub(super) fn hides_global_node(finding: &Finding) -> bool {
    let is_damage = matches!(finding.kind, FindingKind::Missing | FindingKind::Altered(_));
    is_damage
        && match &finding.object {
            DatabaseObject::Schema { .. } | DatabaseObject::Column { .. } => true,
            DatabaseObject::Table { table, .. } => table == CONTEXTS,
            _ => false,
        }
}

/// Returns the indexes, constraints and triggers of these schemas that exist and are not in force.
pub(crate) async fn find_not_in_force(
    client: &Client,
    schemas: &[String],
) -> Result<Vec<DatabaseObject>, tokio_postgres::Error> {
    let sql = "
        WITH relation AS (
            SELECT c.oid, space.nspname::text AS schema, c.relname::text AS name
            FROM pg_namespace AS space JOIN pg_class AS c ON c.relnamespace = space.oid
            WHERE space.nspname = ANY ($1::name[]) AND c.relkind IN ('r', 'p')
        )
        SELECT relation.schema, relation.name, c.relname::text, NULL, NULL
        FROM relation JOIN pg_index AS i ON i.indrelid = relation.oid
        JOIN pg_class AS c ON c.oid = i.indexrelid
        WHERE NOT (i.indisvalid AND i.indisready)
        UNION ALL
        SELECT relation.schema, relation.name, NULL, k.conname::text, NULL
        FROM relation JOIN pg_constraint AS k ON k.conrelid = relation.oid
        WHERE NOT k.convalidated
        UNION ALL
        SELECT relation.schema, relation.name, NULL, NULL, t.tgname::text
        FROM relation JOIN pg_trigger AS t ON t.tgrelid = relation.oid
        WHERE t.tgenabled NOT IN ('O', 'A')";
    let convert = |row: &Row| {
        let (schema, table): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let index: Option<&str> = row.try_get(2)?;
        let constraint: Option<&str> = row.try_get(3)?;
        let trigger: Option<&str> = row.try_get(4)?;
        let index = index.map(|name| DatabaseObject::index(schema, table, name));
        let constraint = constraint.map(|name| DatabaseObject::constraint(schema, table, name));
        Ok(index.or(constraint).or(trigger.map(|name| DatabaseObject::trigger(schema, table, name))))
    };
    let found = query_rows(client, sql, &[(&schemas, Type::TEXT_ARRAY)], convert).await?;
    Ok(found.into_iter().flatten().collect())
}

/// Returns those of these schemas, and of our tables in them, that belong to roles of which the owner of the
/// installation is not a member.
async fn find_foreign_owners(
    client: &Client,
    schemas: &[String],
) -> Result<Vec<AlteredObject>, tokio_postgres::Error> {
    let sql = "
        WITH installation AS (SELECT relowner FROM pg_class WHERE oid = to_regclass('public.tenants')),
             space AS (SELECT * FROM pg_namespace WHERE nspname = ANY ($1::name[]))
        SELECT nspname::text, NULL, pg_get_userbyid(nspowner)::text
        FROM space, installation WHERE NOT pg_has_role(installation.relowner, nspowner, 'USAGE')
        UNION ALL
        SELECT nspname::text, c.relname::text, pg_get_userbyid(c.relowner)::text
        FROM installation, space
        JOIN pg_class AS c ON c.relnamespace = space.oid AND c.relname = ANY ($2::name[])
        WHERE NOT pg_has_role(installation.relowner, c.relowner, 'USAGE')
        ORDER BY 1, 2 NULLS FIRST";
    let tables = table_names();
    let parameters = [(&schemas as _, Type::TEXT_ARRAY), (&tables.as_slice() as _, Type::TEXT_ARRAY)];
    let convert = |row: &Row| {
        let (schema, table): (String, Option<&str>) = (row.try_get(0)?, row.try_get(1)?);
        let object = match table {
            Some(table) => DatabaseObject::table(&schema, table),
            None => DatabaseObject::schema(&schema),
        };
        Ok((schema, object, Alteration::ForeignOwner { owner: row.try_get(2)? }))
    };
    query_rows(client, sql, &parameters, convert).await
}

/// Returns the tables that are not ours and whose indexes have names that our tables need: tables that were
/// renamed.
async fn find_taken_names(
    client: &Client,
    schemas: &[String],
) -> Result<Vec<AlteredObject>, tokio_postgres::Error> {
    let sql = "
        SELECT space.nspname::text, c.relname::text, array_agg(named.relname::text ORDER BY named.relname)
        FROM pg_namespace AS space JOIN pg_class AS named ON named.relnamespace = space.oid
        JOIN pg_index AS i ON i.indexrelid = named.oid JOIN pg_class AS c ON c.oid = i.indrelid
        WHERE space.nspname = ANY ($1::name[]) AND named.relname = ANY ($2::name[])
          AND c.relname <> ALL ($3::name[])
        GROUP BY space.nspname, c.relname ORDER BY 1, 2";
    let names: Vec<&str> =
        TABLES.iter().flat_map(|table| table.indexes.iter().chain(table.constraints)).copied().collect();
    let tables = table_names();
    let parameters = [
        (&schemas as _, Type::TEXT_ARRAY),
        (&names as _, Type::TEXT_ARRAY),
        (&tables.as_slice() as _, Type::TEXT_ARRAY),
    ];
    let convert = |row: &Row| {
        let (schema, table): (String, &str) = (row.try_get(0)?, row.try_get(1)?);
        let object = DatabaseObject::table(&schema, table);
        Ok((schema, object, Alteration::TakesIndexNames { indexes: row.try_get(2)? }))
    };
    query_rows(client, sql, &parameters, convert).await
}
