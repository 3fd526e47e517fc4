//! What became of an import, for people and for programs.

use serde_json::{Map, Value, json};

use super::apply::{Item, Outcome};
use super::found::Wrong;
use crate::failure::Failure;
use crate::output::{Output, note, table};

pub(super) struct Report {
    pub(super) dry_run: bool,
    pub(super) ignored: Vec<String>,
    pub(super) items: Vec<Item>,
}

/// The outcomes that are always counted, and those that are if there are any.
const ALWAYS: [&str; 4] = ["created", "replaced", "unchanged", "refused"];
const ELSE: [&str; 3] = ["held_back", "undone", "left"];

impl Report {
    /// Whether everything was done, or would be.
    pub(super) fn is_healthy(&self) -> bool {
        self.count("refused") == 0 && self.count("left") == 0
    }

    pub(super) fn print(&self, output: &Output) -> Result<(), Failure> {
        if !output.is_json() {
            self.items.iter().for_each(tell);
        }
        output.data(&self.to_json(), || self.summary())
    }

    fn count(&self, outcome: &str) -> usize {
        self.items.iter().filter(|item| item.outcome.name() == outcome).count()
    }

    fn summary(&self) -> String {
        let few = ELSE.into_iter().filter(|name| self.count(name) > 0);
        let counts = ALWAYS.into_iter().chain(few);
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
        let names = ALWAYS.into_iter().chain(ELSE);
        let mut members: Map<String, Value> =
            names.map(|name| (name.to_owned(), Value::from(self.count(name)))).collect();
        members.insert("dry_run".to_owned(), self.dry_run.into());
        members.insert("ignored".to_owned(), json!(self.ignored));
        members.insert("items".to_owned(), self.items.iter().map(item_json).collect());
        Value::Object(members)
    }
}

impl Outcome {
    fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
            Self::Refused(_) => "refused",
            Self::HeldBack => "held_back",
            Self::Undone => "undone",
            Self::Left(_) => "left",
        }
    }
}

/// Says what is wrong with an item on standard error.
fn tell(item: &Item) {
    match &item.outcome {
        Outcome::Refused(wrong) => wrong.iter().for_each(|wrong| note(&format!("refused: {wrong}"))),
        Outcome::Left(why) => note(&format!("left as written: {}: {why}", item.scope)),
        _ => {}
    }
}

fn item_json(item: &Item) -> Value {
    let (errors, left): (Vec<_>, _) = match &item.outcome {
        Outcome::Refused(wrong) => (wrong.iter().map(Wrong::to_json).collect(), None),
        Outcome::Left(why) => (Vec::new(), Some(why)),
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
