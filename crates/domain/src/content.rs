//! The content of a context: the members that callers write, read from JSON and checked.

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::fault::Fault;
use crate::inheritance::Inheritance;
use crate::json;
use crate::limits::{
    MAX_CONTEXT_TYPE_CHARS, MAX_DESCRIPTION_CHARS, MAX_FAULTS, MAX_TAG_CHARS, MAX_TAGS, MAX_TITLE_CHARS,
    MAX_USER_ID_CHARS,
};
use crate::pointer::to_member;
use crate::tree::Level;

/// The members of a context that a caller writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// The document itself.
    pub context_data: Map<String, Value>,
    /// The kind of document: a word of at most [`MAX_CONTEXT_TYPE_CHARS`] characters (see
    /// [`is_word`]).
    pub context_type: String,
    /// A short name, at most [`MAX_TITLE_CHARS`] characters.
    pub title: Option<String>,
    /// A description, at most [`MAX_DESCRIPTION_CHARS`] characters.
    pub description: Option<String>,
    /// At most [`MAX_TAGS`] distinct words of at most [`MAX_TAG_CHARS`] characters each (see [`is_word`]).
    pub tags: Vec<String>,
    /// The owner, 1 to [`MAX_USER_ID_CHARS`] characters.
    pub user_id: Option<String>,
    /// When the context expires, after which it is not found any more; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// The rules for merging the document over the inherited one; `None` outside the tree, or if not given.
    pub inheritance: Option<Inheritance>,
}

/// The names of the writable members.
pub const MEMBERS: [&str; 8] =
    ["context_data", "context_type", "title", "description", "tags", "user_id", "expires_at", "inheritance"];

impl Content {
    /// Returns the content of a node that has not been written yet: an empty document with its level as type.
    pub fn empty_node(level: Level) -> Self {
        Self {
            context_data: Map::new(),
            context_type: level.to_string(),
            title: None,
            description: None,
            tags: Vec::new(),
            user_id: None,
            expires_at: None,
            inheritance: None,
        }
    }

    /// Reads the writable members; one that is absent or `null` gets its default. `level` is the node's
    /// level, `None` outside the tree, where `context_type` has no default and `inheritance` is refused.
    ///
    /// # Errors
    /// All faults, each with its pointer.
    pub fn from_json(body: &Map<String, Value>, level: Option<Level>) -> Result<Self, Vec<Fault>> {
        let mut reader = ContentReader { body, faults: Vec::new() };
        reader.refuse_unknown();
        let content = Self {
            context_data: reader.document(),
            context_type: reader.context_type(level),
            title: reader.optional_string("title", MAX_TITLE_CHARS),
            description: reader.optional_string("description", MAX_DESCRIPTION_CHARS),
            tags: reader.tags(),
            user_id: reader.user_id(),
            expires_at: reader.expires_at(level),
            inheritance: reader.inheritance(level),
        };
        if reader.faults.is_empty() { Ok(content) } else { Err(reader.faults) }
    }

    /// Returns the writable members as JSON, the form that patches are applied to.
    pub fn to_json(&self) -> Map<String, Value> {
        let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::String);
        let values: [Value; MEMBERS.len()] = [
            Value::Object(self.context_data.clone()),
            Value::from(self.context_type.as_str()),
            text(&self.title),
            text(&self.description),
            Value::from(self.tags.clone()),
            text(&self.user_id),
            self.expires_at.map_or(Value::Null, |at| Value::from(at.to_string())),
            self.inheritance.as_ref().map_or(Value::Null, |rules| rules.as_value().clone()),
        ];
        MEMBERS.into_iter().map(str::to_owned).zip(values).collect()
    }
}

/// Reads member by member and continues after a fault, so that one response reports all faults.
struct ContentReader<'a> {
    body: &'a Map<String, Value>,
    faults: Vec<Fault>,
}

impl<'a> ContentReader<'a> {
    fn refuse_unknown(&mut self) {
        let unknown = self.body.keys().filter(|name| !MEMBERS.contains(&name.as_str()));
        let rule = format!("unknown member: the writable members are {}", MEMBERS.join(", "));
        self.faults.extend(unknown.take(MAX_FAULTS).map(|name| Fault::new(to_member(name), rule.as_str())));
    }

