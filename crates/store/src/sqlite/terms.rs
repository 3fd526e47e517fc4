//! Terms: what a context is found by, each reduced to a hash.
//!
//! Two terms may have the same hash. That is harmless, because what the index finds is tested before it is
//! returned. But the hash of a term must never change, because the tenants' files hold it.

use std::collections::BTreeSet;

use context_domain::context::Context;
use context_domain::search::{Search, leaves, words_of_content};
use serde_json::{Map, Value};

/// The maximum number of terms of a search that are looked up in the index; the test of each candidate covers
/// the others.
const MAX_ASKED: usize = 64;

/// The bits of a hash that are kept. The index holds each term of each context as hexadecimal digits, so that
/// its size, and the cost of a write, grow with their number.
const KEPT: u64 = (1 << 40) - 1;

/// The terms of a context, or those that a context must have to match.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Terms(BTreeSet<u64>);

impl Terms {
    /// Returns the terms under which `context` is indexed.
    pub(super) fn of_context(context: &Context) -> Self {
        let content = &context.content;
        let mut terms = Self::default();
        terms.add(TermHash::new(TermKind::Type).part(&content.context_type));
        content.tags.iter().for_each(|tag| terms.add(TermHash::new(TermKind::Tag).part(tag)));
        content.user_id.iter().for_each(|user| terms.add(TermHash::new(TermKind::User).part(user)));
        if let Some(place) = &context.place {
            terms.add(TermHash::new(TermKind::Level).part(place.level.as_str()));
        }
        for word in words_of_content(content) {
            terms.add(TermHash::new(TermKind::Word).part(&word));
        }
        terms.add_document(&content.context_data);
        terms
    }

    /// Returns terms that every matching context has; none if the index cannot help.
    pub(super) fn of_search(search: &Search) -> Self {
        let mut terms = Self::default();
        search.context_type.iter().for_each(|kind| terms.add(TermHash::new(TermKind::Type).part(kind)));
        search.tags.iter().for_each(|tag| terms.add(TermHash::new(TermKind::Tag).part(tag)));
        search.user_id.iter().for_each(|user| terms.add(TermHash::new(TermKind::User).part(user)));
        if let Some(level) = search.context_level {
            terms.add(TermHash::new(TermKind::Level).part(level.as_str()));
        }
        search.words.iter().for_each(|word| terms.add(TermHash::new(TermKind::Word).part(word)));
        search.filter.iter().for_each(|filter| terms.add_document(filter));
        Self(terms.0.into_iter().take(MAX_ASKED).collect())
    }

    /// Whether there is no term.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the terms in the syntax of the full-text index: to store them, and to find the contexts that
    /// have all of them.
    pub(super) fn to_text(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|term| format!("{term:010x}")).collect();
        words.join(" ")
    }

    /// Adds the terms that a document that contains `part` must have; `part` itself has them too.
    fn add_document(&mut self, part: &Map<String, Value>) {
        for leaf in leaves(part) {
            let path = leaf.path.iter().fold(TermHash::new(TermKind::Leaf), |hash, name| hash.part(name));
            self.add(path.end().part(&leaf.scalar));
        }
        // Containers may be all that a part has: {"a": {}} has no leaf.
        part.iter().for_each(|(name, value)| self.add_containers(value, &[], name));
    }

    /// Adds the objects and arrays in `value`, the member `name` at the end of the path `above`.
    fn add_containers(&mut self, value: &Value, above: &[&str], name: &str) {
        if let Value::Object(_) | Value::Array(_) = value {
            let path = [above, &[name]].concat();
            self.add_container(value, &path);
        }
    }

    fn add_container(&mut self, value: &Value, path: &[&str]) {
        let hash = |kind| path.iter().fold(TermHash::new(kind), |hash, name| hash.part(name));
        match value {
            Value::Object(members) => {
                self.add(hash(TermKind::Object));
                members.iter().for_each(|(name, value)| self.add_containers(value, path, name));
            }
            // Containment does not depend on positions in an array, so arrays do not lengthen the path.
            Value::Array(elements) => {
                self.add(hash(TermKind::Array));
                for element in elements {
                    self.add_container(element, path);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, term: TermHash) {
        self.0.insert(term.0 & KEPT);
    }
}

/// What a term stands for: the same text may be a word, a tag and a type.
#[derive(Clone, Copy)]
enum TermKind {
    Array,
    Leaf,
    Level,
    Object,
    Tag,
    Type,
    User,
    Word,
}

/// FNV-1a with 64 bits.
///
/// Source: RFC 9923, "The FNV Non-Cryptographic Hash Algorithm".
#[derive(Clone, Copy)]
struct TermHash(u64);

impl TermHash {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;

    fn new(kind: TermKind) -> Self {
        let letter = match kind {
            TermKind::Array => b'a',
            TermKind::Leaf => b'l',
            TermKind::Level => b'v',
            TermKind::Object => b'o',
            TermKind::Tag => b'g',
            TermKind::Type => b't',
            TermKind::User => b'u',
            TermKind::Word => b'w',
        };
        Self(Self::BASIS).byte(letter)
    }

    /// Adds a text. No byte of a text is 0xff, which therefore marks its end.
    fn part(self, text: &str) -> Self {
        text.bytes().fold(self, Self::byte).byte(0xff)
    }

    /// Marks the end of a list of texts.
    fn end(self) -> Self {
        self.byte(0xfe)
    }

    fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ u64::from(byte)).wrapping_mul(Self::PRIME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn terms_of(document: &Value) -> BTreeSet<u64> {
        let mut terms = Terms::default();
        terms.add_document(document.as_object().unwrap());
        terms.0
    }

    #[test]
    fn a_part_has_only_terms_that_its_whole_has() {
        let document = terms_of(&json!({"a": {"b": [1, {"c": null, "d": {}}], "e": [[2], []]}, "f": "g"}));
        for part in [
            json!({}),
            json!({"a": {}}),
            json!({"a": {"b": []}}),
            json!({"a": {"b": [{}]}}),
            json!({"a": {"b": [{"c": null}, 1]}}),
            json!({"a": {"b": [{"d": {}}], "e": [[]]}}),
            json!({"a": {"e": [[2]]}, "f": "g"}),
        ] {
            assert!(terms_of(&part).is_subset(&document), "{part}");
        }
        for part in [
            json!({"f": {}}),
            json!({"a": []}),
            json!({"a": {"b": {}, "e": {}}}),
            json!({"a": {"b": [{"c": {}}]}}),
            json!({"f": "h"}),
            json!({"a": {"b": {"c": "null"}}}),
        ] {
            assert!(!terms_of(&part).is_subset(&document), "{part}");
        }
    }

    #[test]
    fn files_hold_these_hashes() {
        let word = TermHash::new(TermKind::Word).part("straße").0;
        let leaf = TermHash::new(TermKind::Leaf).part("a").part("b").end().part("1").0;
        assert_eq!((word, leaf), (0x6a4e_c9a6_1837_ad66, 0xf068_a1e3_d4c8_f2a6));
        let mut terms = Terms(BTreeSet::from([1]));
        terms.add(TermHash(u64::MAX));
        assert_eq!(terms.to_text(), "0000000001 ffffffffff");
    }
}
