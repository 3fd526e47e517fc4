//! What bootstrap found, did and could not do, as it is told.

use std::process::ExitCode;

use context_domain::ports::Check;
use serde_json::{Value, json};

use crate::failure::{Failure, WRONG};
use crate::output::{Output, note, table};

/// What was done, and what is wrong all the same.
#[derive(Default)]
pub(super) struct Work {
    pub(super) done: Vec<Done>,
    /// What was there once and was made anew, empty.
    pub(super) lost: Vec<Done>,
    pub(super) wrong: Vec<Check>,
}

/// Something that was changed, and how.
pub(super) struct Done {
    pub(super) what: String,
    pub(super) outcome: String,
}

impl Work {
    /// Prints it: what was lost as a warning. Exits 1 if something stays wrong.
    pub(super) fn report(&self, tenants: usize, output: &Output) -> Result<ExitCode, Failure> {
        for Done { what, outcome } in &self.lost {
            note(&format!("warning: lost: {what}: {outcome}"));
        }
        let done = |done: &[Done]| done.iter().map(Done::to_json).collect::<Vec<_>>();
        let json = json!({
            "healthy": self.wrong.is_empty(),
            "done": done(&self.done),
            "lost": done(&self.lost),
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
        for Done { what, outcome } in &self.done {
            table.add_row([what, outcome]);
        }
        for Done { what, outcome } in &self.lost {
            table.add_row([what, &format!("lost: {outcome}")]);
        }
        for check in &self.wrong {
            let problem = check.problem.as_deref().unwrap_or_default();
            table.add_row([check.name.as_str(), &format!("still wrong: {problem}")]);
        }
        table.to_string()
    }
}

impl Done {
    fn to_json(&self) -> Value {
        json!({"what": self.what, "outcome": self.outcome})
    }
}

/// Prints what was looked at, and exits 1 if something is wrong.
pub(super) fn findings(checks: &[Check], output: &Output) -> Result<ExitCode, Failure> {
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
