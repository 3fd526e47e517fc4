//! Containment, held to what a real PostgreSQL answers.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use context_domain::search::{contains, leaves};
use serde_json::Value;

/// `[document, part, answer]`, read by the product's own reader, so that numbers are what they are in documents.
fn cases() -> Vec<[Value; 3]> {
    let text = include_bytes!("cases/containment.json");
    let value = context_domain::json::parse_strict(text).unwrap();
    value["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| [case[0].clone(), case[1].clone(), case[2].clone()])
        .collect()
}

#[test]
fn containment_is_postgresqls() {
    let cases = cases();
    assert!(cases.len() > 1000);
    let wrong: Vec<_> =
        cases.iter().filter(|[document, part, answer]| contains(document, part) != *answer).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:?}", wrong.len(), cases.len());
}

#[test]
fn what_contains_a_part_has_all_its_leaves() {
    for [document, part, answer] in cases() {
        if let (Value::Object(document), Value::Object(part), true) = (&document, &part, answer == true) {
            assert!(leaves(part).is_subset(&leaves(document)), "{document:?} {part:?}");
        }
    }
}
