//! `context import`: loads a folder of documents, or a repository's instructions for agents, into the tree.

mod apply;
mod folder;
mod markdown;
mod outcome;
mod plan;
mod report;
mod repository;
mod source;
mod undo;

use std::process::ExitCode;

use context_domain::service::Service;

use crate::args::ImportArgs;
use crate::caller::{tenant_caller, tenant_id};
use crate::failure::{CommandFailure, WRONG};
use crate::output::{Output, note};

pub(super) async fn run_import(
    service: &Service,
    args: &ImportArgs,
    output: &Output,
) -> Result<ExitCode, CommandFailure> {
    let caller = tenant_caller(tenant_id(&args.tenant)?);
    let source = match (&args.from_repo, &args.project, &args.folder) {
        (Some(path), Some(project), _) => repository::read_repository(path, project, args.branch.as_ref())?,
        (_, _, Some(path)) => folder::read_folder(path)?,
        _ => {
            return Err(CommandFailure::usage(
                "name a folder, or a repository with --from-repo and --project",
            ));
        }
    };
    for ignored in &source.ignored {
        note(&format!("ignored: {ignored}"));
    }
    let planned = plan::plan_import(service, &caller, source.nodes).await?;
    let items = apply::apply_plan(service, &caller, planned, args).await;
    let report = report::ImportReport { dry_run: args.dry_run, ignored: source.ignored, items };
    report.print(output)?;
    Ok(if report.is_success() { ExitCode::SUCCESS } else { ExitCode::from(WRONG) })
}
