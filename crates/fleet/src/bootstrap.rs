//! Bootstrap: makes what an installation lacks, repairs what can be repaired, and says what cannot.

use std::collections::BTreeSet;

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_store::postgres::identifier;
use tokio_postgres::Client;

use crate::control::{self, LEDGER};
use crate::examine::{Found, look};
use crate::failure::{Failure, Place};
use crate::findings::{Finding, Kind};
use crate::fleet::Fleet;
use crate::functions::{self, FUNCTIONS};
use crate::jobs::{self, Job, MAX_ATTEMPTS, PAUSE};
use crate::migrations::CONTROL;
use crate::workers::{self, Progress};
use crate::{ledger, roles};

/// What an installation is to have.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The tenants that must be there. Others are left alone.
    pub tenants: Vec<TenantId>,
    /// Roles that serve, beside those that are recorded already.
    pub serving_roles: Vec<String>,
    /// Tenants that are worked on at the same time: [`default_workers`].
    pub workers: usize,
}

/// What bootstrap did, and what it could not do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether the control schema was made: there was none.
    pub installed: bool,
    /// Tenants that were made.
    pub made: Vec<TenantId>,
    /// What was wrong and is right again.
    pub repaired: Vec<Finding>,
    /// What was there once and was made anew, empty.
    pub lost: Vec<Finding>,
    /// What is wrong still.
    pub wrong: Vec<Finding>,
    /// What else people should know.
    pub notices: Vec<String>,
}

/// The most workers that nobody asked for.
const MAX_DEFAULT_WORKERS: usize = 8;
/// New tenants after which the catalogs are analyzed: until then the planner takes them for as small as they were.
const MASS: usize = 50;
/// Findings that a refusal names before it only counts them: one edited file is found in each tenant.
const MAX_NAMED: usize = 5;
/// The key of the lock that two who change the control schema take in turns, for their transaction.
const CONTROL_LOCK: i64 = 0x0063_7478_6374_726c;

/// How many tenants are worked on at the same time where nobody says how many.
pub fn default_workers() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (2 * cores).min(MAX_DEFAULT_WORKERS)
}

