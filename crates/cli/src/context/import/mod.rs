//! `context import`: a folder of documents, or what a repository tells agents, into the tree.

mod apply;
mod folder;
mod found;
mod markdown;
mod plan;
mod report;
mod repository;
mod undo;

use std::process::ExitCode;

use context_domain::service::Service;

use super::caller_in;
use crate::args::ImportArgs;
use crate::failure::{Failure, WRONG};
use crate::output::{Output, note};
use crate::tenant::tenant_id;

pub(super) async fn run(service: &Service, args: &ImportArgs, output: &Output) -> Result<ExitCode, Failure> {
    let caller = caller_in(tenant_id(&args.tenant)?);
    let found = match (&args.from_repo, &args.project, &args.folder) {
        (Some(path), Some(project), _) => repository::read(path, project, args.branch.as_ref())?,
        (_, _, Some(path)) => folder::read(path)?,
        _ => return Err(Failure::usage("name a folder, or a repository with --from-repo and --project")),
    };
    for ignored in &found.ignored {
        note(&format!("ignored: {ignored}"));
    }
    let planned = plan::plan(service, &caller, found.nodes).await?;
    let items = apply::apply(service, &caller, planned, args).await;
    let report = report::Report { dry_run: args.dry_run, ignored: found.ignored, items };
    report.print(output)?;
    Ok(if report.is_healthy() { ExitCode::SUCCESS } else { ExitCode::from(WRONG) })
}