    /// Returns the member unless it is absent or null.
    fn member(&self, name: &str) -> Option<&'a Value> {
        self.body.get(name).filter(|value| !value.is_null())
    }

    fn fault(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault::new(pointer, message));
    }

    fn document(&mut self) -> Map<String, Value> {
        let Some(Value::Object(document)) = self.member("context_data") else {
            self.fault("/context_data", "context_data is required and must be a JSON object");
            return Map::new();
        };
        if let Err(fault) = json::check_document(document) {
            self.faults.push(fault.under("/context_data"));
        }
        document.clone()
    }

    fn context_type(&mut self, level: Option<Level>) -> String {
        let rule = format!("context_type is {}", word_rule(MAX_CONTEXT_TYPE_CHARS));
        match (self.member("context_type"), level) {
            (Some(Value::String(kind)), _) if is_word(kind, MAX_CONTEXT_TYPE_CHARS) => return kind.clone(),
            (Some(_), _) => self.fault("/context_type", rule),
            (None, Some(level)) => return level.to_string(),
            (None, None) => {
                self.fault("/context_type", format!("context_type is required outside the tree: {rule}"));
            }
        }
        String::new()
    }

    fn optional_string(&mut self, name: &str, max_chars: usize) -> Option<String> {
        match self.member(name)? {
            Value::String(text) if text.chars().count() <= max_chars => return Some(text.clone()),
            _ => self.fault(
                format!("/{name}"),
                format!("{name} must be a string of at most {max_chars} characters, or null"),
            ),
        }
        None
    }

    fn user_id(&mut self) -> Option<String> {
        let user = self.optional_string("user_id", MAX_USER_ID_CHARS)?;
        if user.is_empty() {
            self.fault(
                "/user_id",
                "user_id must not be empty: leave it out or send null if there is no owner",
            );
        }
        Some(user)
    }

    fn tags(&mut self) -> Vec<String> {
        let tags = match self.member("tags") {
            None => return Vec::new(),
            Some(Value::Array(tags)) => tags,
            Some(_) => {
                self.fault("/tags", "tags must be an array of strings");
                return Vec::new();
            }
        };
        if tags.len() > MAX_TAGS {
            let rule =
                format!("there are {} tags, more than the limit of {MAX_TAGS}: remove some", tags.len());
            self.fault("/tags", rule);
            return Vec::new();
        }
        let mut read: Vec<String> = Vec::new();
        for (index, tag) in tags.iter().enumerate() {
            match tag.as_str().filter(|tag| is_word(tag, MAX_TAG_CHARS)) {
                None => {
                    self.fault(format!("/tags/{index}"), format!("a tag is {}", word_rule(MAX_TAG_CHARS)));
                }
                Some(tag) if read.iter().any(|other| other == tag) => {
                    self.fault(format!("/tags/{index}"), "the tag is listed twice: remove one");
                }
                Some(tag) => read.push(tag.to_owned()),
            }
        }
        read
    }

    fn expires_at(&mut self, level: Option<Level>) -> Option<Timestamp> {
        let value = self.member("expires_at")?;
        if level == Some(Level::Global) {
            self.fault(
                "/expires_at",
                "the global node cannot expire, because the whole tree is below it: leave this out",
            );
            return None;
        }
        match value.as_str().map(str::parse) {
            Some(Ok(at)) => return Some(at),
            Some(Err(rule)) => self.fault("/expires_at", rule),
            None => self.fault("/expires_at", "expires_at must be a time in RFC 3339, or null for never"),
        }
        None
    }

    fn inheritance(&mut self, level: Option<Level>) -> Option<Inheritance> {
        let value = self.member("inheritance")?;
        if level.is_none() {
            self.fault(
                "/inheritance",
                "a context outside the tree inherits nothing: give it a scope or leave this out",
            );
            return None;
        }
        match Inheritance::parse(value) {
            Ok(rules) => return Some(rules),
            Err(faults) => self.faults.extend(faults.into_iter().map(|fault| fault.under("/inheritance"))),
        }
        None
    }
}

