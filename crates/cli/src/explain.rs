//! `context explain`: where every value of a resolved context came from, as tables.

use context_domain::explain::{Blocked, Explanation, Leaf, Origin, Shadowed};
use context_domain::inheritance::Strategy;
use context_domain::resolve::{ChainLink, Resolved};
use context_domain::tree::NodeKey;
use serde_json::{Value, json};

use crate::output::{cell, table};

/// The explanation for people, of a resolved context that is `shown` as the API shows it: the leaves, then what was blocked, unset, or declared in vain, where there is any.
pub(crate) fn tables(resolved: &Resolved, shown: &Value) -> String {
    let Some(explanation) = &resolved.explanation else { return String::new() };
    let names = Names(&resolved.chain);
    let mut parts = vec![
        format!("{}, version by version: {}", resolved.resolution_path, versions(&resolved.chain)),
        leaves(explanation, shown, &names),
    ];
    parts.extend(blocked(&explanation.blocked, &names));
    parts.extend(unset(explanation, &names));
    parts.extend(not_applicable(explanation, &names));
    parts.join("\n")
}

/// The nodes of a chain, as people name them.
struct Names<'a>(&'a [ChainLink]);

impl Names<'_> {
    fn of(&self, at: usize) -> String {
        self.0.get(at).map_or_else(|| at.to_string(), node_name)
    }

    /// The node, or the nodes that the elements of a merged array came from, global first.
    fn of_origin(&self, origin: &Origin) -> String {
        match origin {
            Origin::Node(at) => self.of(*at),
            Origin::Elements(elements) => {
                let mut nodes: Vec<_> = elements.iter().flatten().map(|source| source.at).collect();
                nodes.sort_unstable();
                nodes.dedup();
                nodes.into_iter().map(|at| self.of(at)).collect::<Vec<_>>().join(" + ")
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

fn leaves(explanation: &Explanation, shown: &Value, names: &Names<'_>) -> String {
    let mut table = table(["pointer", "value", "from", "strategy", "shadowed"]);
    for (pointer, leaf) in &explanation.leaves {
        let value = shown.pointer(&format!("/resolved_context{pointer}")).map(cell).unwrap_or_default();
        table.add_row([
            pointer,
            &value,
            &names.of_origin(&leaf.from),
            &strategy(&leaf.strategy),
            &shadowed(leaf, names),
        ]);
    }
    table.to_string()
}

/// A strategy as it is declared.
fn strategy(strategy: &Strategy) -> String {
    match json!(strategy) {
        Value::String(name) => name,
        other => other.to_string(),
    }
}

fn shadowed(leaf: &Leaf, names: &Names<'_>) -> String {
    let one = |shadowed: &Shadowed| {
        let place = shadowed.pointer.as_ref().map(|pointer| format!(" at {pointer}")).unwrap_or_default();
        format!("{}{place}: {}", names.of_origin(&shadowed.from), cell(&shadowed.value))
    };
    leaf.shadowed.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn blocked(blocked: &[Blocked], names: &Names<'_>) -> Option<String> {
    let mut table = table(["blocked", "value", "written by", "locked by"]);
    for entry in blocked {
        let value = entry.value.as_ref().map_or_else(|| "(unset)".to_owned(), cell);
        table.add_row([&entry.pointer, &value, &names.of(entry.at), &names.of(entry.locked_by)]);
    }
    (!blocked.is_empty()).then(|| table.to_string())
}

fn unset(explanation: &Explanation, names: &Names<'_>) -> Option<String> {
    let mut table = table(["unset", "value", "came from", "unset by"]);
    for entry in &explanation.unset {
        table.add_row([
            &entry.pointer,
            &cell(&entry.value),
            &names.of_origin(&entry.from),
            &names.of(entry.by),
        ]);
    }
    (!explanation.unset.is_empty()).then(|| table.to_string())
}

fn not_applicable(explanation: &Explanation, names: &Names<'_>) -> Option<String> {
    let mut table = table(["strategy not applicable at", "strategy", "merging"]);
    for entry in &explanation.not_applicable {
        table.add_row([&entry.pointer, &strategy(&entry.strategy), &names.of(entry.at)]);
    }
    (!explanation.not_applicable.is_empty()).then(|| table.to_string())
}
