//! The member `inheritance` of a context: the rules by which a node takes over what its ancestors define.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::fault::{Fault, one_of};
use crate::json::compact_len;
use crate::limits::{MAX_FAULTS, MAX_INHERITANCE_BYTES, MAX_INHERITANCE_POINTERS, bytes_text};
use crate::pattern_tree::PatternTree;
use crate::pointer::{Pattern, push, to_member};

/// The members of `inheritance`; all are optional.
pub const INHERITANCE_MEMBERS: [&str; 4] = ["inherit", "unset", "strategies", "locked"];

/// A way to merge the parent's and the child's value of the same member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Strategy {
    /// The child's value as a whole; of the parent's value only locked members stay.
    Replace,
    /// Objects are merged member by member, as they are without a declaration.
    Deep,
    /// The parent's elements followed by the child's.
    Append,
    /// The child's elements followed by the parent's.
    Prepend,
    /// As `append`, but of equal elements only the first is kept.
    Union,
    /// Objects with an equal value of this member are merged, in the parent's order; other objects follow.
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

    /// Returns the strategy's name. [`Strategy::ByKey`] is written as an object with this name as its member,
    /// every other strategy as the name alone.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Deep => "deep",
            Self::Append => "append",
            Self::Prepend => "prepend",
            Self::Union => "union",
            Self::ByKey(_) => BY_KEY,
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    /// Whether the strategy is written as its name alone.
    pub fn is_plain(&self) -> bool {
        !matches!(self, Self::ByKey(_))
    }

    fn parse(value: &Value, pointer: &str) -> Result<Self, Fault> {
        match value {
            Value::String(name) => name.parse().map_err(|rule: String| Fault::new(pointer, rule)),
            Value::Object(members) => Self::parse_by_key(members, pointer),
            _ => Err(Fault::new(pointer, strategy_rule())),
        }
    }

    fn parse_by_key(members: &Map<String, Value>, pointer: &str) -> Result<Self, Fault> {
        let Some(key) = members.get(BY_KEY).filter(|_| members.len() == 1) else {
            return Err(Fault::new(pointer, strategy_rule()));
        };
        match key.as_str() {
            Some(key) if !key.is_empty() => Ok(Self::ByKey(key.to_owned())),
            _ => Err(Fault::new(
                format!("{pointer}/{BY_KEY}"),
                format!(
                    "{BY_KEY} must be the name of the member by which elements are matched, and not be empty"
                ),
            )),
        }
    }
}

const BY_KEY: &str = "by_key";

/// Reads the name of a strategy that is written as its name alone.
impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|strategy| strategy.is_plain() && strategy.as_str() == text);
        found.ok_or_else(strategy_rule)
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

/// Returns the sentence that lists the strategies.
fn strategy_rule() -> String {
    let written = Strategy::ALL.map(|strategy| {
        let name = strategy.as_str();
        if strategy.is_plain() { format!("\"{name}\"") } else { format!("{{\"{name}\": member}}") }
    });
    format!("a strategy is {}", one_of(&written))
}

/// The rules of one node: whether it inherits, what it unsets, how it merges and what it locks. They are
/// serialized as they were written.
#[derive(Debug, Clone)]
pub struct Inheritance {
    source: Value,
    inherit: bool,
    unset: PatternList,
    strategies: Vec<(Pattern, Strategy)>,
    strategy_tree: PatternTree,
    locked: PatternList,
}

impl Inheritance {
    /// Reads the member `inheritance` of a context.
    ///
    /// # Errors
    ///
    /// All faults, each with its pointer relative to `value`.
    pub fn parse(value: &Value) -> Result<Self, Vec<Fault>> {
        let Some(members) = value.as_object() else {
            return Err(vec![Fault::new(
                "",
                format!(
                    "inheritance must be an object; its members are {}, all optional",
                    INHERITANCE_MEMBERS.join(", ")
                ),
            )]);
        };
        check_limits(value, members)?;
        let mut reader = InheritanceReader { faults: Vec::new() };
        let inherit = reader.inherit(members.get("inherit"));
        let unset = reader.patterns("/unset", members.get("unset"));
        let strategies = reader.strategies(members.get("strategies"));
        let locked = reader.patterns("/locked", members.get("locked"));
        reader.refuse_unknown(members);
        if !reader.faults.is_empty() {
            return Err(reader.faults);
        }
        Ok(Self {
            source: value.clone(),
            inherit,
            unset: PatternList::new(unset),
            strategy_tree: PatternTree::new(strategies.iter().map(|(pattern, _)| pattern)),
            strategies,
            locked: PatternList::new(locked),
        })
    }

    /// Returns the value that it was read from.
    pub fn as_value(&self) -> &Value {
        &self.source
    }

    /// Whether ancestors contribute data and strategies. Their locks apply in either case.
    pub fn inherit(&self) -> bool {
        self.inherit
    }

    /// Returns the patterns of the members that are removed from the inherited document before this node's
    /// data is merged.
    pub fn unset(&self) -> &[Pattern] {
        &self.unset.patterns
    }

