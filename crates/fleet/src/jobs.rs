//! What is to be done to one tenant, in one transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_store::postgres::{Session, TENANT_REVISION, identifier, schema_of};
use tokio_postgres::types::Type;

use crate::examine::{DIRECTORY_ROW, Found};
use crate::export::Table;
use crate::failure::{Failure, Place};
use crate::findings::{Finding, Kind};
use crate::migrations::TENANT;
use crate::nodes::GLOBAL_NODE;
use crate::recreate::recreate;
use crate::tenants::words;

/// Times that a job is tried while others hold what it needs, each time for as long as `lock_timeout` says.
pub(crate) const MAX_ATTEMPTS: usize = 5;
/// How long a job waits before it is tried again, so that what was in its way can end.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// What is to be done to a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Job {
    /// Give it what it lacks.
    Repair {
        /// Takes away what is there and not in force, so that it is made again.
        first: String,
        /// Which function does the work.
        call: Call,
    },
    /// Drop it as it was exported, and make it anew.
    Recreate(Vec<Table>),
}

/// A function that gives tenants what they lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Makes the tenant.
    Provision,
    /// Runs all of its migrations again.
    Complete,
    /// Grants the serving roles what they lack of it.
    Grant,
}

impl Call {
    fn sql(self) -> &'static str {
        match self {
            Self::Provision => {
                "SELECT public.provision_tenant($1, gen_random_uuid(), now(), 'ctx_' || gen_random_uuid())"
            }
            // The row's lock makes two who repair the same tenant wait for each other.
            Self::Complete => {
                "SELECT public.complete_tenant(id, 'ctx_' || gen_random_uuid()) IS NULL
                 FROM (SELECT id::text FROM public.tenants WHERE id = $1 FOR UPDATE) AS listed"
            }
            Self::Grant => "SELECT public.grant_tenant($1) IS NULL",
        }
    }
}

/// What is to be done to whom. A tenant that is whole is not among them.
pub(crate) fn of(listed: &[TenantId], found: &Found) -> Vec<(TenantId, Job)> {
    let mut by_tenant: BTreeMap<&TenantId, Vec<&Finding>> = BTreeMap::new();
    let mut others = Vec::new();
    for finding in found.tenants.iter().filter(|finding| !is_changed(finding)) {
        let Some(tenant) = &finding.tenant else { continue };
        by_tenant.entry(tenant).or_default().push(finding);
        others.push(tenant);
    }
    let mut jobs = Vec::new();
    for tenant in listed.iter().chain(others) {
        // Each is taken once.
        let Some(its) = by_tenant.remove(tenant) else { continue };
        let call = if its.iter().any(|finding| finding.object == DIRECTORY_ROW) {
            Call::Provision
        } else if its.iter().all(|finding| matches!(finding.kind, Kind::NotGranted { .. } | Kind::Open)) {
            Call::Grant
        } else {
            Call::Complete
        };
        let first = its.into_iter().filter_map(removal).collect();
        jobs.push((tenant.clone(), Job::Repair { first, call }));
    }
    jobs
}

/// Whether people must put it back.
fn is_changed(finding: &Finding) -> bool {
    matches!(finding.kind, Kind::Changed { .. })
}

/// The statement that takes away what is there and not in force. A trigger is replaced where it stands.
fn removal(finding: &Finding) -> Option<String> {
    let (Some(tenant), Kind::Invalid) = (&finding.tenant, &finding.kind) else { return None };
    let schema = identifier(&schema_of(tenant));
    match words(&finding.object).as_slice() {
        ["the", "index", index, ..] => Some(format!("DROP INDEX {schema}.{};", identifier(index))),
        ["the", "constraint", constraint, "of", table] => {
            let (table, constraint) = (identifier(table), identifier(constraint));
            Some(format!("ALTER TABLE {schema}.{table} DROP CONSTRAINT {constraint};"))
        }
        _ => None,
    }
}

/// Whether what is missing held something that making it anew does not bring back.
pub(crate) fn is_loss(finding: &Finding, found: &Found) -> bool {
    if finding.kind != Kind::Missing {
        return false;
    }
    let Some(tenant) = &finding.tenant else { return finding.object.starts_with("the table ") };
    let remembered = || found.remembered.contains(tenant).then_some(TENANT_REVISION);
    let known = found.standings.get(tenant).map(|standing| standing.revision).or_else(remembered);
    let Some(revision) = known else { return false };
    match words(&finding.object).as_slice() {
        ["the", "table", table] => revision >= revision_of(table),
        ["the", "column", ..] => revision >= TENANT_REVISION,
        ["the", "schema", _] => revision > 0,
        _ => finding.object == DIRECTORY_ROW || (finding.object == GLOBAL_NODE && revision > 0),
    }
}

/// What is said to be lost: with the row of a tenant went its keys.
pub(crate) fn as_loss(finding: &Finding) -> Finding {
    let mut lost = finding.clone();
    if lost.object == DIRECTORY_ROW {
        lost.object.push_str(", and with it any API key of the tenant,");
    }
    lost
}

/// The revision that makes the table.
fn revision_of(table: &str) -> i32 {
    let statement = format!("CREATE TABLE IF NOT EXISTS {{schema}}.{table} (");
    let maker = TENANT.iter().find(|migration| migration.up.contains(&statement));
    maker.map_or(TENANT_REVISION, |migration| migration.revision)
}

/// Does the job, again where others were in the way; whether it made the tenant.
pub(crate) async fn run(
    session: &mut Session,
    place: &Place,
    tenant: &TenantId,
    job: &Job,
) -> Result<bool, Error> {
    let step = format!("look after the tenant {tenant}");
    let mut attempt = 1;
    loop {
        match attempt_once(session, place, tenant, job).await {
            Ok(is_new) => return Ok(is_new),
            Err(failure) if failure.is_passing() && attempt < MAX_ATTEMPTS => {
                tracing::warn!(%tenant, attempt, ?failure, "others are in the way");
                attempt += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(failure) => return Err(place.not_done(&step, failure)),
        }
    }
}

async fn attempt_once(
    session: &mut Session,
    place: &Place,
    tenant: &TenantId,
    job: &Job,
) -> Result<bool, Failure> {
    let transaction = session.client_mut().transaction().await?;
    let client = transaction.client();
    let (before, call) = match job {
        Job::Repair { first, call } => (format!("{} {first}", place.prelude), *call),
        Job::Recreate(tables) => {
            client.batch_execute(&place.prelude).await?;
            recreate(client, tenant, tables).await?;
            (String::new(), Call::Provision)
        }
    };
    let parameters = [(&tenant.as_str() as _, Type::TEXT)];
    // Both are sent before the first is answered, whose failure is the cause of the second's.
    let ((), row) = tokio::try_join!(
        biased;
        client.batch_execute(&before),
        client.query_typed_opt(call.sql(), &parameters)
    )?;
    transaction.commit().await?;
    let is_new = match (call, row) {
        (Call::Provision, Some(row)) => row.try_get(0)?,
        _ => false,
    };
    Ok(is_new || matches!(job, Job::Recreate(_)))
}
