//! What a node declares about how it takes over what stands above it: the member `inheritance` of a context.

use std::collections::BTreeSet;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::json::compact_len;
use crate::limits::{MAX_FAULTS, MAX_INHERITANCE_BYTES, MAX_INHERITANCE_POINTERS};
use crate::merge::patterns::PatternTree;
use crate::pointer::{Pattern, push};

/// How two values that stand at the same place become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strategy {
    /// The child's value, whole; of the parent's only what is locked stays.
    Replace,
    /// Objects member by member, which is what happens without a declaration.
    Deep,
    /// The parent's elements, then the child's.
    Append,
    /// The child's elements, then the parent's.
    Prepend,
    /// As append, with equal elements once, at their first place.
    Union,
    /// Objects that agree in this member are merged, in the parent's order; new ones come last.
    ByKey(String),
    /// The smaller number.
    Min,
    /// The larger number.
    Max,
}

impl Strategy {
    /// One of each strategy. [`Strategy::ByKey`] has an empty member name here, which no document may
    /// declare.
    pub const ALL: [Self; 8] = [
        Self::Replace,
        Self::Deep,
        Self::Append,
        Self::Prepend,
        Self::Union,
        Self::Min,
        Self::Max,
        Self::ByKey(String::new()),
    ];

    fn parse(value: &Value, pointer: &str) -> Result<Self, Fault> {
        match value {
            Value::String(name) => Self::named(name).ok_or_else(|| unknown_strategy(pointer)),
            Value::Object(members) => Self::by_key(members, pointer),
            _ => Err(unknown_strategy(pointer)),
        }
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "replace" => Self::Replace,
            "deep" => Self::Deep,
            "append" => Self::Append,
            "prepend" => Self::Prepend,
            "union" => Self::Union,
            "min" => Self::Min,
            "max" => Self::Max,
            _ => return None,
        })
    }

    fn by_key(members: &Map<String, Value>, pointer: &str) -> Result<Self, Fault> {
        let Some(key) = members.get("by_key").filter(|_| members.len() == 1) else {
            return Err(unknown_strategy(pointer));
        };
        match key.as_str() {
            Some(key) if !key.is_empty() => Ok(Self::ByKey(key.to_owned())),
            _ => Err(Fault::new(
                format!("{pointer}/by_key"),
                "by_key names the member that elements are matched on: give a string that is not empty.",
            )),
        }
    }

    /// Whether the strategy is written as its name alone.
    pub fn is_plain(&self) -> bool {
        !matches!(self, Self::ByKey(_))
    }

    /// Returns the strategy's name. [`Strategy::ByKey`] is written as an object with this name as its member,
    /// every other strategy as the name alone.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Deep => "deep",
            Self::Append => "append",
            Self::Prepend => "prepend",
            Self::Union => "union",
            Self::ByKey(_) => "by_key",
            Self::Min => "min",
            Self::Max => "max",
        }
    }
}

impl Serialize for Strategy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self::ByKey(key) = self else { return serializer.serialize_str(self.as_str()) };
        let mut object = serializer.serialize_map(Some(1))?;
        object.serialize_entry(self.as_str(), key)?;
        object.end()
    }
}

/// The rules of one node: start afresh, what to remove, how to merge, what to lock. It is shown as it was written.
#[derive(Debug, Clone)]
pub struct Inheritance {
    source: Value,
    inherit: bool,
    unset: Rules,
    strategies: Vec<(Pattern, Strategy)>,
    strategy_tree: PatternTree,
    locked: Rules,
}

impl Inheritance {
    /// Reads the member `inheritance` of a context.
    ///
    /// # Errors
    ///
    /// Every fault there is, each with its pointer relative to `value`.
    pub fn parse(value: &Value) -> Result<Self, Vec<Fault>> {
        let Some(members) = value.as_object() else {
            return Err(vec![Fault::new(
                "",
                "inheritance is an object with the members inherit, unset, strategies and locked, all optional.",
            )]);
        };
        within_limits(value, members)?;
        let mut reader = Reader { faults: Vec::new() };
        let inherit = reader.inherit(members.get("inherit"));
        let unset = reader.patterns("/unset", members.get("unset"));
        let strategies = reader.strategies(members.get("strategies"));
        let locked = reader.patterns("/locked", members.get("locked"));
        reader.unknown(members);
        if !reader.faults.is_empty() {
            return Err(reader.faults);
        }
        Ok(Self {
            source: value.clone(),
            inherit,
            unset: Rules::new(unset),
            strategy_tree: PatternTree::new(strategies.iter().map(|(pattern, _)| pattern)),
            strategies,
            locked: Rules::new(locked),
        })
    }

    /// The value it was read from.
    pub fn as_value(&self) -> &Value {
        &self.source
    }

    /// Whether ancestors contribute data and strategies; their locks hold either way.
    pub fn inherit(&self) -> bool {
        self.inherit
    }

    /// What is removed from the inherited document before this node's data is merged.
    pub fn unset(&self) -> &[Pattern] {
        &self.unset.patterns
    }

    /// How this node and those below merge; of two that match the same place the earlier one applies.
    pub fn strategies(&self) -> &[(Pattern, Strategy)] {
        &self.strategies
    }

