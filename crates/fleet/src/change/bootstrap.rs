//! Bootstrap: makes what an installation does not have, repairs what can be repaired, and reports what
//! cannot.

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_store::postgres::completeness::DatabaseObject;
use context_store::postgres::schema_of;

use super::jobs::{Job, jobs_for};
use super::plan::{Plan, Progress};
use super::report::Report;
use super::workers::run_all;
use crate::examine::found::Examination;
use crate::finding::{Finding, FindingKind};
use crate::fleet::Fleet;

/// The number of new tenants from which on the catalogs are analyzed: otherwise the planner assumes their
/// former size.
const MASS: usize = 50;
/// Findings that a refusal names before it only counts them: one edited file is found in each tenant.
const MAX_NAMED: usize = 5;

impl Fleet {
    /// Brings the installation to what `plan` says. If nothing is wrong, nothing is done. Safe to repeat, and
    /// safe at the same time as another bootstrap.
    ///
    /// # Errors
    /// [`Error::Unavailable`], naming host, user and database and what to do, if nothing could be done: the
    /// database does not answer, the role lacks a privilege, another system's table has the name of one of
    /// ours, or a migration was edited. Failures of single tenants are in the report.
    pub async fn bootstrap(
        &mut self,
        plan: &Plan,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Report, Error> {
        let serving = self.serving_roles(plan).await?;
        let found = self.examine_everything(&plan.tenants, &serving, &[]).await?;
        self.check_refusals(&found)?;
        let mut report = Report::default();
        if found.control.is_empty() && found.tenants.is_empty() {
            return Ok(report);
        }
        self.prepare_to_write().await?;
        if !found.control.is_empty() {
            report.notices = self.bootstrap_control(&serving).await?;
            report.installed = found.is_absent;
        }
        let jobs = jobs_for(&plan.tenants, &found);
        let (made, refused) = self.run_jobs(plan.workers, jobs, progress).await?;
        report.made = made;
        if report.made.len() >= MASS {
            self.analyze_catalogs().await?;
        }
        let after = self.examine_everything(&plan.tenants, &serving, &report.made).await?.into_findings();
        report.settle(&found, after, refused);
        Ok(report)
    }

    /// Does the jobs. Returns the tenants that were made, and a finding for each that failed.
    pub(super) async fn run_jobs(
        &self,
        workers: usize,
        jobs: Vec<(TenantId, Job)>,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(Vec<TenantId>, Vec<Finding>), Error> {
        let (mut made, mut refused) = (Vec::new(), Vec::new());
        for (tenant, result) in run_all(self, workers, jobs, progress).await? {
            match result {
                Ok(true) => made.push(tenant),
                Ok(false) => {}
                Err(error) => {
                    let source = &error as &dyn std::error::Error;
                    tracing::error!(%tenant, error = source, "could not change a tenant");
                    let schema = DatabaseObject::schema(&schema_of(&tenant));
                    let kind = FindingKind::Refused { why: error.to_string() };
                    refused.push(Finding::of_tenant(&tenant, schema, kind));
                }
            }
        }
        made.sort();
        refused.sort();
        Ok((made, refused))
    }

    /// Fails if there are findings that people must deal with before anything is changed.
    fn check_refusals(&self, found: &Examination) -> Result<(), Error> {
        let refusals = found.refusals();
        let Some(first) = refusals.first() else { return Ok(()) };
        let advice = match first.kind {
            FindingKind::Newer { .. } => {
                "a newer version of this service was here: use that version or a later one"
            }
            FindingKind::Edited { .. } => {
                "an applied migration must not be edited: put its file back as it was, and make a new \
                 migration for what is to change"
            }
            _ => "rename it, or name a database that is this service's own",
        };
        let named: Vec<String> = refusals.iter().take(MAX_NAMED).map(ToString::to_string).collect();
        let more = match refusals.len().saturating_sub(named.len()) {
            0 => String::new(),
            more => format!("; and {more} more such findings"),
        };
        let named = named.join("; ");
        Err(self.installation().refused(&format!("{named}{more}: {advice}; nothing was changed")))
    }

    /// Analyzes the catalogs, if this role may.
    async fn analyze_catalogs(&self) -> Result<(), Error> {
        let failed = |error| self.installation().statement_failed("analyze the catalogs", error);
        let sql = "SELECT rolsuper OR pg_has_role(datdba, 'USAGE') FROM pg_roles, pg_database
                   WHERE rolname = current_user AND datname = current_database()";
        let row = self.client().query_typed_one(sql, &[]).await.map_err(failed)?;
        if !row.try_get::<_, bool>(0).map_err(failed)? {
            tracing::warn!(
                "the catalogs were not analyzed, because only the owner of the database may: until \
                 autovacuum does it, examining many tenants may be slow"
            );
            return Ok(());
        }
        // Only the number of rows matters, and a sample of a tenth of the default size estimates it as well,
        // in a fifth of the time.
        let statements = "BEGIN; SET LOCAL default_statistics_target = 10; \
             ANALYZE pg_catalog.pg_attribute, pg_catalog.pg_class, pg_catalog.pg_constraint, \
                     pg_catalog.pg_depend, pg_catalog.pg_index, pg_catalog.pg_namespace, \
                     pg_catalog.pg_trigger; COMMIT";
        self.client().batch_execute(statements).await.map_err(failed)
    }
}
