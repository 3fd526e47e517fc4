//! The script that loads an export back, and the manifest that says what is in it.

use std::collections::BTreeMap;

use context_domain::id::TenantId;
use context_store::postgres::{completeness, identifier, literal, schema_of};
use serde_json::{Value, json};

use super::table::ExportedTable;

/// The database that was exported, and when.
pub(super) struct ExportOrigin {
    pub(super) database: String,
    pub(super) taken: String,
    pub(super) server: String,
}

type Tenants = [(TenantId, Vec<ExportedTable>)];

/// Returns the manifest: which table is in which file.
pub(super) fn manifest(origin: &ExportOrigin, control: &[ExportedTable], tenants: &Tenants) -> String {
    let of_tenants: BTreeMap<&str, Value> =
        tenants.iter().map(|(tenant, tables)| (tenant.as_str(), describe_tables(tables))).collect();
    let manifest = json!({
        "format": 1,
        "database": origin.database,
        "server_version": origin.server,
        "taken": origin.taken,
        "control": describe_tables(control),
        "tenants": of_tenants,
    });
    format!("{manifest:#}\n")
}

fn describe_tables(tables: &[ExportedTable]) -> Value {
    let described = tables.iter().map(|table| {
        json!({
            "schema": table.schema,
            "table": table.name,
            "columns": table.columns,
            "file": table.file,
            "rows": table.content.rows,
            "bytes": table.content.bytes,
            "sha256": table.content.checksum,
        })
    });
    described.collect()
}

/// Returns the script, for psql. Each tenant is loaded in a transaction of its own, and only if that
/// overwrites nothing.
pub(super) fn load_script(origin: &ExportOrigin, control: &[ExportedTable], tenants: &Tenants) -> String {
    let mut script = vec![format!(
        "-- Loads what the database {} held at {}.\n\
         -- Make the installation first (context-service bootstrap), then run this in this folder, as its \
         owner:\n\
         --   psql \"$DATABASE_URL\" -f load.sql\n\
         -- A tenant that holds contexts already is left as it is, and named at the end. Safe to repeat.\n\
         \\set ON_ERROR_STOP on\n\
         \\encoding UTF8\n\
         \\set left ''\n\
         SET client_min_messages = warning;\n",
        // A line break in the name would end the comment.
        origin.database.escape_debug(),
        origin.taken,
    )];
    for name in ["tenants", "api_keys"] {
        script.push(format!("CREATE TEMPORARY TABLE exported_{name} (LIKE public.{name});\n"));
        // A table that was missing when the export was made has no file.
        if let Some(table) = control.iter().find(|table| table.name == name) {
            let (columns, file) = (table.column_list(), literal(&table.file));
            script.push(format!("\\copy exported_{name} {columns} FROM {file}\n"));
        }
    }
    for (tenant, tables) in tenants {
        script.push(tenant_script(tenant, tables));
    }
    script.push(
        "-- The API keys of the tenants that exist now, and the operators'.\n\
         INSERT INTO public.api_keys SELECT * FROM exported_api_keys\n\
         WHERE tenant_id IS NULL OR tenant_id IN (SELECT id FROM public.tenants)\n\
         ON CONFLICT (id) DO NOTHING;\n\
         SELECT :'left' <> '' AS is_left \\gset\n\
         \\if :is_left\n\
         \\warn these tenants hold contexts already and were left as they are: :left\n\
         DO $$ BEGIN RAISE EXCEPTION 'not everything was loaded'; END $$;\n\
         \\endif\n"
            .to_owned(),
    );
    script.concat()
}

fn tenant_script(tenant: &TenantId, tables: &[ExportedTable]) -> String {
    let (id, schema) = (literal(tenant.as_str()), identifier(&schema_of(tenant)));
    let known = |table: &&ExportedTable| completeness::TABLES.iter().any(|known| known.name == table.name);
    let (ours, others): (Vec<&ExportedTable>, Vec<&ExportedTable>) = tables.iter().partition(known);
    let named: Vec<String> = ours.iter().map(|table| table.qualified_name()).collect();
    let mut script = vec![format!("\n-- The tenant {tenant}.\n")];
    for table in others {
        script.push(format!(
            "-- {} is not this service's: {} holds its rows, and this script does not make the table.\n",
            table.qualified_name().escape_debug(),
            table.file
        ));
    }
    if named.is_empty() {
        return script.concat();
    }
    script.push(format!(
        "BEGIN;\n\
         SELECT public.create_tenant_schema({id});\n\
         SELECT NOT EXISTS (SELECT FROM {schema}.contexts\n\
         \x20                  WHERE version > 0 OR context_level IS DISTINCT FROM 'global')\n\
         \x20   AND NOT EXISTS (SELECT FROM {schema}.context_changes) AS is_empty \\gset\n\
         \\if :is_empty\n\
         TRUNCATE {};\n",
        named.join(", ")
    ));
    for table in &ours {
        script.push(format!(
            "\\copy {} {} FROM {}\n",
            table.qualified_name(),
            table.column_list(),
            literal(&table.file)
        ));
    }
    script.push(format!(
        "-- A new generation, so that servers drop what they remember of the tenant.\n\
         UPDATE public.tenants SET generation = gen_random_uuid(),\n\
         \x20   created_at = COALESCE(\n\
         \x20       (SELECT created_at FROM exported_tenants WHERE id = {id}), created_at)\n\
         WHERE id = {id};\n\
         \\else\n\
         \\set left :left ' ' {id}\n\
         \\endif\n\
         COMMIT;\n"
    ));
    script.concat()
}
