//! Making tenants anew: dropped only as they were exported.

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_store::postgres::{identifier, schema_of};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::bootstrap::{Plan, Report};
use crate::export::{Export, Table, copy, tables_of};
use crate::failure::Failure;
use crate::fleet::Fleet;
use crate::jobs::Job;
use crate::workers::Progress;

impl Fleet {
    /// Drops the schemas of the exported tenants and makes them anew, empty; and then does what `plan` says. A tenant that
    /// was written since the export is left as it is, and named as wrong. Keys stay.
    ///
    /// # Errors
    /// As [`Fleet::bootstrap`].
    pub async fn recreate(
        &mut self,
        export: &Export,
        plan: &Plan,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Report, Error> {
        // The functions make the tenants: they come first.
        let first = Plan { tenants: Vec::new(), ..plan.clone() };
        let first = self.bootstrap(&first, &mut |_| {}).await?;
        self.prepare_to_write().await?;
        let recreation =
            |(tenant, tables): &(TenantId, Vec<Table>)| (tenant.clone(), Job::Recreate(tables.clone()));
        let jobs = export.tenants.iter().map(recreation).collect();
        let (made, refused) = self.run_jobs(plan.workers, jobs, progress).await?;
        let mut report = self.bootstrap(plan, progress).await?;
        report.installed |= first.installed;
        report.made.extend(made);
        report.made.sort();
        report.made.dedup();
        report.repaired.splice(0..0, first.repaired);
        report.lost.splice(0..0, first.lost);
        report.notices.splice(0..0, first.notices);
        report.wrong.splice(0..0, refused);
        Ok(report)
    }
}

/// Makes a tenant anew within a transaction, if it holds just what `exported` says.
pub(crate) async fn recreate(client: &Client, tenant: &TenantId, exported: &[Table]) -> Result<(), Failure> {
    let schema = schema_of(tenant);
    client
        .query_typed("SELECT FROM public.tenants WHERE id = $1 FOR UPDATE", &[(&tenant.as_str(), Type::TEXT)])
        .await?;
    for table in exported {
        // Readers are let in until the schema goes; whoever would write waits, and finds the new one.
        client.batch_execute(&format!("LOCK TABLE {} IN EXCLUSIVE MODE", table.qualified())).await?;
    }
    let present = tables_of(client, &schema).await?;
    let same = present.len() == exported.len()
        && present
            .iter()
            .zip(exported)
            .all(|(now, then)| now.name == then.name && now.columns == then.columns);
    if !same {
        return Err(written_since());
    }
    for table in exported.iter().filter(|table| !is_derived(table)) {
        if copy(client, table, |_| Ok(())).await? != table.content {
            return Err(written_since());
        }
    }
    let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", identifier(&schema));
    client.batch_execute(&drop).await?;
    let id = [(&tenant.as_str() as _, Type::TEXT)];
    client.execute_typed("DELETE FROM public.migration_history WHERE tenant = $1", &id).await?;
    let renew = "UPDATE public.tenants SET generation = gen_random_uuid(), created_at = now(), revision = 0 WHERE id = $1";
    client.execute_typed(renew, &id).await?;
    Ok(())
}

fn written_since() -> Failure {
    Failure::Refused(
        "it was written since it was exported, and is as it was: stop the writers and try again".to_owned(),
    )
}

/// Whether the table holds only what can be computed again, and is written by whoever reads.
fn is_derived(table: &Table) -> bool {
    table.name == "context_inheritance_cache"
}
