//! The embedded store makes itself when it is opened; what bootstrap adds is the listed tenants.

use std::process::ExitCode;

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_domain::ports::Check;
use context_domain::service::Service;

use super::work::{Done, Work, findings};
use crate::args::BootstrapArgs;
use crate::config::Settings;
use crate::failure::Failure;
use crate::operator;
use crate::output::Output;
use crate::store::open;

pub(super) async fn run(
    settings: &Settings,
    args: &BootstrapArgs,
    tenants: &[TenantId],
    output: &Output,
) -> Result<ExitCode, Failure> {
    refuse_what_is_not_honoured(args)?;
    let service = open(&settings.operating()?).await?.service;
    if args.health_check {
        return findings(&checks(&service, tenants).await, output);
    }
    let mut work = Work::default();
    for tenant in tenants {
        match service.create_tenant(&operator(), tenant).await {
            Ok(tenant) => {
                work.done.push(Done { what: format!("tenant {}", tenant.id), outcome: "made".to_owned() });
            }
            Err(Error::TenantExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    work.wrong.extend(checks(&service, tenants).await.into_iter().filter(|check| check.problem.is_some()));
    work.report(tenants.len(), output)
}

/// What is wrong with the store, and with each of the tenants.
async fn checks(service: &Service, tenants: &[TenantId]) -> Vec<Check> {
    let all = service.health().await.checks;
    let of_tenants: Vec<_> = tenants.iter().map(|tenant| (tenant, format!("tenant {tenant}"))).collect();
    let known = |name: &String| all.iter().any(|check| check.name == *name);
    let missing = of_tenants.iter().filter(|(_, name)| !known(name)).map(|(_, name)| Check {
        name: name.clone(),
        problem: Some("there is no such tenant: bootstrap makes it".to_owned()),
    });
    let missing: Vec<_> = missing.collect();
    let listed = all.into_iter().filter(|check| {
        !check.name.starts_with("tenant ") || of_tenants.iter().any(|(_, name)| *name == check.name)
    });
    listed.chain(missing).collect()
}

fn refuse_what_is_not_honoured(args: &BootstrapArgs) -> Result<(), Failure> {
    let flags = [
        ("--force-recreate", args.force_recreate),
        ("--serving-role", !args.serving_roles.is_empty()),
        ("--workers", args.workers.is_some()),
    ];
    match flags.into_iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Failure::usage(format!(
            "{name} is for PostgreSQL, and the store is the embedded one, a folder: leave it out, or name PostgreSQL with \
             DATABASE_URL or --store"
        ))),
        None => Ok(()),
    }
}
