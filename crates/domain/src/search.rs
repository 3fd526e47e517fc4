//! Search: what a filter means, the same on every store.
//!
//! A store may find candidates in any way it likes; what belongs to the answer is what [`Search::matches`] says.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use unicode_segmentation::UnicodeSegmentation;

use crate::clock::Timestamp;
use crate::content::Content;
use crate::context::Context;
use crate::limits::MAX_WORD_CHARS;
use crate::tree::Level;

/// What a list of contexts is narrowed to: every part that is given must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Search {
    /// The context's type.
    pub context_type: Option<String>,
    /// Tags that it has, all of them.
    pub tags: Vec<String>,
    /// Its owner.
    pub user_id: Option<String>,
    /// Its level in the tree.
    pub context_level: Option<Level>,
    /// Created at this moment or later.
    pub created_after: Option<Timestamp>,
    /// Created before this moment.
    pub created_before: Option<Timestamp>,
    /// Last written at this moment or later.
    pub updated_after: Option<Timestamp>,
    /// Words that it has, all of them; as [`words_of`] cuts them.
    pub words: BTreeSet<String>,
    /// What its document contains.
    pub filter: Option<Map<String, Value>>,
}

impl Search {
    /// Whether nothing is asked, so that everything matches.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether `context` belongs to the answer.
    pub fn matches(&self, context: &Context) -> bool {
        let content = &context.content;
        let level = context.place.as_ref().map(|place| place.level);
        self.context_type.as_ref().is_none_or(|kind| *kind == content.context_type)
            && self.tags.iter().all(|tag| content.tags.contains(tag))
            && self.user_id.as_ref().is_none_or(|user| content.user_id.as_ref() == Some(user))
            && self.context_level.is_none_or(|wanted| level == Some(wanted))
            && self.created_after.is_none_or(|at| context.created_at >= at)
            && self.created_before.is_none_or(|at| context.created_at < at)
            && self.updated_after.is_none_or(|at| context.updated_at >= at)
            && self.filter.as_ref().is_none_or(|filter| object_contains(&content.context_data, filter))
            && (self.words.is_empty() || self.words.is_subset(&words_of_content(content)))
    }
}

/// Whether `document` contains `part`, as PostgreSQL's `jsonb @> jsonb` has it: an object contains one whose members it
/// contains; an array contains one each of whose elements one of its own contains, whatever their order and number;
/// scalars are equal by value. At the root an array also contains a scalar that is among its elements.
///
/// Source: PostgreSQL documentation, "jsonb Containment and Existence".
pub fn contains(document: &Value, part: &Value) -> bool {
    match (document, part) {
        (Value::Array(elements), scalar) if !is_container(scalar) => elements.contains(scalar),
        _ => contains_below(document, part),
    }
}

/// The words of a text: Unicode words (UAX #29), lower-cased, each once, cut to [`MAX_WORD_CHARS`].
pub fn words_of(text: &str) -> BTreeSet<String> {
    text.unicode_words().map(word).collect()
}

/// The words that a context is found by: those of its title, its description, and every string of its document.
/// Names of members are not among them.
pub fn words_of_content(content: &Content) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let texts = content.title.iter().chain(&content.description);
    texts.for_each(|text| words.extend(text.unicode_words().map(word)));
    content.context_data.values().for_each(|value| collect_words(value, &mut words));
    words
}

/// A scalar that a document must hold to contain a part: its value, and the names of the members on the way to it.
/// Arrays on the way leave no trace, because containment does not ask where in an array something stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Leaf<'a> {
    /// The names on the way, outermost first.
    pub path: Vec<&'a str>,
    /// The scalar as JSON.
    pub scalar: String,
}

/// The scalars of a document with their paths. A document contains a part only if all leaves of the part are among its
/// own; the reverse does not hold, so that candidates found by leaves are to be tested with [`contains`].
pub fn leaves(document: &Map<String, Value>) -> BTreeSet<Leaf<'_>> {
    let mut found = BTreeSet::new();
    let mut path = Vec::new();
    document.iter().for_each(|(name, value)| collect_member(name, value, &mut path, &mut found));
    found
}

fn object_contains(document: &Map<String, Value>, part: &Map<String, Value>) -> bool {
    part.iter().all(|(name, value)| document.get(name).is_some_and(|own| contains_below(own, value)))
}

fn contains_below(document: &Value, part: &Value) -> bool {
    match (document, part) {
        (Value::Object(document), Value::Object(part)) => object_contains(document, part),
        (Value::Array(document), Value::Array(part)) => {
            part.iter().all(|wanted| document.iter().any(|element| contains_below(element, wanted)))
        }
        (document, part) => !is_container(part) && document == part,
    }
}

fn is_container(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn word(word: &str) -> String {
    word.to_lowercase().chars().take(MAX_WORD_CHARS).collect()
}

fn collect_words(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => words.extend(text.unicode_words().map(word)),
        Value::Array(elements) => elements.iter().for_each(|element| collect_words(element, words)),
        Value::Object(members) => members.values().for_each(|member| collect_words(member, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn collect_member<'a>(
    name: &'a str,
    value: &'a Value,
    path: &mut Vec<&'a str>,
    found: &mut BTreeSet<Leaf<'a>>,
) {
    path.push(name);
    collect_leaves(value, path, found);
    path.pop();
}

fn collect_leaves<'a>(value: &'a Value, path: &mut Vec<&'a str>, found: &mut BTreeSet<Leaf<'a>>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| collect_member(name, value, path, found));
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect_leaves(element, path, found)),
        scalar => drop(found.insert(Leaf { path: path.clone(), scalar: scalar.to_string() })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn words(text: &str) -> Vec<String> {
        words_of(text).into_iter().collect()
    }

    #[test]
    fn words_are_unicode_words_in_lower_case() {
        assert_eq!(
            words("The quick-brown FOX, can't jump 32.3 feet; ÉTÉ"),
            ["32.3", "brown", "can't", "feet", "fox", "jump", "quick", "the", "été"]
        );
        assert_eq!(words("世界 Straße ΣΑΣ"), ["straße", "σας", "世", "界"]);
        assert_eq!(words(" ,.;"), Vec::<String>::new());
        assert_eq!(words(&"x".repeat(500)), ["x".repeat(MAX_WORD_CHARS)]);
    }

    #[test]
    fn words_come_from_values_and_not_from_names() {
        let mut content = Content::empty_node(Level::Task);
        content.title = Some("Title".to_owned());
        content.description = Some("Some text".to_owned());
        let Value::Object(document) = json!({"name": ["Deep", {"k": "value"}], "n": 1, "t": true}) else {
            panic!()
        };
        content.context_data = document;
        let found: Vec<_> = words_of_content(&content).into_iter().collect();
        assert_eq!(found, ["deep", "some", "text", "title", "value"]);
    }
}
