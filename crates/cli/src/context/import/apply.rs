//! Writes the nodes of an import, one after the other, global first.

use std::io::{IsTerminal, stderr};

use context_domain::access::Caller;
use context_domain::context::{Context, Etag};
use context_domain::error::Error;
use context_domain::service::{Condition, Service, WriteOptions};
use context_domain::tree::{Address, Scope};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value};

use super::outcome::{ImportItem, ImportOutcome};
use super::plan::{ImportPlan, ImportStep, PlannedNode};
use super::source::{FileRefusal, SourceFiles};
use super::undo::{DoneWrite, undo_writes};
use crate::args::ImportArgs;

/// Carries out the plan; in a dry run, only reports what would be written.
pub(super) async fn apply_plan(
    service: &Service,
    caller: &Caller,
    plan: ImportPlan,
    args: &ImportArgs,
) -> Vec<ImportItem> {
    let refused = plan.nodes.iter().any(|node| node.step.is_err());
    let hold_back = args.atomic && refused;
    let writes = plan.nodes.iter().filter(|node| matches!(node.step, Ok(ImportStep::Write(_)))).count();
    let mut items = Vec::new();
    if args.dry_run || hold_back {
        items.extend(plan.nodes.into_iter().map(|node| {
            let outcome = match &node.step {
                Ok(ImportStep::Write(_)) if hold_back => ImportOutcome::HeldBack,
                Ok(ImportStep::Write(_)) => write_outcome(&node),
                Ok(ImportStep::Nothing) => ImportOutcome::Unchanged,
                Err(wrong) => ImportOutcome::Refused(wrong.clone()),
            };
            ImportItem { scope: node.scope, files: node.files, outcome }
        }));
        return items;
    }
    let progress = progress_bar(writes);
    let mut done = Vec::new();
    let mut stopped = false;
    for node in plan.nodes {
        let wrote = write_outcome(&node);
        let PlannedNode { scope, files, existing, step } = node;
        let outcome = match step {
            Err(wrong) => ImportOutcome::Refused(wrong),
            Ok(ImportStep::Nothing) => ImportOutcome::Unchanged,
            Ok(ImportStep::Write(_)) if stopped => ImportOutcome::HeldBack,
            Ok(ImportStep::Write(body)) => {
                match write_node(service, caller, &scope, existing.as_deref(), body).await {
                    Ok(etag) => {
                        done.push(DoneWrite {
                            item: items.len(),
                            scope: scope.clone(),
                            etag,
                            before: existing,
                        });
                        wrote
                    }
                    Err(error) => {
                        // A refusal concerns one node; a failure of the store concerns all that follow.
                        stopped = args.atomic || error.is_failure();
                        ImportOutcome::Refused(refusals(&files, &error))
                    }
                }
            }
        };
        progress.inc(1);
        items.push(ImportItem { scope, files, outcome });
    }
    progress.finish_and_clear();
    if stopped && args.atomic {
        undo_writes(service, caller, done, &plan.missing_above, &mut items).await;
    }
    items
}

/// Returns the outcome of a successful write of the node.
fn write_outcome(node: &PlannedNode) -> ImportOutcome {
    match &node.existing {
        Some(context) if context.version > 0 => ImportOutcome::Replaced,
        _ => ImportOutcome::Created,
    }
}

/// Writes a node over the version that was read, or where nothing was written before.
async fn write_node(
    service: &Service,
    caller: &Caller,
    scope: &Scope,
    existing: Option<&Context>,
    body: Map<String, Value>,
) -> Result<Etag, Error> {
    let condition = match existing {
        Some(context) if context.version > 0 => Condition::IsOneOf(vec![context.etag()]),
        _ => Condition::Absent,
    };
    let options = WriteOptions { condition, ..WriteOptions::default() };
    let written = service.put(caller, &Address::Scope(scope.clone()), body, options).await?;
    Ok(written.etag)
}

fn refusals(files: &SourceFiles, error: &Error) -> Vec<FileRefusal> {
    if error.faults().is_empty() {
        return vec![FileRefusal::whole(&files.document, error.to_string())];
    }
    error.faults().iter().map(|fault| files.refusal(fault.clone())).collect()
}

/// Creates a progress bar, which is hidden unless standard error is a terminal.
fn progress_bar(writes: usize) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(u64::try_from(writes).ok(), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{wide_bar} {pos}/{len} contexts") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
