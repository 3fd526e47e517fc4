//! Finds tenants without a global node: the only check that reads the tenants' tables instead of the
//! catalogs.

use std::collections::BTreeMap;

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_store::postgres::completeness::DatabaseObject;
use context_store::postgres::{Session, identifier, literal, schema_of};
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::finding::{Finding, FindingKind};
use crate::fleet::{Connector, Fleet};
use crate::installation::Installation;
use crate::rows::query_rows;

/// Tenants that one statement reads: each costs locks on a table and its indexes.
const PER_STATEMENT: usize = 20;
/// Tenants that are read over one connection before another is opened for the rest.
const PER_CONNECTION: usize = 100;
const MAX_CONNECTIONS: usize = 4;

const STEP: &str = "look for the tenants' global nodes";

impl Fleet {
    /// Returns a finding for each of these tenants without a global node; the tables of all of them must be
    /// readable. The server process opens each table with all of its indexes for that, which takes long for
    /// large numbers of tenants: these are read over several connections.
    pub(super) async fn examine_nodes(&self, tenants: &[TenantId]) -> Result<Vec<Finding>, Error> {
        let connections = tenants.len().div_ceil(PER_CONNECTION).min(MAX_CONNECTIONS);
        let without = if connections > 1 {
            let mut parts = JoinSet::new();
            for part in tenants.chunks(tenants.len().div_ceil(connections)) {
                parts.spawn(find_over_new_connection(self.connector(), part.to_vec()));
            }
            let mut without = Vec::new();
            while let Some(part) = parts.join_next().await {
                without.extend(part.map_err(|error| Error::Internal { detail: error.to_string() })??);
            }
            without.sort();
            without
        } else {
            find_without_global_node(self.client(), self.installation(), tenants)
                .await
                .map_err(|error| self.installation().statement_failed(STEP, error))?
        };
        let finding = |tenant| Finding::of_tenant(tenant, DatabaseObject::GlobalNode, FindingKind::Missing);
        Ok(without.iter().map(finding).collect())
    }
}

async fn find_over_new_connection(
    connector: Connector,
    tenants: Vec<TenantId>,
) -> Result<Vec<TenantId>, Error> {
    let session = Session::open(&connector.url, connector.mode).await?;
    find_without_global_node(session.client(), &connector.installation, &tenants)
        .await
        .map_err(|error| connector.installation.statement_failed(STEP, error))
}

async fn find_without_global_node(
    client: &Client,
    installation: &Installation,
    tenants: &[TenantId],
) -> Result<Vec<TenantId>, tokio_postgres::Error> {
    let mut without = Vec::new();
    for some in tenants.chunks(PER_STATEMENT) {
        let by_id: BTreeMap<&str, &TenantId> = some.iter().map(|tenant| (tenant.as_str(), tenant)).collect();
        let selects = some.iter().map(|tenant| {
            let (id, schema) = (literal(tenant.as_str()), identifier(&schema_of(tenant)));
            format!(
                "SELECT {id} WHERE NOT EXISTS (SELECT FROM {schema}.contexts
                     WHERE tenant_id = {id} AND context_level = 'global')"
            )
        });
        let sql = selects.collect::<Vec<_>>().join(" UNION ALL ");
        // The prelude sets a lock timeout: a table that somebody is altering may be locked for long.
        client.batch_execute(&format!("BEGIN READ ONLY; {}", installation.prelude)).await?;
        let found = query_rows(client, &sql, &[], |row| row.try_get::<_, String>(0)).await;
        client.batch_execute("COMMIT").await?;
        let found = found?;
        without.extend(found.iter().filter_map(|id| by_id.get(id.as_str()).map(|tenant| (*tenant).clone())));
    }
    Ok(without)
}
