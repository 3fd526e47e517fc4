//! The report of an import, for people and for programs.

use serde_json::{Map, Value, json};

use super::outcome::{ImportItem, ImportOutcome};
use super::source::FileRefusal;
use crate::failure::CommandFailure;
use crate::output::{Output, note, table};

pub(super) struct ImportReport {
    pub(super) dry_run: bool,
    pub(super) ignored: Vec<String>,
    pub(super) items: Vec<ImportItem>,
}

/// The outcomes that are always printed.
const ALWAYS: [&str; 4] = ["created", "replaced", "unchanged", "refused"];
/// The outcomes that are printed if they occurred.
const IF_ANY: [&str; 3] = ["held_back", "undone", "left"];

impl ImportReport {
    /// Whether every node was imported, or would be.
    pub(super) fn is_success(&self) -> bool {
        self.count("refused") == 0 && self.count("left") == 0
    }

    pub(super) fn print(&self, output: &Output) -> Result<(), CommandFailure> {
        if !output.is_json() {
            self.items.iter().for_each(print_problems);
        }
        output.data(&self.to_json(), || self.summary())
    }

    fn count(&self, outcome: &str) -> usize {
        self.items.iter().filter(|item| item.outcome.name() == outcome).count()
    }

    fn summary(&self) -> String {
        let occurred = IF_ANY.into_iter().filter(|name| self.count(name) > 0);
        let counts = ALWAYS.into_iter().chain(occurred);
        let counts: Vec<_> =
            counts.map(|name| format!("{} {}", name.replace('_', " "), self.count(name))).collect();
        let counts = counts.join(", ");
        if !self.dry_run {
            return counts;
        }
        let mut table = table(["would be", "node", "file"]);
        for item in &self.items {
            table.add_row([item.outcome.name(), &item.scope.to_string(), &item.files.document]);
        }
        format!("{table}\n{counts} (dry run: nothing was written)")
    }

    fn to_json(&self) -> Value {
        let names = ALWAYS.into_iter().chain(IF_ANY);
        let mut members: Map<String, Value> =
            names.map(|name| (name.to_owned(), Value::from(self.count(name)))).collect();
        members.insert("dry_run".to_owned(), self.dry_run.into());
        members.insert("ignored".to_owned(), json!(self.ignored));
        members.insert("items".to_owned(), self.items.iter().map(item_json).collect());
        Value::Object(members)
    }
}

/// Prints on standard error why an item was refused or left.
fn print_problems(item: &ImportItem) {
    match &item.outcome {
        ImportOutcome::Refused(wrong) => wrong.iter().for_each(|wrong| note(&format!("refused: {wrong}"))),
        ImportOutcome::Left(why) => note(&format!("left as written: {}: {why}", item.scope)),
        _ => {}
    }
}

fn item_json(item: &ImportItem) -> Value {
    let (errors, left): (Vec<_>, _) = match &item.outcome {
        ImportOutcome::Refused(wrong) => (wrong.iter().map(FileRefusal::to_json).collect(), None),
        ImportOutcome::Left(why) => (Vec::new(), Some(why)),
        _ => (Vec::new(), None),
    };
    json!({
        "node": item.scope.to_string(),
        "file": item.files.document,
        "outcome": item.outcome.name(),
        "errors": errors,
        "left_because": left,
    })
}
