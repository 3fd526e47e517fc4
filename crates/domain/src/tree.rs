//! The tree of contexts with its four levels (global, project, branch, task), and the addresses of contexts.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::fault::{Fault, one_of};
use crate::id::ContextId;
use crate::limits::{MAX_FAULTS, MAX_NODE_KEY_BYTES};

/// A level of the tree, ordered from the root down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The root of a tenant's tree.
    Global,
    /// A project below the global node.
    Project,
    /// A branch of a project.
    Branch,
    /// A task on a branch.
    Task,
}

impl Level {
    /// All levels, from the root down.
    pub const ALL: [Self; 4] = [Self::Global, Self::Project, Self::Branch, Self::Task];

    /// Returns the level's name: `global`, `project`, `branch` or `task`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Project => "project",
            Self::Branch => "branch",
            Self::Task => "task",
        }
    }

    /// Returns the number of levels above this one: 0 for global, 3 for a task.
    pub fn depth(self) -> usize {
        match self {
            Self::Global => 0,
            Self::Project => 1,
            Self::Branch => 2,
            Self::Task => 3,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|level| level.as_str() == text);
        found.ok_or_else(|| format!("'{text}' is not a level: use {}", one_of(&Self::ALL.map(Self::as_str))))
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The key of a node, unique among its siblings. [`node_key_rule`] says what a key may be; `.` and `..` are
/// refused because URL libraries resolve them as relative path segments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(String);

impl NodeKey {
    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for NodeKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = match text {
            "" => "is empty",
            "." | ".." => "is '.' or '..', which URLs treat as relative path segments",
            _ if text.len() > MAX_NODE_KEY_BYTES => "is too long",
            _ if text.chars().any(char::is_control) => "contains a control character",
            _ => return Ok(Self(text.to_owned())),
        };
        Err(format!("the key {wrong}: a key is {}", node_key_rule()))
    }
}

/// Returns the rule for a node's key, for messages and documents.
pub fn node_key_rule() -> String {
    format!("1 to {MAX_NODE_KEY_BYTES} bytes of UTF-8 without control characters, and not '.' or '..'")
}

impl Serialize for NodeKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The keys that name a node, project first: no keys name the global node, three keys a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Scope(Vec<NodeKey>);

/// The names of a scope's keys, project first.
pub const SCOPE_MEMBERS: [&str; 3] = ["project", "branch", "task"];

impl Scope {
    /// Returns the scope of the global node.
    pub fn global() -> Self {
        Self::default()
    }

    /// Returns the scope with these keys, project first. A key may be given only if all keys before it are.
    ///
    /// # Errors
    /// One fault for each malformed key and for each key whose parent is missing, at `/project`, `/branch` or
    /// `/task`.
    pub fn from_keys(keys: [Option<&str>; 3]) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut scope = Vec::new();
        let mut missing = None;
        for (name, key) in SCOPE_MEMBERS.into_iter().zip(keys) {
            match (key, missing) {
                (None, _) => missing = missing.or(Some(name)),
                (Some(_), Some(parent)) => faults.push(Fault::new(
                    format!("/{name}"),
                    format!("a {name} is below a {parent}: give the {parent} too"),
                )),
                (Some(key), None) => match key.parse() {
                    Ok(key) => scope.push(key),
                    Err(rule) => faults.push(Fault::new(format!("/{name}"), rule)),
                },
            }
        }
        if faults.is_empty() { Ok(Self(scope)) } else { Err(faults) }
    }

    /// Reads `{"project": …, "branch": …, "task": …}`; `null` means absent.
    ///
    /// # Errors
    /// Those of [`Scope::from_keys`], and a fault for each unknown member and each key that is not a string.
    pub fn from_json(value: &Value) -> Result<Self, Vec<Fault>> {
        let Some(members) = value.as_object() else {
            return Err(vec![Fault::new("", "a scope must be an object with project, branch and task")]);
        };
        let mut faults: Vec<_> = members
            .iter()
            .filter_map(|(name, key)| {
                let rule = if !SCOPE_MEMBERS.contains(&name.as_str()) {
                    "unknown member: a scope has the members project, branch and task"
                } else if !key.is_string() && !key.is_null() {
                    "a key must be a string"
                } else {
                    return None;
                };
                Some(Fault::new(crate::pointer::to_member(name), rule))
            })
            .take(MAX_FAULTS)
            .collect();
        match Self::from_keys(SCOPE_MEMBERS.map(|name| members.get(name).and_then(Value::as_str))) {
            Ok(scope) if faults.is_empty() => Ok(scope),
            Ok(_) => Err(faults),
            Err(others) => {
                faults.extend(others);
                Err(faults)
            }
        }
    }

    /// Returns the level of the node that this scope names.
    pub fn level(&self) -> Level {
        match self.0.len() {
            0 => Level::Global,
            1 => Level::Project,
            2 => Level::Branch,
            _ => Level::Task,
        }
    }

    /// Returns the keys, project first.
    pub fn keys(&self) -> &[NodeKey] {
        &self.0
    }

    /// Returns the key of the node itself; `None` for the global node.
    pub fn key(&self) -> Option<&NodeKey> {
        self.0.last()
    }

    /// Returns the scope of the parent; `None` for the global node.
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.0.split_last()?;
        Some(Self(above.to_vec()))
    }

    /// Returns the scope of the first `depth` keys; `None` if there are fewer.
    pub fn prefix(&self, depth: usize) -> Option<Self> {
        self.0.get(..depth).map(|keys| Self(keys.to_vec()))
    }

    /// Returns `{"project": …, …}` with the keys that are given.
    pub fn to_json(&self) -> Value {
        let members = SCOPE_MEMBERS.iter().zip(&self.0);
        Value::Object(
            members.map(|(name, key)| ((*name).to_owned(), Value::from(key.as_str()))).collect::<Map<_, _>>(),
        )
    }
}