/// Whether the text may be a context's type or a tag: it matches [`word_pattern`] of `max_chars`.
pub fn is_word(text: &str, max_chars: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=max_chars).contains(&text.len()) && text.bytes().all(plain)
}

/// Returns the rule for a word of at most `max_chars` characters, for messages; [`word_pattern`] is the same
/// rule.
pub fn word_rule(max_chars: usize) -> String {
    format!("1 to {max_chars} of A-Z, a-z, 0-9, '.', '_' and '-'")
}

/// Returns the rule for a word of at most `max_chars` characters as a regular expression.
pub fn word_pattern(max_chars: usize) -> String {
    format!("^[A-Za-z0-9._-]{{1,{max_chars}}}$")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_content(value: &Value, level: Option<Level>) -> Result<Content, Vec<String>> {
        Content::from_json(value.as_object().unwrap(), level)
            .map_err(|faults| faults.into_iter().map(|fault| fault.pointer).collect())
    }

    #[test]
    fn absent_and_null_members_get_their_default() {
        let plain = read_content(&json!({"context_data": {}}), Some(Level::Branch)).unwrap();
        assert_eq!(plain, Content::empty_node(Level::Branch));
        let nulls = json!({
            "context_data": {}, "title": null, "tags": null, "context_type": null, "expires_at": null
        });
        assert_eq!(read_content(&nulls, Some(Level::Branch)).unwrap(), plain);
    }

    #[test]
    fn content_is_returned_as_it_was_written() {
        let body = json!({
            "context_data": {"a": null}, "context_type": "x", "title": "", "description": "é",
            "tags": ["b", "a"], "user_id": "u", "expires_at": "2030-01-01T00:00:00.000000Z",
            "inheritance": {"unset": ["/a"]}
        });
        let content = read_content(&body, Some(Level::Task)).unwrap();
        assert_eq!(Value::Object(content.to_json()), body);
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let body = json!({
            "context_data": [], "context_type": "a b", "title": 1, "description": "x".repeat(1001),
            "tags": ["ok", "not ok", "ok"], "user_id": "", "expires_at": "soon", "inheritance": {}, "data": {}
        });
        assert_eq!(
            read_content(&body, None).unwrap_err(),
            [
                "/data",
                "/context_data",
                "/context_type",
                "/title",
                "/description",
                "/tags/1",
                "/tags/2",
                "/user_id",
                "/expires_at",
                "/inheritance"
            ]
        );
        assert_eq!(
            read_content(&json!({"context_data": {}, "tags": vec!["t"; 21]}), Some(Level::Task)).unwrap_err(),
            ["/tags"]
        );
        assert_eq!(read_content(&json!({"context_data": {}}), None).unwrap_err(), ["/context_type"]);
        let expiring = json!({"context_data": {}, "expires_at": "2030-01-01T00:00:00Z"});
        assert_eq!(read_content(&expiring, Some(Level::Global)).unwrap_err(), ["/expires_at"]);
    }

    #[test]
    fn a_title_is_measured_in_characters() {
        let titled =
            |title: String| read_content(&json!({"context_data": {}, "title": title}), Some(Level::Task));
        assert!(titled("世".repeat(255)).is_ok());
        assert!(titled("世".repeat(256)).is_err());
    }

    #[test]
    fn the_number_of_reported_faults_is_limited() {
        let mut body: Map<String, Value> = (0..5_000).map(|n| (n.to_string(), Value::Null)).collect();
        body.insert("context_data".to_owned(), json!({}));
        let unknown = Content::from_json(&body, Some(Level::Task)).unwrap_err();
        assert_eq!(unknown.len(), MAX_FAULTS);
        for rules in [
            json!({"unset": vec!["a"; 5_000]}),
            json!({"strategies": {}, "locked": vec![1; 257]}),
            json!({"locked": ["/".to_owned() + &"a".repeat(70_000)]}),
            json!({"unset": (0..20_000).map(|n| n.to_string()).collect::<Vec<_>>()}),
        ] {
            let body = json!({"context_data": {}, "inheritance": rules});
            assert_eq!(read_content(&body, Some(Level::Task)).unwrap_err(), ["/inheritance"]);
        }
    }
}
