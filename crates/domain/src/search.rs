//! Search: the meaning of a list's filters, which is the same for every store.
//!
//! A store may find candidates in any way; [`Search::matches`] decides which of them are returned.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use unicode_segmentation::UnicodeSegmentation;

use crate::clock::Timestamp;
use crate::content::Content;
use crate::context::Context;
use crate::limits::MAX_WORD_CHARS;
use crate::tree::Level;

/// The filters of a list of contexts. A context matches if it satisfies every filter that is given.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Search {
    /// The context's type.
    pub context_type: Option<String>,
    /// Tags, all of which the context has.
    pub tags: Vec<String>,
    /// The context's owner.
    pub user_id: Option<String>,
    /// The context's level in the tree.
    pub context_level: Option<Level>,
    /// Created at this moment or later.
    pub created_after: Option<Timestamp>,
    /// Created before this moment.
    pub created_before: Option<Timestamp>,
    /// Last written at this moment or later.
    pub updated_after: Option<Timestamp>,
    /// Words, all of which the context has, as [`words_of`] returns them.
    pub words: BTreeSet<String>,
    /// Members that the document contains, in the sense of [`contains`].
    pub filter: Option<Map<String, Value>>,
}

impl Search {
    /// Whether no filter is given, so that every context matches.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether `context` satisfies every filter.
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

/// Whether `document` contains `part`, as PostgreSQL's `jsonb @> jsonb` defines it. An object contains
/// another if it has each of its members, and their values contain the other's values. An array contains
/// another if each element of the other is contained in some element of its own; order and number do not
/// matter. Scalars are equal by value. At the root, an array also contains a scalar that is one of its
/// elements.
///
/// Source: PostgreSQL documentation, "jsonb Containment and Existence".
pub fn contains(document: &Value, part: &Value) -> bool {
    match (document, part) {
        (Value::Array(elements), scalar) if !is_container(scalar) => elements.contains(scalar),
        _ => contains_below(document, part),
    }
}

/// Returns the distinct words of a text: Unicode words (UAX #29) in lower case, cut to [`MAX_WORD_CHARS`]
/// characters.
pub fn words_of(text: &str) -> BTreeSet<String> {
    text.unicode_words().map(word).collect()
}

/// Returns the words by which a context is found: those of its title, its description and every string in its
/// document. The names of members are not included.
pub fn words_of_content(content: &Content) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let texts = content.title.iter().chain(&content.description);
    texts.for_each(|text| words.extend(text.unicode_words().map(word)));
    content.context_data.values().for_each(|value| collect_words(value, &mut words));
    words
}

/// A scalar in a document, with the names of the members that lead to it. Arrays on the path are left out,
/// because for containment the position in an array does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScalarLeaf<'a> {
    /// The names of the members, outermost first.
    pub path: Vec<&'a str>,
    /// The scalar as JSON.
    pub scalar: String,
}

/// Returns the scalars of a document with their paths. If a document contains a part, it has all leaves of
/// the part. The reverse is not true, so candidates that were found by their leaves must be tested with
/// [`contains`].
pub fn leaves(document: &Map<String, Value>) -> BTreeSet<ScalarLeaf<'_>> {
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
    found: &mut BTreeSet<ScalarLeaf<'a>>,
) {
    path.push(name);
    collect_leaves(value, path, found);
    path.pop();
}

fn collect_leaves<'a>(value: &'a Value, path: &mut Vec<&'a str>, found: &mut BTreeSet<ScalarLeaf<'a>>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| collect_member(name, value, path, found));
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect_leaves(element, path, found)),
        scalar => drop(found.insert(ScalarLeaf { path: path.clone(), scalar: scalar.to_string() })),
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
