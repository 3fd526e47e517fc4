//! Which tenants have no global node: the one thing that must be asked of each tenant's table, and not of the catalog.

use std::collections::BTreeMap;

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_store::postgres::{Session, identifier, literal, schema_of};
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::failure::Place;
use crate::findings::{Finding, Kind};
use crate::fleet::{Fleet, Reach};
use crate::rows::query;

/// What the global node is called in findings.
pub(crate) const GLOBAL_NODE: &str = "the global node";

/// Tenants that one statement asks: each costs locks on a table and its indexes.
const PER_STATEMENT: usize = 20;
/// Tenants that are asked over one connection before another is opened for the rest.
const PER_CONNECTION: usize = 100;
/// Connections at the most.
const MAX_CONNECTIONS: usize = 4;

impl Fleet {
    /// What is found of these tenants, whose tables can be read. A server opens each table and all of its indexes for
    /// that, so that many tenants are asked over several connections.
    pub(crate) async fn examine_nodes(&self, tenants: &[TenantId]) -> Result<Vec<Finding>, Error> {
        let connections = tenants.len().div_ceil(PER_CONNECTION).min(MAX_CONNECTIONS);
        let without = if connections > 1 {
            let mut asked = JoinSet::new();
            for part in tenants.chunks(tenants.len().div_ceil(connections)) {
                asked.spawn(ask(self.reach(), part.to_vec()));
            }
            let mut without = Vec::new();
            while let Some(part) = asked.join_next().await {
                without.extend(part.map_err(|error| Error::Internal { detail: error.to_string() })??);
            }
            without.sort();
            without
        } else {
            let found = without_global_node(self.client(), self.place(), tenants).await;
            found.map_err(|error| self.place().failed(STEP, error))?
        };
        Ok(without.iter().map(|tenant| Finding::of_tenant(tenant, GLOBAL_NODE, Kind::Missing)).collect())
    }
}

const STEP: &str = "look for the tenants' global nodes";

async fn ask(reach: Reach, tenants: Vec<TenantId>) -> Result<Vec<TenantId>, Error> {
    let session = Session::open(&reach.url, reach.mode).await?;
    let found = without_global_node(session.client(), &reach.place, &tenants).await;
    found.map_err(|error| reach.place.failed(STEP, error))
}

async fn without_global_node(
    client: &Client,
    place: &Place,
    tenants: &[TenantId],
) -> Result<Vec<TenantId>, tokio_postgres::Error> {
    let mut without = Vec::new();
    for some in tenants.chunks(PER_STATEMENT) {
        let by_id: BTreeMap<&str, &TenantId> = some.iter().map(|tenant| (tenant.as_str(), tenant)).collect();
        let looks = some.iter().map(|tenant| {
            let (id, schema) = (literal(tenant.as_str()), identifier(&schema_of(tenant)));
            format!(
                "SELECT {id} WHERE NOT EXISTS (SELECT FROM {schema}.contexts
                     WHERE tenant_id = {id} AND context_level = 'global')"
            )
        });
        let sql = looks.collect::<Vec<_>>().join(" UNION ALL ");
        // Who changes a table locks it: this waits for that no longer than a change would wait for this.
        client.batch_execute(&format!("BEGIN READ ONLY; {}", place.prelude)).await?;
        let found = query(client, &sql, &[], |row| row.try_get::<_, String>(0)).await;
        client.batch_execute("COMMIT").await?;
        let found = found?;
        without.extend(found.iter().filter_map(|id| by_id.get(id.as_str()).map(|tenant| (*tenant).clone())));
    }
    Ok(without)
}
