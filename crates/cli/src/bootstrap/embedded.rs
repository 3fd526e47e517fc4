//! Bootstrap of the embedded store: opening creates the store, so only the listed tenants remain to be
//! created.

use std::process::ExitCode;

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_domain::ports::Check;
use context_domain::service::Service;

use super::summary::{BootstrapChange, BootstrapSummary, print_checks};
use crate::args::BootstrapArgs;
use crate::caller::operator;
use crate::config::Settings;
use crate::failure::CommandFailure;
use crate::output::Output;
use crate::store::open_service;

pub(super) async fn bootstrap_embedded(
    settings: &Settings,
    args: &BootstrapArgs,
    tenants: &[TenantId],
    output: &Output,
) -> Result<ExitCode, CommandFailure> {
    refuse_postgresql_flags(args)?;
    let service = open_service(&settings.operating()?).await?.service;
    if args.health_check {
        return print_checks(&checks_of_tenants(&service, tenants).await, output);
    }
    let mut summary = BootstrapSummary::default();
    for tenant in tenants {
        match service.create_tenant(&operator(), tenant).await {
            Ok(tenant) => summary.done.push(BootstrapChange::new(format!("tenant {}", tenant.id), "made")),
            Err(Error::TenantExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let checks = checks_of_tenants(&service, tenants).await;
    summary.wrong.extend(checks.into_iter().filter(|check| check.problem.is_some()));
    summary.print(tenants.len(), output)
}

/// Returns the checks of the store and of these tenants; a tenant that does not exist has a problem.
async fn checks_of_tenants(service: &Service, tenants: &[TenantId]) -> Vec<Check> {
    let all = service.health().await.checks;
    let names: Vec<_> = tenants.iter().map(|tenant| format!("tenant {tenant}")).collect();
    let is_known = |name: &String| all.iter().any(|check| check.name == *name);
    let missing = names.iter().filter(|name| !is_known(name)).map(|name| Check {
        name: name.clone(),
        problem: Some("the tenant does not exist: bootstrap creates it".to_owned()),
    });
    let missing: Vec<_> = missing.collect();
    let listed =
        all.into_iter().filter(|check| !check.name.starts_with("tenant ") || names.contains(&check.name));
    listed.chain(missing).collect()
}

fn refuse_postgresql_flags(args: &BootstrapArgs) -> Result<(), CommandFailure> {
    let flags = [
        ("--force-recreate", args.force_recreate),
        ("--serving-role", !args.serving_roles.is_empty()),
        ("--workers", args.workers.is_some()),
    ];
    match flags.into_iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(CommandFailure::usage(format!(
            "{name} is for PostgreSQL, but the store is the embedded one, a folder: leave it out, or name \
             PostgreSQL with DATABASE_URL or --store"
        ))),
        None => Ok(()),
    }
}
