//! The summary of a bootstrap and the findings of its health check, as they are printed.

use std::process::ExitCode;

use context_domain::ports::Check;
use serde_json::{Value, json};

use crate::failure::{CommandFailure, WRONG};
use crate::output::{Output, note, table};

/// The changes that bootstrap made, and what is still wrong.
#[derive(Default)]
pub(super) struct BootstrapSummary {
    pub(super) done: Vec<BootstrapChange>,
    /// Objects that had existed and were created again, empty.
    pub(super) lost: Vec<BootstrapChange>,
    pub(super) wrong: Vec<Check>,
}

/// An object that was changed, and how.
pub(super) struct BootstrapChange {
    pub(super) what: String,
    pub(super) outcome: String,
}

impl BootstrapSummary {
    /// Prints the summary, with a warning for everything that was lost. The exit code is 1 if something is
    /// still wrong.
    pub(super) fn print(&self, tenants: usize, output: &Output) -> Result<ExitCode, CommandFailure> {
        for BootstrapChange { what, outcome } in &self.lost {
            note(&format!("warning: lost: {what}: {outcome}"));
        }
        let changes =
            |list: &[BootstrapChange]| list.iter().map(BootstrapChange::to_json).collect::<Vec<_>>();
        let json = json!({
            "healthy": self.wrong.is_empty(),
            "done": changes(&self.done),
            "lost": changes(&self.lost),
            "wrong": self.wrong.iter().map(check_json).collect::<Vec<_>>(),
        });
        output.data(&json, || self.table(tenants))?;
        Ok(if self.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(WRONG) })
    }

    fn table(&self, tenants: usize) -> String {
        if self.done.is_empty() && self.lost.is_empty() && self.wrong.is_empty() {
            return format!("nothing to do: {tenants} of {tenants} tenants are complete");
        }
        let mut table = table(["what", "outcome"]);
        for BootstrapChange { what, outcome } in &self.done {
            table.add_row([what, outcome]);
        }
        for BootstrapChange { what, outcome } in &self.lost {
            table.add_row([what, &format!("lost: {outcome}")]);
        }
        for check in &self.wrong {
            let problem = check.problem.as_deref().unwrap_or_default();
            table.add_row([check.name.as_str(), &format!("still wrong: {problem}")]);
        }
        table.to_string()
    }
}

impl BootstrapChange {
    pub(super) fn new(what: impl Into<String>, outcome: impl Into<String>) -> Self {
        Self { what: what.into(), outcome: outcome.into() }
    }

    fn to_json(&self) -> Value {
        json!({"what": self.what, "outcome": self.outcome})
    }
}

/// Prints the checks of a health check. The exit code is 1 if one found something wrong.
pub(super) fn print_checks(checks: &[Check], output: &Output) -> Result<ExitCode, CommandFailure> {
    let healthy = checks.iter().all(|check| check.problem.is_none());
    let json = json!({"healthy": healthy, "checks": checks.iter().map(check_json).collect::<Vec<_>>()});
    output.data(&json, || {
        let mut table = table(["check", "finding"]);
        for check in checks {
            table.add_row([check.name.as_str(), check.problem.as_deref().unwrap_or("healthy")]);
        }
        table.to_string()
    })?;
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::from(WRONG) })
}

fn check_json(check: &Check) -> Value {
    json!({"name": check.name, "problem": check.problem})
}
