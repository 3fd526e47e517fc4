//! Bootstrap of PostgreSQL: the fleet does the work, as the owner role; this file reads its options and
//! prints its findings.

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

use super::summary::{BootstrapChange, BootstrapSummary, print_checks};
use crate::args::BootstrapArgs;
use crate::config::Settings;
use crate::failure::CommandFailure;
use crate::output::{Output, note};

/// Upper bound of `--workers`: each has a connection.
const MAX_WORKERS: usize = 64;

pub(super) async fn bootstrap_postgres(
    settings: &Settings,
    owner: &PostgresUrl,
    args: &BootstrapArgs,
    tenants: Vec<TenantId>,
    output: &Output,
) -> Result<ExitCode, CommandFailure> {
    let workers = workers(args)?;
    let mut fleet = Fleet::connect(owner, settings.connection_mode()).await?;
    let plan = Plan { serving_roles: serving_roles(settings, args), workers, tenants };
    if args.health_check {
        return print_checks(&checks_of_tenants(&fleet.examine_for(&plan).await?, &plan.tenants), output);
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
    summary(&report).print(plan.tenants.len(), output)
}

/// Exports the listed tenants, prints how to load the export, and creates the tenants again, empty.
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

fn workers(args: &BootstrapArgs) -> Result<usize, CommandFailure> {
    match args.workers {
        Some(number) if !(1..=MAX_WORKERS).contains(&number) => Err(CommandFailure::usage(format!(
            "--workers {number}: the number must be from 1 to {MAX_WORKERS}"
        ))),
        Some(number) => Ok(number),
        None => Ok(default_workers()),
    }
}

/// Returns the serving roles of the flags, else that of the settings.
fn serving_roles(settings: &Settings, args: &BootstrapArgs) -> Vec<String> {
    if args.serving_roles.is_empty() {
        return settings.serving_role().map(str::to_owned).into_iter().collect();
    }
    args.serving_roles.clone()
}

/// Returns one check for the control schema and each tenant that are healthy, and one for each finding.
fn checks_of_tenants(found: &[Finding], tenants: &[TenantId]) -> Vec<Check> {
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
    Check { name: owner_of(finding), problem: Some(problem(finding)) }
}

fn owner_of(finding: &Finding) -> String {
    finding.tenant.as_ref().map_or_else(|| CONTROL_SCHEMA.to_owned(), |tenant| format!("tenant {tenant}"))
}

/// Returns what is wrong, without the name of the tenant.
fn problem(finding: &Finding) -> String {
    Finding { tenant: None, ..finding.clone() }.to_string()
}

fn summary(report: &Report) -> BootstrapSummary {
    let installed = report.installed.then(|| BootstrapChange::new(CONTROL_SCHEMA, "made"));
    let made = report.made.iter().map(|tenant| BootstrapChange::new(format!("tenant {tenant}"), "made"));
    // Schemas that were missing at first and exist now, although this run neither created nor lost them.
    let meanwhile: Vec<_> = report.repaired.iter().filter(|finding| is_schema(finding)).collect();
    let of_others = |finding: &&Finding| meanwhile.iter().any(|other| other.tenant == finding.tenant);
    let made_meanwhile =
        meanwhile.iter().map(|finding| BootstrapChange::new(owner_of(finding), "made by another bootstrap"));
    let repaired =
        report.repaired.iter().filter(|finding| !of_others(finding)).map(|finding| {
            BootstrapChange::new(owner_of(finding), format!("repaired: {}", problem(finding)))
        });
    let lost = report.lost.iter().map(|finding| BootstrapChange::new(owner_of(finding), problem(finding)));
    BootstrapSummary {
        done: installed.into_iter().chain(made).chain(made_meanwhile).chain(repaired).collect(),
        lost: lost.collect(),
        wrong: report.wrong.iter().map(check).collect(),
    }
}

/// Whether the whole schema of a tenant was missing.
fn is_schema(finding: &Finding) -> bool {
    finding.tenant.is_some()
        && finding.kind == FindingKind::Missing
        && matches!(finding.object, DatabaseObject::Schema { .. })
}

/// Creates a progress bar, which is hidden unless standard error is a terminal.
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
