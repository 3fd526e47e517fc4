//! What is wrong with the schemas of tenants.

use context_domain::id::TenantId;
use context_store::postgres::completeness::{self, Fault, TABLES};
use context_store::postgres::schema_of;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::findings::{Finding, Kind};
use crate::rows::query;

/// What is missing in the schemas of the tenants, is there and not in force, or was changed.
pub(crate) async fn examine(
    client: &Client,
    tenants: &[TenantId],
) -> Result<Vec<Finding>, tokio_postgres::Error> {
    let schemas: Vec<String> = tenants.iter().map(schema_of).collect();
    let mut findings = Vec::new();
    let strange = of_others(client, &schemas).await?;
    let faults = completeness::faults(client, &schemas).await?;
    let damaged: Vec<&str> = faults.keys().map(String::as_str).collect();
    let (mut there, mut taken) = (Vec::new(), Vec::new());
    if !damaged.is_empty() {
        there = not_in_force(client, &damaged).await?;
        taken = taken_names(client, &damaged).await?;
    }
    for tenant in tenants {
        let schema = schema_of(tenant);
        for (_, object, how) in strange.iter().chain(&taken).filter(|(of, ..)| *of == schema) {
            findings.push(Finding::of_tenant(tenant, object.clone(), Kind::Changed { how: how.clone() }));
        }
        for fault in faults.get(&schema).into_iter().flatten() {
            let is_there = |object: &str| there.iter().any(|(of, name)| *of == schema && names(object, name));
            let (object, kind) = match fault {
                Fault::Missing(object) if is_there(object) => (object, Kind::Invalid),
                Fault::Missing(object) => (object, Kind::Missing),
                Fault::Open(object) => (object, Kind::Open),
                Fault::Changed { object, how } => (object, Kind::Changed { how: how.clone() }),
            };
            findings.push(Finding::of_tenant(tenant, object.clone(), kind));
        }
    }
    Ok(findings)
}

/// Whether a tenant of which this is found cannot be asked for its global node.
pub(crate) fn hides_nodes(finding: &Finding) -> bool {
    let hiding = ["the schema tenant_", "the table contexts", "the column "];
    finding.kind != Kind::Open && hiding.iter().any(|object| finding.object.starts_with(object))
}

/// Whether an object (`the index i of t`) is the one of that name.
fn names(object: &str, name: &str) -> bool {
    words(object).get(2) == Some(&name)
}

/// The words of a finding's object: `the index i of t`.
pub(crate) fn words(object: &str) -> Vec<&str> {
    object.split(' ').collect()
}

/// Names of indexes, constraints and triggers of these schemas that are there and not in force, each behind its schema.
async fn not_in_force(
    client: &Client,
    schemas: &[&str],
) -> Result<Vec<(String, String)>, tokio_postgres::Error> {
    let sql = "
        SELECT space.nspname::text, c.relname::text
        FROM pg_namespace AS space JOIN pg_class AS c ON c.relnamespace = space.oid
        JOIN pg_index AS i ON i.indexrelid = c.oid
        WHERE space.nspname = ANY ($1::name[]) AND NOT (i.indisvalid AND i.indisready)
        UNION ALL
        SELECT space.nspname::text, k.conname::text
        FROM pg_namespace AS space JOIN pg_constraint AS k ON k.connamespace = space.oid
        WHERE space.nspname = ANY ($1::name[]) AND NOT k.convalidated
        UNION ALL
        SELECT space.nspname::text, t.tgname::text
        FROM pg_namespace AS space JOIN pg_class AS c ON c.relnamespace = space.oid
        JOIN pg_trigger AS t ON t.tgrelid = c.oid
        WHERE space.nspname = ANY ($1::name[]) AND t.tgenabled NOT IN ('O', 'A')";
    let read = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
    query(client, sql, &[(&schemas, Type::TEXT_ARRAY)], read).await
}

/// What is said of a part of a schema: the schema, the part, and how it is.
type Remark = (String, String, String);

/// Which of these schemas and of our tables in them belong to roles that the owner of the installation cannot act for.
async fn of_others(client: &Client, schemas: &[String]) -> Result<Vec<Remark>, tokio_postgres::Error> {
    let sql = "
        WITH installation AS (SELECT relowner FROM pg_class WHERE oid = to_regclass('public.tenants')),
             space AS (SELECT * FROM pg_namespace WHERE nspname = ANY ($1::name[]))
        SELECT nspname::text, 'the schema ' || nspname, pg_get_userbyid(nspowner)::text
        FROM space, installation WHERE NOT pg_has_role(installation.relowner, nspowner, 'USAGE')
        UNION ALL
        SELECT nspname::text, 'the table ' || c.relname, pg_get_userbyid(c.relowner)::text
        FROM installation, space JOIN pg_class AS c ON c.relnamespace = space.oid AND c.relname = ANY ($2::name[])
        WHERE NOT pg_has_role(installation.relowner, c.relowner, 'USAGE')
        ORDER BY 1, 2";
    let tables = TABLES.each_ref().map(|table| table.name);
    let parameters = [(&schemas as _, Type::TEXT_ARRAY), (&tables.as_slice() as _, Type::TEXT_ARRAY)];
    let read = |row: &Row| {
        let how = format!(
            "belongs to the role {}, not to the owner of the installation",
            row.try_get::<_, &str>(2)?
        );
        Ok((row.try_get(0)?, row.try_get(1)?, how))
    };
    query(client, sql, &parameters, read).await
}

/// The tables that are not ours and whose indexes have the names that ours need: tables that were renamed.
async fn taken_names(client: &Client, schemas: &[&str]) -> Result<Vec<Remark>, tokio_postgres::Error> {
    let sql = "
        SELECT space.nspname::text, 'the table ' || c.relname, string_agg(named.relname, ', ' ORDER BY named.relname)
        FROM pg_namespace AS space JOIN pg_class AS named ON named.relnamespace = space.oid
        JOIN pg_index AS i ON i.indexrelid = named.oid JOIN pg_class AS c ON c.oid = i.indrelid
        WHERE space.nspname = ANY ($1::name[]) AND named.relname = ANY ($2::name[]) AND c.relname <> ALL ($3::name[])
        GROUP BY space.nspname, c.relname ORDER BY 1, 2";
    let names: Vec<&str> =
        TABLES.iter().flat_map(|table| table.indexes.iter().chain(table.constraints)).copied().collect();
    let tables = TABLES.each_ref().map(|table| table.name);
    let parameters = [
        (&schemas as _, Type::TEXT_ARRAY),
        (&names as _, Type::TEXT_ARRAY),
        (&tables.as_slice() as _, Type::TEXT_ARRAY),
    ];
    let read = |row: &Row| {
        let names: &str = row.try_get(2)?;
        let how = format!("has indexes whose names this service's tables need: rename {names}");
        Ok((row.try_get(0)?, row.try_get(1)?, how))
    };
    query(client, sql, &parameters, read).await
}