impl Fleet {
    /// Brings the installation to what `plan` says. Where everything is as it should be, nothing is done. Safe to repeat,
    /// and safe beside another bootstrap.
    ///
    /// # Errors
    /// [`Error::Unavailable`], naming host, user and database and what to do, where nothing could be done: the database
    /// does not answer, the role lacks a privilege, a table of another system's is in the way, or a migration was
    /// edited. What went wrong with single tenants is in the report.
    pub async fn bootstrap(
        &mut self,
        plan: &Plan,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Report, Error> {
        let serving = self.serving_roles(plan).await?;
        let found = self.look(&plan.tenants, &serving, &[]).await?;
        self.refuse_strangers(&found)?;
        let mut report = Report::default();
        if found.control.is_empty() && found.tenants.is_empty() {
            return Ok(report);
        }
        self.prepare_to_write().await?;
        if !found.control.is_empty() {
            report.notices = self.bootstrap_control(&serving).await?;
            report.installed = found.is_absent;
        }
        let jobs = jobs::of(&plan.tenants, &found);
        let (made, refused) = self.run_jobs(plan.workers, jobs, progress).await?;
        report.made = made;
        if report.made.len() >= MASS {
            self.analyze_catalogs().await?;
        }
        let after = self.look(&plan.tenants, &serving, &report.made).await?.findings();
        report.settle(&found, after, refused);
        Ok(report)
    }

    /// Does the jobs; who was made by that, and whose was refused.
    pub(crate) async fn run_jobs(
        &self,
        workers: usize,
        jobs: Vec<(TenantId, Job)>,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(Vec<TenantId>, Vec<Finding>), Error> {
        let (mut made, mut refused) = (Vec::new(), Vec::new());
        for (tenant, result) in workers::run(self, workers, jobs, progress).await? {
            match result {
                Ok(true) => made.push(tenant),
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(%tenant, error = &error as &dyn std::error::Error, "a tenant was not looked after");
                    let why = error.to_string();
                    refused.push(Finding::of_tenant(&tenant, "the schema", Kind::Refused { why }));
                }
            }
        }
        made.sort();
        refused.sort();
        Ok((made, refused))
    }

    /// The plan's serving roles, the owner aside, which needs no grants.
    pub(crate) async fn serving_roles(&self, plan: &Plan) -> Result<Vec<String>, Error> {
        let failed = |error| self.place().failed("look up the serving roles", error);
        let unknown = roles::unknown(self.client(), &plan.serving_roles).await.map_err(failed)?;
        if let Some(role) = unknown.first() {
            let role = identifier(role);
            return Err(self.place().refused(&format!(
                "there is no role {role} that could serve: CREATE ROLE {role} LOGIN PASSWORD '…'; and try again"
            )));
        }
        let others = plan.serving_roles.iter().filter(|role| **role != self.place().user);
        Ok(others.cloned().collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// Stops before anything that people must look at.
    fn refuse_strangers(&self, found: &Found) -> Result<(), Error> {
        let refusals = found.refusals();
        let Some(first) = refusals.first() else { return Ok(()) };
        let advice = match first.kind {
            Kind::Newer { .. } => "a newer version of this service was here: use that version or a later one",
            Kind::Edited { .. } => {
                "an applied migration must not be edited: put its file back as it was, and make a new migration for what is to change"
            }
            _ => "it is not this service's: rename it, or name a database that is the service's own",
        };
        let named: Vec<String> = refusals.iter().take(MAX_NAMED).map(ToString::to_string).collect();
        let more = match refusals.len().saturating_sub(named.len()) {
            0 => String::new(),
            more => format!("; and {more} findings more of that kind"),
        };
        Err(self.place().refused(&format!("{}{more}: {advice}; nothing was changed", named.join("; "))))
    }

    /// Makes or repairs the control schema, the functions and the serving roles' rights on them, in one transaction; again
    /// where others were in the way. What people should know of it.
    async fn bootstrap_control(&mut self, serving: &[String]) -> Result<Vec<String>, Error> {
        let place = self.place().clone();
        let mut attempt = 1;
        loop {
            match make_control(self.session.client_mut(), &place, serving).await {
                Ok(notices) => return Ok(notices),
                Err(failure) if failure.is_passing() && attempt < MAX_ATTEMPTS => {
                    tracing::warn!(attempt, ?failure, "others are in the way of the control schema");
                    attempt += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(failure) => return Err(place.not_done("make the control schema", failure)),
            }
        }
    }

    /// Has the server count its catalogs, if this role may.
    async fn analyze_catalogs(&self) -> Result<(), Error> {
        let failed = |error| self.place().failed("analyze the catalogs", error);
        let sql = "SELECT rolsuper OR pg_has_role(datdba, 'USAGE') FROM pg_roles, pg_database
                   WHERE rolname = current_user AND datname = current_database()";
        let row = self.client().query_typed_one(sql, &[]).await.map_err(failed)?;
        if !row.try_get::<_, bool>(0).map_err(failed)? {
            tracing::warn!(
                "the catalogs were not analyzed, because that is the database owner's right: until autovacuum does it, \
                 looking at many tenants may be slow"
            );
            return Ok(());
        }
        // What counts is how many rows there are: a sample of a tenth tells that as well, in a fifth of the time.
        let statements = "BEGIN; SET LOCAL default_statistics_target = 10; \
             ANALYZE pg_catalog.pg_attribute, pg_catalog.pg_class, pg_catalog.pg_constraint, pg_catalog.pg_depend, \
                     pg_catalog.pg_index, pg_catalog.pg_namespace, pg_catalog.pg_trigger; COMMIT";
        self.client().batch_execute(statements).await.map_err(failed)
    }
}

/// Looks at the installation as a whole once more, and makes what is wrong with it, in one transaction.
async fn make_control(
    client: &mut Client,
    place: &Place,
    serving: &[String],
) -> Result<Vec<String>, Failure> {
    let transaction = client.transaction().await?;
    let client = transaction.client();
    let prelude = format!("{} SELECT pg_advisory_xact_lock({CONTROL_LOCK});", place.prelude);
    client.batch_execute(&prelude).await?;
    // Another bootstrap may have been here while this one waited.
    let found = look(client, &[], serving).await?;
    let mut notices = Vec::new();
    if found.control.iter().any(|finding| finding.kind == Kind::Legacy) {
        control::rename_legacy_ledger(client).await?;
        notices.push(format!(
            "the table public.{LEDGER} was an older system's: it is now public.{LEDGER}_legacy"
        ));
    }
    for finding in found.control.iter().filter(|finding| finding.kind == Kind::Another) {
        // What has other names for its arguments, or another result, cannot be replaced where it stands.
        if let Some(function) = finding.object.strip_prefix("the function ") {
            client.batch_execute(&format!("DROP FUNCTION {function}")).await?;
        }
    }
    // The migrations call a function.
    for function in FUNCTIONS {
        client.batch_execute(&function.statement()).await?;
    }
    client.batch_execute(functions::REVOKE).await?;
    for migration in CONTROL {
        client.batch_execute(migration.up).await?;
        ledger::record_control(client, migration).await?;
    }
    notices.extend(admit_roles(client, serving).await?);
    notices.extend(roles::advice_on_public(client).await?);
    transaction.commit().await?;
    Ok(notices)
}

/// Grants the serving roles what they need of `public`, and forgets those that are gone.
async fn admit_roles(client: &Client, serving: &[String]) -> Result<Vec<String>, tokio_postgres::Error> {
    let mut notices = Vec::new();
    for (role, is_there) in roles::recorded(client).await? {
        if is_there {
            roles::admit(client, &role).await?;
        } else {
            roles::forget(client, &role).await?;
            notices.push(format!("the serving role {role} is gone: it is no longer recorded"));
        }
    }
    for role in serving {
        roles::admit(client, role).await?;
    }
    Ok(notices)
}

impl Report {
    /// Tells what was repaired from what was lost and what is wrong still.
    fn settle(&mut self, found: &Found, after: Vec<Finding>, refused: Vec<Finding>) {
        let of_control = found.control.iter().filter(|_| !found.is_absent);
        let (still, made): (BTreeSet<_>, BTreeSet<_>) = (after.iter().collect(), self.made.iter().collect());
        for finding in of_control.chain(&found.tenants) {
            if still.contains(finding) {
                continue;
            }
            let is_new = finding.tenant.as_ref().is_some_and(|tenant| made.contains(tenant));
            if jobs::is_loss(finding, found) {
                self.lost.push(jobs::as_loss(finding));
            } else if !is_new {
                self.repaired.push(finding.clone());
            }
        }
        self.wrong = refused;
        self.wrong.extend(after);
    }
}
