//! General names are given to one type each, so that a search for the name finds it.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};

use crate::files::sources;

/// Names that say little: a second type adds a noun, as in `PoolSlot`.
const GENERAL: [&str; 25] = [
    "Access",
    "Condition",
    "Content",
    "Control",
    "Entry",
    "Failure",
    "Fault",
    "Folder",
    "Found",
    "Kind",
    "Mode",
    "Names",
    "Opened",
    "Outcome",
    "Param",
    "Place",
    "Plan",
    "Reader",
    "Refusal",
    "Report",
    "Request",
    "Search",
    "Slot",
    "Source",
    "Table",
];

#[test]
fn a_general_name_is_used_for_one_type() {
    let mut files = BTreeMap::<String, BTreeSet<String>>::new();
    for (file, text) in sources().into_iter().filter(|(file, _)| !file.contains("/tests/")) {
        for name in types(text.parse().unwrap()) {
            files.entry(name).or_default().insert(file.clone());
        }
    }
    let shared =
        files.into_iter().filter(|(name, files)| GENERAL.contains(&name.as_str()) && files.len() > 1);
    assert_eq!(shared.collect::<Vec<_>>(), [], "give these types a longer name each");
}

/// Returns the names of the types that are declared, at any depth.
fn types(tokens: TokenStream) -> Vec<String> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match (token, tokens.get(at + 1)) {
            (TokenTree::Group(group), _) => found.extend(types(group.stream())),
            (TokenTree::Ident(word), Some(TokenTree::Ident(name)))
                if ["struct", "enum", "union", "trait"].iter().any(|known| word == known) =>
            {
                found.push(name.to_string());
            }
            _ => {}
        }
    }
    found
}

#[test]
fn each_kind_of_type_is_found() {
    let text =
        "pub struct A; enum B<T> { C(T) } mod m { trait D {} } fn f() { union E { x: u8 } } // struct F;";
    assert_eq!(types(text.parse().unwrap()), ["A", "B", "D", "E"]);
}
