//! PostgreSQL: the fleet does the work, as the owner; here it is told what to do and its findings are told to people.

use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::process::ExitCode;

use context_domain::clock::{Clock, SystemClock};
use context_domain::error::Error;
use context_domain::id::TenantId;
use context_domain::ports::Check;
use context_fleet::{DatabaseObject, Finding, FindingKind, Fleet, Plan, Progress, Report, default_workers};
use context_store::postgres::PostgresUrl;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::work::{Done, Work, findings};
use crate::args::BootstrapArgs;
use crate::config::Settings;
use crate::failure::Failure;
use crate::output::{Output, note};

/// Workers at the most, whatever is asked for: each is a connection.
const MAX_WORKERS: usize = 64;

pub(super) async fn run(
    settings: &Settings,
    owner: &PostgresUrl,
    args: &BootstrapArgs,
    tenants: Vec<TenantId>,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let workers = workers(args)?;
    let mut fleet = Fleet::connect(owner, settings.connection_mode()).await?;
    let plan = Plan { serving_roles: serving_roles(settings, args), workers, tenants };
    if args.health_check {
        return findings(&checks(&fleet.examine_for(&plan).await?, &plan.tenants), output);
    }
    let bar = progress_bar();
    let mut show = |progress: Progress| {
        bar.set_length(u64::try_from(progress.of).unwrap_or(u64::MAX));
        bar.set_position(u64::try_from(progress.done).unwrap_or(u64::MAX));
    };
    let report = if args.force_recreate {
        recreate(&mut fleet, owner, &plan, args.export_dir.as_ref(), &mut show).await
    } else {
        fleet.bootstrap(&plan, &mut show).await
    };
    bar.finish_and_clear();
    let report = report?;
    for notice in &report.notices {
        note(&format!("notice: {notice}"));
    }
    work(&report).report(plan.tenants.len(), output)
}

/// Exports the listed tenants, says how they come back, and makes them anew.
async fn recreate(
    fleet: &mut Fleet,
    owner: &PostgresUrl,
    plan: &Plan,
    folder: Option<&PathBuf>,
    show: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, Error> {
    let folder = folder.cloned().unwrap_or_else(|| {
        let digits: String =
            SystemClock.now().to_string().chars().filter(char::is_ascii_alphanumeric).collect();
        PathBuf::from(format!("context-service-export-{digits}"))
    });
    let export = fleet.export(&plan.tenants, &folder).await?;
    note(&format!(
        "exported {} rows to {folder}; to load them back: (cd '{folder}' && psql '{owner}' -f load.sql)",
        export.rows,
        folder = export.folder.display(),
    ));
    fleet.recreate(&export, plan, show).await
}

fn workers(args: &BootstrapArgs) -> Result<usize, Failure> {
    match args.workers {
        Some(number) if !(1..=MAX_WORKERS).contains(&number) => {
            Err(Failure::usage(format!("--workers {number}: 1 to {MAX_WORKERS} are possible")))
        }
        Some(number) => Ok(number),
        None => Ok(default_workers()),
    }
}

/// The roles of the flags, else the one that serves by the settings.
fn serving_roles(settings: &Settings, args: &BootstrapArgs) -> Vec<String> {
    if args.serving_roles.is_empty() {
        return settings.serving_role().map(str::to_owned).into_iter().collect();
    }
    args.serving_roles.clone()
}

/// One entry for the control schema and for each tenant that is healthy, and one for each thing that is wrong.
fn checks(found: &[Finding], tenants: &[TenantId]) -> Vec<Check> {
    let mut checks = Vec::new();
    if found.iter().all(|finding| finding.tenant.is_some()) {
        checks.push(Check { name: CONTROL_SCHEMA.to_owned(), problem: None });
    }
    checks.extend(found.iter().map(check));
    let healthy =
        tenants.iter().filter(|tenant| found.iter().all(|finding| finding.tenant.as_ref() != Some(tenant)));
    checks.extend(healthy.map(|tenant| Check { name: format!("tenant {tenant}"), problem: None }));
    checks
}

const CONTROL_SCHEMA: &str = "control schema";

fn check(finding: &Finding) -> Check {
    Check { name: owner_of(finding), problem: Some(what(finding)) }
}

fn owner_of(finding: &Finding) -> String {
    finding.tenant.as_ref().map_or_else(|| CONTROL_SCHEMA.to_owned(), |tenant| format!("tenant {tenant}"))
}

/// What is wrong, without the name of the tenant.
fn what(finding: &Finding) -> String {
    Finding { tenant: None, ..finding.clone() }.to_string()
}

fn work(report: &Report) -> Work {
    let installed =
        report.installed.then(|| Done { what: CONTROL_SCHEMA.to_owned(), outcome: "made".to_owned() });
    let made = report
        .made
        .iter()
        .map(|tenant| Done { what: format!("tenant {tenant}"), outcome: "made".to_owned() });
    // What was not there at all, and is now, without our having made it or lost it.
    let meanwhile: Vec<_> = report.repaired.iter().filter(|finding| is_schema(finding)).collect();
    let of_others = |finding: &&Finding| meanwhile.iter().any(|other| other.tenant == finding.tenant);
    let made_meanwhile = meanwhile
        .iter()
        .map(|finding| Done { what: owner_of(finding), outcome: "made by another bootstrap".to_owned() });
    let repaired = report
        .repaired
        .iter()
        .filter(|finding| !of_others(finding))
        .map(|finding| Done { what: owner_of(finding), outcome: format!("repaired: {}", what(finding)) });
    let lost = report.lost.iter().map(|finding| Done { what: owner_of(finding), outcome: what(finding) });
    Work {
        done: installed.into_iter().chain(made).chain(made_meanwhile).chain(repaired).collect(),
        lost: lost.collect(),
        wrong: report.wrong.iter().map(check).collect(),
    }
}

/// Whether a tenant's schema as a whole was missing.
fn is_schema(finding: &Finding) -> bool {
    finding.tenant.is_some()
        && finding.kind == FindingKind::Missing
        && matches!(finding.object, DatabaseObject::Schema { .. })
}

/// A bar for people at a terminal, and nothing for anybody else.
fn progress_bar() -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{wide_bar} {pos}/{len} tenants") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