/// Writes the resolution path: `global/<project>/<branch>/<task>`, as far as there are keys, each
/// percent-encoded.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Level::Global.as_str())?;
        self.0.iter().try_for_each(|key| write!(f, "/{}", percent_encode(key.as_str())))
    }
}

/// Returns `text` as one segment of a URL's path: every character except the unreserved ones of RFC 3986
/// is encoded.
pub fn percent_encode(text: &str) -> impl fmt::Display + '_ {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, RESERVED)
}

/// The position of a context in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The level of the node.
    pub level: Level,
    /// The parent node; `None` for the global node.
    pub parent_id: Option<ContextId>,
    /// The key, unique among the siblings; `None` for the global node.
    pub node_key: Option<NodeKey>,
}

/// The way in which a request names a context.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// Its id, whether or not it is in the tree.
    Id(ContextId),
    /// Its position in the tree.
    Scope(Scope),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Scope(scope) => scope.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_has_a_level_a_path_and_a_parent() {
        let scope = Scope::from_keys([Some("web"), Some("feature/login"), Some("4 2")]).unwrap();
        assert_eq!(scope.level(), Level::Task);
        assert_eq!(scope.to_string(), "global/web/feature%2Flogin/4%202");
        assert_eq!(scope.parent().unwrap().level(), Level::Branch);
        assert_eq!(Scope::global().parent(), None);
        assert_eq!(Scope::from_json(&scope.to_json()).unwrap(), scope);
    }

    #[test]
    fn malformed_keys_are_refused() {
        let longest = "k".repeat(255);
        for key in ["a", "feature/login", "世界", "...", " ", "a.b", "%2F", longest.as_str()] {
            assert!(key.parse::<NodeKey>().is_ok(), "{key} was refused");
        }
        let long = "é".repeat(128);
        for key in ["", ".", "..", "a\nb", "\u{7f}", "\0", long.as_str()] {
            assert!(key.parse::<NodeKey>().is_err(), "{key:?} was accepted");
        }
    }

    #[test]
    fn a_missing_parent_an_unknown_member_and_a_wrong_type_are_reported_with_their_pointers() {
        let pointers = |value: Value| {
            Scope::from_json(&value).unwrap_err().into_iter().map(|fault| fault.pointer).collect::<Vec<_>>()
        };
        assert_eq!(pointers(serde_json::json!({"task": "t", "project": "p"})), ["/task"]);
        assert_eq!(pointers(serde_json::json!({"projct": "p"})), ["/projct"]);
        assert_eq!(pointers(serde_json::json!({"project": 1})), ["/project"]);
        assert_eq!(pointers(serde_json::json!([])), [""]);
        let project = Scope::from_json(&serde_json::json!({"project": "p", "branch": null})).unwrap();
        assert_eq!(project.level(), Level::Project);
    }
}
