//! Tests of containment against answers of a real PostgreSQL.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use context_domain::search::{contains, leaves};
use serde_json::Value;

/// Returns cases of `[document, part, answer]`. They are read with the product's own reader, so that numbers
/// are as in documents.
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
fn containment_is_that_of_postgresql() {
    let cases = cases();
    assert!(cases.len() > 1000);
    let wrong: Vec<_> =
        cases.iter().filter(|[document, part, answer]| contains(document, part) != *answer).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:?}", wrong.len(), cases.len());
}

#[test]
fn a_document_that_contains_a_part_has_all_its_leaves() {
    for [document, part, answer] in cases() {
        if let (Value::Object(document), Value::Object(part), true) = (&document, &part, answer == true) {
            assert!(leaves(part).is_subset(&leaves(document)), "{document:?} {part:?}");
        }
    }
}