    /// What nodes below can not change.
    pub fn locked(&self) -> &[Pattern] {
        &self.locked.patterns
    }

    pub(crate) fn unset_tree(&self) -> &PatternTree {
        &self.unset.tree
    }

    pub(crate) fn strategy_tree(&self) -> &PatternTree {
        &self.strategy_tree
    }

    pub(crate) fn locked_tree(&self) -> &PatternTree {
        &self.locked.tree
    }
}

impl PartialEq for Inheritance {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Inheritance {}

impl Serialize for Inheritance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.source.serialize(serializer)
    }
}

/// Patterns as they were listed, and as the tree that documents are walked along.
#[derive(Debug, Clone)]
struct Rules {
    patterns: Vec<Pattern>,
    tree: PatternTree,
}

impl Rules {
    fn new(patterns: Vec<Pattern>) -> Self {
        Self { tree: PatternTree::new(&patterns), patterns }
    }
}

/// Refuses what is too large before it is read: each of a million pointers would be a fault of its own.
fn within_limits(value: &Value, members: &Map<String, Value>) -> Result<(), Vec<Fault>> {
    let bytes = compact_len(value);
    if bytes > MAX_INHERITANCE_BYTES {
        let rule =
            format!("inheritance has {bytes} bytes of compact JSON; {MAX_INHERITANCE_BYTES} are the limit.");
        return Err(vec![Fault::new("", rule)]);
    }
    let listed = ["unset", "locked"].into_iter().filter_map(|name| members.get(name)?.as_array());
    let declared = members.get("strategies").and_then(Value::as_object).map_or(0, Map::len);
    let pointers = declared + listed.map(Vec::len).sum::<usize>();
    if pointers > MAX_INHERITANCE_POINTERS {
        let rule = format!(
            "unset, strategies and locked hold at most {MAX_INHERITANCE_POINTERS} pointers together, here are \
             {pointers}: use \"*\" for every member, or a pointer further up."
        );
        return Err(vec![Fault::new("", rule)]);
    }
    Ok(())
}

/// Reads member by member and goes on after a fault, so that one answer names them all.
struct Reader {
    faults: Vec<Fault>,
}

impl Reader {
    fn inherit(&mut self, value: Option<&Value>) -> bool {
        match value {
            None => true,
            Some(Value::Bool(inherit)) => *inherit,
            Some(_) => {
                self.fault("/inherit", "inherit is true or false; leave it out to inherit.");
                true
            }
        }
    }

    fn patterns(&mut self, pointer: &str, value: Option<&Value>) -> Vec<Pattern> {
        let Some(value) = value else { return Vec::new() };
        let Some(listed) = value.as_array() else {
            self.fault(pointer, "This is a list of pointers (RFC 6901), such as [\"/a/b\"].");
            return Vec::new();
        };
        let mut seen = BTreeSet::new();
        let mut patterns = Vec::new();
        for (index, item) in listed.iter().enumerate() {
            let place = format!("{pointer}/{index}");
            let Some(text) = item.as_str() else {
                self.fault(&place, "A pointer (RFC 6901) is a string, such as \"/a/b\".");
                continue;
            };
            if !seen.insert(text) {
                self.fault(&place, "This pointer is listed twice: remove one.");
                continue;
            }
            patterns.extend(self.pattern(&place, text));
        }
        patterns
    }

    fn strategies(&mut self, value: Option<&Value>) -> Vec<(Pattern, Strategy)> {
        let Some(value) = value else { return Vec::new() };
        let Some(members) = value.as_object() else {
            self.fault("/strategies", "strategies is an object of pointers, such as {\"/a/b\": \"union\"}.");
            return Vec::new();
        };
        let mut strategies = Vec::new();
        for (text, value) in members {
            let mut place = String::from("/strategies");
            push(&mut place, text);
            let pattern = self.pattern(&place, text);
            match Strategy::parse(value, &place) {
                Ok(strategy) => strategies.extend(pattern.map(|pattern| (pattern, strategy))),
                Err(fault) => self.faults.push(fault),
            }
        }
        // Sorted, so that of several that match a place the one at the smallest index applies.
        strategies.sort_by_cached_key(|(pattern, _)| pattern.precedence());
        strategies
    }

    fn pattern(&mut self, place: &str, text: &str) -> Option<Pattern> {
        match text.parse() {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                self.faults.push(Fault::new(place, error.to_string()));
                None
            }
        }
    }

    fn unknown(&mut self, members: &Map<String, Value>) {
        for name in members.keys().take(MAX_FAULTS) {
            if !matches!(name.as_str(), "inherit" | "unset" | "strategies" | "locked") {
                let mut place = String::new();
                push(&mut place, name);
                self.fault(
                    &place,
                    "Members of inheritance are inherit, unset, strategies, locked: remove this one.",
                );
            }
        }
    }

    fn fault(&mut self, pointer: &str, message: &str) {
        self.faults.push(Fault::new(pointer, message));
    }
}

fn unknown_strategy(pointer: &str) -> Fault {
    Fault::new(
        pointer,
        "A strategy is \"replace\", \"deep\", \"append\", \"prepend\", \"union\", \"min\", \"max\" or {\"by_key\": name}.",
    )
}
