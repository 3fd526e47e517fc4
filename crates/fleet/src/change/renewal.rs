//! Dropping a tenant's schema, only if it holds exactly what was exported.

use context_domain::id::TenantId;
use context_store::postgres::{identifier, schema_of};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::export::table::{ExportedTable, copy_table, query_tables};
use crate::failure::FleetFailure;

/// A cache table: its rows can be computed again, so a difference in them does not count as a write.
const DERIVED: &str = "context_inheritance_cache";

/// Drops the tenant's schema and records within the caller's transaction, and gives its directory row a new
/// generation. Fails if its tables differ from `exported`.
pub(super) async fn drop_exported(
    client: &Client,
    tenant: &TenantId,
    exported: &[ExportedTable],
) -> Result<(), FleetFailure> {
    let schema = schema_of(tenant);
    client
        .query_typed("SELECT FROM public.tenants WHERE id = $1 FOR UPDATE", &[(&tenant.as_str(), Type::TEXT)])
        .await?;
    for table in exported {
        // Reads go on until the schema is dropped; writes wait, and then find the new tables.
        client.batch_execute(&format!("LOCK TABLE {} IN EXCLUSIVE MODE", table.qualified_name())).await?;
    }
    let present = query_tables(client, &schema).await?;
    let has_same_tables = present.len() == exported.len()
        && present
            .iter()
            .zip(exported)
            .all(|(now, then)| now.name == then.name && now.columns == then.columns);
    if !has_same_tables {
        return Err(written_since());
    }
    for table in exported.iter().filter(|table| table.name != DERIVED) {
        if copy_table(client, table, |_| Ok(())).await? != table.content {
            return Err(written_since());
        }
    }
    let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", identifier(&schema));
    client.batch_execute(&drop).await?;
    let id = [(&tenant.as_str() as _, Type::TEXT)];
    client.execute_typed("DELETE FROM public.migration_history WHERE tenant = $1", &id).await?;
    let renew = "UPDATE public.tenants SET generation = gen_random_uuid(), created_at = now(), revision = 0
                 WHERE id = $1";
    client.execute_typed(renew, &id).await?;
    Ok(())
}

fn written_since() -> FleetFailure {
    FleetFailure::Refused(
        "it was written to since it was exported, and was left as it is: stop the writers and try again"
            .to_owned(),
    )
}
