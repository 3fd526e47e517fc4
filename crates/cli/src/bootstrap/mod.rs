//! `bootstrap`: makes an installation, or repairs it, or tells what is wrong with it.

mod embedded;
mod postgres;
mod work;

use std::process::ExitCode;

use context_domain::id::TenantId;

use crate::args::BootstrapArgs;
use crate::config::{Settings, tenants};
use crate::failure::Failure;
use crate::output::Output;

/// The tenant that there is where nobody names one.
const DEFAULT_TENANT: &str = "default";

pub(crate) async fn run(
    settings: &Settings,
    args: &BootstrapArgs,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let tenants = listed(settings, args)?;
    match settings.owner() {
        Some(owner) => postgres::run(settings, owner, args, tenants, output).await,
        None => embedded::run(settings, args, &tenants, output).await,
    }
}

/// The tenants that the command is about: those of the flags, else those of the settings, else `default`.
fn listed(settings: &Settings, args: &BootstrapArgs) -> Result<Vec<TenantId>, Failure> {
    let named: Vec<_> = args.tenant_id.iter().chain(&args.tenant_ids).map(String::as_str).collect();
    match (named.is_empty(), &settings.tenant_ids) {
        (false, _) => tenants(named.into_iter(), "--tenant-ids"),
        (true, Some(tenants)) => Ok(tenants.clone()),
        (true, None) => tenants(std::iter::once(DEFAULT_TENANT), "--tenant-ids"),
    }
}
