//! The job for one tenant: what is done to it, in one transaction.

use std::collections::BTreeMap;

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_store::postgres::completeness::DatabaseObject;
use context_store::postgres::{Session, identifier};
use tokio_postgres::types::Type;

use super::renewal::drop_exported;
use super::retry::Attempts;
use crate::examine::found::Examination;
use crate::export::table::ExportedTable;
use crate::failure::FleetFailure;
use crate::finding::{Finding, FindingKind};
use crate::installation::Installation;

/// A job for one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// Make what is missing.
    Repair {
        /// Objects that exist and are not in force: they are dropped first, so that they are made again.
        invalid: Vec<DatabaseObject>,
        /// The function that does the work.
        function: TenantFunction,
    },
    /// Drop the tenant if it is as it was exported, and make it again.
    Recreate(Vec<ExportedTable>),
}

/// A function in `public` that makes what a tenant lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TenantFunction {
    /// Makes the tenant.
    Provision,
    /// Runs all of its migrations again.
    Complete,
    /// Grants the serving roles what they lack, and revokes what PUBLIC has.
    Grant,
}

impl TenantFunction {
    /// Returns the statement that calls it; its parameter is the tenant's id.
    fn call(self) -> &'static str {
        match self {
            Self::Provision => {
                "SELECT public.provision_tenant($1, gen_random_uuid(), now(), 'ctx_' || gen_random_uuid())"
            }
            // The lock on the row makes repairs of the same tenant wait for each other.
            Self::Complete => {
                "SELECT public.complete_tenant(id, 'ctx_' || gen_random_uuid()) IS NULL
                 FROM (SELECT id::text FROM public.tenants WHERE id = $1 FOR UPDATE) AS listed"
            }
            Self::Grant => "SELECT public.grant_tenant($1) IS NULL",
        }
    }
}

/// Returns a job for each tenant that needs one.
pub(super) fn jobs_for(listed: &[TenantId], found: &Examination) -> Vec<(TenantId, Job)> {
    let mut by_tenant: BTreeMap<&TenantId, Vec<&Finding>> = BTreeMap::new();
    let mut others = Vec::new();
    // Objects that somebody altered are left to people.
    let is_repaired = |finding: &&Finding| !matches!(finding.kind, FindingKind::Altered(_));
    for finding in found.tenants.iter().filter(is_repaired) {
        let Some(tenant) = &finding.tenant else { continue };
        by_tenant.entry(tenant).or_default().push(finding);
        others.push(tenant);
    }
    let mut jobs = Vec::new();
    for tenant in listed.iter().chain(others) {
        // Each tenant is taken once.
        let Some(findings) = by_tenant.remove(tenant) else { continue };
        let function = if findings.iter().any(|finding| finding.object == DatabaseObject::DirectoryRow) {
            TenantFunction::Provision
        } else if findings.iter().all(|finding| is_about_grants(finding)) {
            TenantFunction::Grant
        } else {
            TenantFunction::Complete
        };
        let invalid = findings.iter().filter(|finding| finding.kind == FindingKind::Invalid);
        let invalid = invalid.map(|finding| finding.object.clone()).collect();
        jobs.push((tenant.clone(), Job::Repair { invalid, function }));
    }
    jobs
}

fn is_about_grants(finding: &Finding) -> bool {
    matches!(finding.kind, FindingKind::NotGranted { .. } | FindingKind::Open)
}

/// Returns the statement that drops an object which exists and is not in force; `None` for a trigger, which
/// the migration replaces.
fn drop_statement(object: &DatabaseObject) -> Option<String> {
    match object {
        DatabaseObject::Index { schema, index, .. } => {
            Some(format!("DROP INDEX {}.{};", identifier(schema), identifier(index)))
        }
        DatabaseObject::Constraint { schema, table, constraint } => {
            let (schema, table, constraint) = (identifier(schema), identifier(table), identifier(constraint));
            Some(format!("ALTER TABLE {schema}.{table} DROP CONSTRAINT {constraint};"))
        }
        _ => None,
    }
}

/// Does the job, and retries it if locks or other writes are in the way. Returns whether it made the tenant.
pub(super) async fn run_job(
    session: &mut Session,
    installation: &Installation,
    tenant: &TenantId,
    job: &Job,
) -> Result<bool, Error> {
    let step = match job {
        Job::Repair { .. } => format!("make or repair the tenant {tenant}"),
        Job::Recreate(_) => format!("recreate the tenant {tenant}"),
    };
    let mut attempts = Attempts::default();
    loop {
        match attempt_job(session, installation, tenant, job).await {
            Ok(is_new) => return Ok(is_new),
            Err(failure) => attempts
                .wait_after(failure, &step, Some(tenant))
                .await
                .map_err(|failure| installation.step_failed(&step, failure))?,
        }
    }
}

async fn attempt_job(
    session: &mut Session,
    installation: &Installation,
    tenant: &TenantId,
    job: &Job,
) -> Result<bool, FleetFailure> {
    let transaction = session.client_mut().transaction().await?;
    let client = transaction.client();
    let (before, function) = match job {
        Job::Repair { invalid, function } => {
            let drops: String = invalid.iter().filter_map(drop_statement).collect();
            (format!("{} {drops}", installation.prelude), *function)
        }
        Job::Recreate(tables) => {
            client.batch_execute(&installation.prelude).await?;
            drop_exported(client, tenant, tables).await?;
            (String::new(), TenantFunction::Provision)
        }
    };
    let parameters = [(&tenant.as_str() as _, Type::TEXT)];
    // Both are sent at once. If the first fails, so does the second: biased, so that the cause is returned.
    let ((), row) = tokio::try_join!(
        biased;
        client.batch_execute(&before),
        client.query_typed_opt(function.call(), &parameters)
    )?;
    transaction.commit().await?;
    let is_new = match (function, row) {
        (TenantFunction::Provision, Some(row)) => row.try_get(0)?,
        _ => false,
    };
    Ok(is_new || matches!(job, Job::Recreate(_)))
}

#[cfg(test)]
mod tests;
