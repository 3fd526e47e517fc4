//! Carrying an import out, node after node, global first.

use std::io::{IsTerminal, stderr};

use context_domain::access::Caller;
use context_domain::context::{Context, Etag};
use context_domain::error::Error;
use context_domain::service::{Condition, Service, WriteOptions};
use context_domain::tree::{Address, Scope};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value};

use super::found::{Files, Wrong};
use super::plan::{Plan, Planned, Step};
use super::undo::{Done, undo};
use crate::args::ImportArgs;

/// A node and what became of it.
pub(super) struct Item {
    pub(super) scope: Scope,
    pub(super) files: Files,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    Created,
    Replaced,
    Unchanged,
    Refused(Vec<Wrong>),
    /// It was not tried, because something else failed.
    HeldBack,
    /// It was written, and put back.
    Undone,
    /// It was written, and could not be put back.
    Left(String),
}

/// Does what is planned, or in a dry run says what would be done.
pub(super) async fn apply(service: &Service, caller: &Caller, plan: Plan, args: &ImportArgs) -> Vec<Item> {
    let refused = plan.nodes.iter().any(|node| node.step.is_err());
    let hold_back = args.atomic && refused;
    let writes = plan.nodes.iter().filter(|node| matches!(node.step, Ok(Step::Write(_)))).count();
    let mut items = Vec::new();
    if args.dry_run || hold_back {
        items.extend(plan.nodes.into_iter().map(|node| {
            let outcome = match &node.step {
                Ok(Step::Write(_)) if hold_back => Outcome::HeldBack,
                Ok(Step::Write(_)) => written(&node),
                Ok(Step::Nothing) => Outcome::Unchanged,
                Err(wrong) => Outcome::Refused(wrong.clone()),
            };
            Item { scope: node.scope, files: node.files, outcome }
        }));
        return items;
    }
    let progress = progress(writes);
    let mut done = Vec::new();
    let mut stopped = false;
    for node in plan.nodes {
        let wrote = written(&node);
        let Planned { scope, files, existing, step } = node;
        let outcome = match step {
            Err(wrong) => Outcome::Refused(wrong),
            Ok(Step::Nothing) => Outcome::Unchanged,
            Ok(Step::Write(_)) if stopped => Outcome::HeldBack,
            Ok(Step::Write(body)) => match write(service, caller, &scope, existing.as_deref(), body).await {
                Ok(etag) => {
                    done.push(Done { item: items.len(), scope: scope.clone(), etag, before: existing });
                    wrote
                }
                Err(error) => {
                    // A refusal is about one node; a failure of the store is about all that follow.
                    stopped = args.atomic || error.is_failure();
                    Outcome::Refused(wrongs(&files, &error))
                }
            },
        };
        progress.inc(1);
        items.push(Item { scope, files, outcome });
    }
    progress.finish_and_clear();
    if stopped && args.atomic {
        undo(service, caller, done, &plan.missing_above, &mut items).await;
    }
    items
}

/// What a write of the node is called.
fn written(node: &Planned) -> Outcome {
    match &node.existing {
        Some(context) if context.version > 0 => Outcome::Replaced,
        _ => Outcome::Created,
    }
}

/// Writes over just what was read, or where nobody had written.
async fn write(
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

fn wrongs(files: &Files, error: &Error) -> Vec<Wrong> {
    if error.faults().is_empty() {
        return vec![Wrong::whole(&files.document, error.to_string())];
    }
    error.faults().iter().map(|fault| files.wrong(fault.clone())).collect()
}

/// A bar for people at a terminal, and nothing for anybody else.
fn progress(writes: usize) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(u64::try_from(writes).ok(), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{wide_bar} {pos}/{len} contexts") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
