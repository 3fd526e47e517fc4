//! The four-level tree in which contexts inherit: global, project, branch, task.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::id::ContextId;
use crate::limits::{MAX_FAULTS, MAX_NODE_KEY_BYTES};

/// A level of the tree; its depth below the global node is its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The one root of a tenant's tree.
    Global,
    /// A project below the global node.
    Project,
    /// A branch of a project.
    Branch,
    /// A task on a branch.
    Task,
}

impl Level {
    /// All levels, the global one first.
    pub const ALL: [Self; 4] = [Self::Global, Self::Project, Self::Branch, Self::Task];

    /// The level's name: `global`, `project`, `branch` or `task`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Project => "project",
            Self::Branch => "branch",
            Self::Task => "task",
        }
    }

    /// Levels above this one: 0 for global, 3 for a task.
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
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| format!("'{text}' is not a level: global, project, branch or task"))
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The key of a node among its siblings: 1 to 255 bytes of UTF-8 without control characters, not `.` or `..`
/// (which URL libraries take for path segments of their own).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(String);

impl NodeKey {
    /// The key as text.
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
            "." | ".." => "is '.' or '..', which URLs read as a step in the path",
            _ if text.len() > MAX_NODE_KEY_BYTES => "is too long",
            _ if text.chars().any(char::is_control) => "holds a control character",
            _ => return Ok(Self(text.to_owned())),
        };
        Err(format!(
            "the key {wrong}: a key is 1 to {MAX_NODE_KEY_BYTES} bytes of UTF-8 without control characters, \
             not '.' or '..'"
        ))
    }
}

impl Serialize for NodeKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The keys that name a node, project first: none is the global node, three are a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Scope(Vec<NodeKey>);

/// The names of a scope's keys, in order.
pub const SCOPE_MEMBERS: [&str; 3] = ["project", "branch", "task"];

impl Scope {
    /// The scope of the global node.
    pub fn global() -> Self {
        Self::default()
    }

    /// The scope with these keys, project first, read as given: a key may stand only where all before it do.
    ///
    /// # Errors
    /// A fault for each key that is malformed, and for a key whose parent is not named; its pointer is `/project`,
    /// `/branch` or `/task`.
    pub fn from_keys(keys: [Option<&str>; 3]) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut scope = Vec::new();
        let mut missing = None;
        for (name, key) in SCOPE_MEMBERS.into_iter().zip(keys) {
            match (key, missing) {
                (None, _) => missing = missing.or(Some(name)),
                (Some(_), Some(parent)) => faults.push(Fault::new(
                    format!("/{name}"),
                    format!("a {name} stands below a {parent}: name the {parent} too"),
                )),
                (Some(key), None) => match key.parse() {
                    Ok(key) => scope.push(key),
                    Err(rule) => faults.push(Fault::new(format!("/{name}"), rule)),
                },
            }
        }
        if faults.is_empty() { Ok(Self(scope)) } else { Err(faults) }
    }

    /// Reads `{"project": …, "branch": …, "task": …}`; `null` is as good as absent.
    ///
    /// # Errors
    /// As [`Scope::from_keys`], and a fault for each unknown member and each key that is no string.
    pub fn from_json(value: &Value) -> Result<Self, Vec<Fault>> {
        let Some(members) = value.as_object() else {
            return Err(vec![Fault::new("", "a scope is an object with project, branch and task")]);
        };
        let mut faults: Vec<_> = members
            .iter()
            .filter_map(|(name, key)| {
                let rule = if !SCOPE_MEMBERS.contains(&name.as_str()) {
                    "a scope has the members project, branch and task only"
                } else if !key.is_string() && !key.is_null() {
                    "a key is a string"
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

    /// The level of the node that this scope names.
    pub fn level(&self) -> Level {
        match self.0.len() {
            0 => Level::Global,
            1 => Level::Project,
            2 => Level::Branch,
            _ => Level::Task,
        }
    }

    /// The keys, project first.
    pub fn keys(&self) -> &[NodeKey] {
        &self.0
    }

    /// The key of the node itself; none for the global node.
    pub fn key(&self) -> Option<&NodeKey> {
        self.0.last()
    }

    /// The scope of the parent; none for the global node.
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.0.split_last()?;
        Some(Self(above.to_vec()))
    }

    /// The scope of the first `depth` keys; none where there are not so many.
    pub fn prefix(&self, depth: usize) -> Option<Self> {
        self.0.get(..depth).map(|keys| Self(keys.to_vec()))
    }

    /// `{"project": …}` with the keys there are.
    pub fn to_json(&self) -> Value {
        let members = SCOPE_MEMBERS.iter().zip(&self.0);
        Value::Object(
            members.map(|(name, key)| ((*name).to_owned(), Value::from(key.as_str()))).collect::<Map<_, _>>(),
        )
    }
}

/// `global/<project>/<branch>/<task>` as far as it goes, keys percent-encoded: a resolution path.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Level::Global.as_str())?;
        self.0.iter().try_for_each(|key| write!(f, "/{}", percent_encode(key.as_str())))
    }
}

/// `text` as one segment of a URL's path: all but the unreserved characters of RFC 3986 encoded.
pub fn percent_encode(text: &str) -> impl fmt::Display + '_ {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, RESERVED)
}

/// Where a context stands in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The level of the node.
    pub level: Level,
    /// The node above; none for the global node.
    pub parent_id: Option<ContextId>,
    /// The key among the siblings; none for the global node.
    pub node_key: Option<NodeKey>,
}

/// How a context is addressed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// By its id, in the tree or not.
    Id(ContextId),
    /// By its place in the tree.
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
    fn a_scope_tells_its_level_path_and_parent() {
        let scope = Scope::from_keys([Some("web"), Some("feature/login"), Some("4 2")]).unwrap();
        assert_eq!(scope.level(), Level::Task);
        assert_eq!(scope.to_string(), "global/web/feature%2Flogin/4%202");
        assert_eq!(scope.parent().unwrap().level(), Level::Branch);
        assert_eq!(Scope::global().parent(), None);
        assert_eq!(Scope::from_json(&scope.to_json()).unwrap(), scope);
    }

    #[test]
    fn keys_keep_their_rules() {
        let longest = "k".repeat(255);
        for key in ["a", "feature/login", "世界", "...", " ", "a.b", "%2F", longest.as_str()] {
            assert!(key.parse::<NodeKey>().is_ok(), "{key} was refused");
        }
        let long = "é".repeat(128);
        for key in ["", ".", "..", "a\nb", "\u{7f}", "\0", long.as_str()] {
            assert!(key.parse::<NodeKey>().is_err(), "{key:?} was taken");
        }
    }

    #[test]
    fn a_gap_an_unknown_member_and_a_wrong_type_are_each_named() {
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