    /// Returns the strategies of this node and its descendants by pattern. If several patterns match a
    /// member, the first one applies.
    pub fn strategies(&self) -> &[(Pattern, Strategy)] {
        &self.strategies
    }

    /// Returns the patterns of the members that descendants cannot change.
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

/// Patterns as they were listed, and as the tree that is walked together with a document.
#[derive(Debug, Clone)]
struct PatternList {
    patterns: Vec<Pattern>,
    tree: PatternTree,
}

impl PatternList {
    fn new(patterns: Vec<Pattern>) -> Self {
        Self { tree: PatternTree::new(&patterns), patterns }
    }
}

/// Refuses a value that is too large before its pointers are read: each of a million pointers could be a
/// fault.
fn check_limits(value: &Value, members: &Map<String, Value>) -> Result<(), Vec<Fault>> {
    let bytes = compact_len(value);
    if bytes > MAX_INHERITANCE_BYTES {
        let rule = format!(
            "inheritance has {bytes} bytes of compact JSON, more than the limit of {}: shorten it",
            bytes_text(MAX_INHERITANCE_BYTES)
        );
        return Err(vec![Fault::new("", rule)]);
    }
    let listed = ["unset", "locked"].into_iter().filter_map(|name| members.get(name)?.as_array());
    let declared = members.get("strategies").and_then(Value::as_object).map_or(0, Map::len);
    let pointers = declared + listed.map(Vec::len).sum::<usize>();
    if pointers > MAX_INHERITANCE_POINTERS {
        let rule = format!(
            "unset, strategies and locked have {pointers} pointers together, more than the limit of \
             {MAX_INHERITANCE_POINTERS}: use \"*\" for every member, or name the object around them"
        );
        return Err(vec![Fault::new("", rule)]);
    }
    Ok(())
}

/// Reads member by member and continues after a fault, so that one response reports all faults.
struct InheritanceReader {
    faults: Vec<Fault>,
}

impl InheritanceReader {
    fn inherit(&mut self, value: Option<&Value>) -> bool {
        match value {
            None => true,
            Some(Value::Bool(inherit)) => *inherit,
            Some(_) => {
                self.fault("/inherit", "inherit must be true or false: leave it out to inherit");
                true
            }
        }
    }

    fn patterns(&mut self, pointer: &str, value: Option<&Value>) -> Vec<Pattern> {
        let Some(value) = value else { return Vec::new() };
        let Some(listed) = value.as_array() else {
            self.fault(pointer, "this must be an array of pointers (RFC 6901), such as [\"/a/b\"]");
            return Vec::new();
        };
        let mut seen = BTreeSet::new();
        let mut patterns = Vec::new();
        for (index, item) in listed.iter().enumerate() {
            let item_pointer = format!("{pointer}/{index}");
            let Some(text) = item.as_str() else {
                self.fault(&item_pointer, "a pointer (RFC 6901) must be a string, such as \"/a/b\"");
                continue;
            };
            if !seen.insert(text) {
                self.fault(&item_pointer, "this pointer is listed twice: remove one");
                continue;
            }
            patterns.extend(self.parse_pattern(&item_pointer, text));
        }
        patterns
    }

    fn strategies(&mut self, value: Option<&Value>) -> Vec<(Pattern, Strategy)> {
        let Some(value) = value else { return Vec::new() };
        let Some(members) = value.as_object() else {
            self.fault(
                "/strategies",
                "strategies must be an object from pointers to strategies, such as {\"/a/b\": \"union\"}",
            );
            return Vec::new();
        };
        let mut strategies = Vec::new();
        for (text, value) in members {
            let mut item_pointer = String::from("/strategies");
            push(&mut item_pointer, text);
            let pattern = self.parse_pattern(&item_pointer, text);
            match Strategy::parse(value, &item_pointer) {
                Ok(strategy) => strategies.extend(pattern.map(|pattern| (pattern, strategy))),
                Err(fault) => self.faults.push(fault),
            }
        }
        // If several patterns match a member, the first one applies.
        strategies.sort_by_cached_key(|(pattern, _)| pattern.precedence());
        strategies
    }

    fn parse_pattern(&mut self, item_pointer: &str, text: &str) -> Option<Pattern> {
        match text.parse() {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                self.faults.push(Fault::new(item_pointer, error.to_string()));
                None
            }
        }
    }

    fn refuse_unknown(&mut self, members: &Map<String, Value>) {
        for name in members.keys().take(MAX_FAULTS) {
            if !INHERITANCE_MEMBERS.contains(&name.as_str()) {
                let allowed = INHERITANCE_MEMBERS.join(", ");
                let rule = format!("unknown member: remove it; the members of inheritance are {allowed}");
                self.faults.push(Fault::new(to_member(name), rule));
            }
        }
    }

    fn fault(&mut self, pointer: &str, message: &str) {
        self.faults.push(Fault::new(pointer, message));
    }
}
