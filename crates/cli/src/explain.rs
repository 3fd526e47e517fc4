//! `context explain`: where every value of a resolved context came from, as tables.

use context_domain::explain::{Blocked, Explanation, Leaf, Origin, Shadowed};
use context_domain::inheritance::Strategy;
use context_domain::resolve::{ChainLink, Resolved};
use context_domain::tree::NodeKey;
use serde_json::{Value, json};

use crate::output::{cell, table};

/// Formats the explanation for people; `shown` is the resolved context as the API shows it. The leaves come
/// first, then what was blocked, unset, or declared without effect, if anything was.
pub(crate) fn explanation_tables(resolved: &Resolved, shown: &Value) -> String {
    let Some(explanation) = &resolved.explanation else { return String::new() };
    let names = ChainNames(&resolved.chain);
    let mut parts = vec![
        format!("{}, version by version: {}", resolved.resolution_path, versions(&resolved.chain)),
        leaves(explanation, shown, &names),
    ];
    parts.extend(blocked(&explanation.blocked, &names));
    parts.extend(unset(explanation, &names));
    parts.extend(not_applicable(explanation, &names));
    parts.join("\n")
}

/// Names the nodes of a chain for people.
struct ChainNames<'a>(&'a [ChainLink]);

impl ChainNames<'_> {
    fn node(&self, at: usize) -> String {
        self.0.get(at).map_or_else(|| at.to_string(), node_name)
    }

    /// Returns the name of the node, or for a merged array those of the nodes that its elements came from,
    /// global first.
    fn origin(&self, origin: &Origin) -> String {
        match origin {
            Origin::Node(at) => self.node(*at),
            Origin::Elements(elements) => {
                let mut nodes: Vec<_> = elements.iter().flatten().map(|source| source.at).collect();
                nodes.sort_unstable();
                nodes.dedup();
                nodes.into_iter().map(|at| self.node(at)).collect::<Vec<_>>().join(" + ")
            }
        }
    }
}

fn node_name(link: &ChainLink) -> String {
    match (link.context_level, &link.node_key) {
        (Some(level), Some(key)) => format!("{level} {key}"),
        (Some(level), None) => level.to_string(),
        (None, _) => link.context_id.to_string(),
    }
}

fn versions(chain: &[ChainLink]) -> String {
    let version = |link: &ChainLink| {
        let name = link.node_key.as_ref().map_or("global", NodeKey::as_str);
        format!("{name}@{}", link.version)
    };
    chain.iter().map(version).collect::<Vec<_>>().join(" ")
}

fn leaves(explanation: &Explanation, shown: &Value, names: &ChainNames<'_>) -> String {
    let mut table = table(["pointer", "value", "from", "strategy", "shadowed"]);
    for (pointer, leaf) in &explanation.leaves {
        let value = shown.pointer(&format!("/resolved_context{pointer}")).map(cell).unwrap_or_default();
        table.add_row([
            pointer,
            &value,
            &names.origin(&leaf.from),
            &strategy(&leaf.strategy),
            &shadowed(leaf, names),
        ]);
    }
    table.to_string()
}

/// Formats a strategy as it is declared.
fn strategy(strategy: &Strategy) -> String {
    match json!(strategy) {
        Value::String(name) => name,
        other => other.to_string(),
    }
}

fn shadowed(leaf: &Leaf, names: &ChainNames<'_>) -> String {
    let one = |shadowed: &Shadowed| {
        let place = shadowed.pointer.as_ref().map(|pointer| format!(" at {pointer}")).unwrap_or_default();
        format!("{}{place}: {}", names.origin(&shadowed.from), cell(&shadowed.value))
    };
    leaf.shadowed.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn blocked(blocked: &[Blocked], names: &ChainNames<'_>) -> Option<String> {
    let mut table = table(["blocked", "value", "written by", "locked by"]);
    for entry in blocked {
        let value = entry.value.as_ref().map_or_else(|| "(unset)".to_owned(), cell);
        table.add_row([&entry.pointer, &value, &names.node(entry.at), &names.node(entry.locked_by)]);
    }
    (!blocked.is_empty()).then(|| table.to_string())
}

fn unset(explanation: &Explanation, names: &ChainNames<'_>) -> Option<String> {
    let mut table = table(["unset", "value", "came from", "unset by"]);
    for entry in &explanation.unset {
        table.add_row([
            &entry.pointer,
            &cell(&entry.value),
            &names.origin(&entry.from),
            &names.node(entry.by),
        ]);
    }
    (!explanation.unset.is_empty()).then(|| table.to_string())
}

fn not_applicable(explanation: &Explanation, names: &ChainNames<'_>) -> Option<String> {
    let mut table = table(["strategy not applicable at", "strategy", "merging"]);
    for entry in &explanation.not_applicable {
        table.add_row([&entry.pointer, &strategy(&entry.strategy), &names.node(entry.at)]);
    }
    (!explanation.not_applicable.is_empty()).then(|| table.to_string())
}
