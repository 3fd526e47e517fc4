//! `bootstrap`: creates an installation, repairs it, or checks it.

mod embedded;
mod postgres;
mod summary;

use std::process::ExitCode;

use context_domain::id::TenantId;

use crate::args::{BootstrapArgs, DEFAULT_TENANT};
use crate::config::{Settings, parse_tenants};
use crate::failure::CommandFailure;
use crate::output::Output;

pub(crate) async fn run_bootstrap(
    settings: &Settings,
    args: &BootstrapArgs,
    output: &Output,
) -> Result<ExitCode, CommandFailure> {
    let tenants = listed_tenants(settings, args)?;
    match settings.owner() {
        Some(owner) => postgres::bootstrap_postgres(settings, owner, args, tenants, output).await,
        None => embedded::bootstrap_embedded(settings, args, &tenants, output).await,
    }
}

/// Returns the tenants that the command is about: those of the flags, else those of the settings, else
/// `default`.
fn listed_tenants(settings: &Settings, args: &BootstrapArgs) -> Result<Vec<TenantId>, CommandFailure> {
    let named: Vec<_> = args.tenant_id.iter().chain(&args.tenant_ids).map(String::as_str).collect();
    match (named.is_empty(), &settings.tenant_ids) {
        (false, _) => parse_tenants(named.into_iter(), "--tenant-ids"),
        (true, Some(tenants)) => Ok(tenants.clone()),
        (true, None) => parse_tenants(std::iter::once(DEFAULT_TENANT), "--tenant-ids"),
    }
}
