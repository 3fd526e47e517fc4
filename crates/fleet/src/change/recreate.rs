//! Recreating tenants: each is dropped only if it is as it was exported.

use context_domain::error::Error;
use context_domain::id::TenantId;

use super::jobs::Job;
use super::plan::{Plan, Progress};
use super::report::Report;
use crate::export::Export;
use crate::export::table::ExportedTable;
use crate::fleet::Fleet;

impl Fleet {
    /// Drops the schemas of the exported tenants, makes them again, empty, and then does what `plan` says. A
    /// tenant that was written to since the export is left as it is, and reported as wrong. API keys stay.
    ///
    /// # Errors
    /// As [`Fleet::bootstrap`].
    pub async fn recreate(
        &mut self,
        export: &Export,
        plan: &Plan,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Report, Error> {
        // The control schema first: its functions make the tenants.
        let first = Plan { tenants: Vec::new(), ..plan.clone() };
        let first = self.bootstrap(&first, &mut |_| {}).await?;
        self.prepare_to_write().await?;
        let job = |(tenant, tables): &(TenantId, Vec<ExportedTable>)| {
            (tenant.clone(), Job::Recreate(tables.clone()))
        };
        let jobs = export.tenants.iter().map(job).collect();
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
