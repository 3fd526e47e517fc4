//! `docs/api.md` and the OpenAPI document name limits, strategies and scopes as the code has them.

use std::fs;
use std::path::Path;

use context_domain::access::Permission;
use context_domain::error::Code;
use context_domain::inheritance::Strategy;
use context_domain::limits::{
    DEFAULT_PAGE_LIMIT, IDEMPOTENCY_WINDOW_HOURS, MAX_BODY_BYTES, MAX_CONTEXT_TYPE_CHARS,
    MAX_DESCRIPTION_CHARS, MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH, MAX_FAULTS, MAX_IDEMPOTENCY_KEY_BYTES,
    MAX_INHERITANCE_BYTES, MAX_INHERITANCE_POINTERS, MAX_PAGE_BYTES, MAX_PAGE_LIMIT, MAX_PATCH_OPERATIONS,
    MAX_POINTERS_BYTES, MAX_SEARCH_TEXT_CHARS, MAX_TAG_CHARS, MAX_TAGS, MAX_TITLE_CHARS, MAX_USER_ID_CHARS,
    MAX_WRITE_ATTEMPTS, bytes_text,
};

use crate::support::OPENAPI;

/// Returns `docs/api.md` as one line, so that a sentence is found wherever its lines are broken.
fn api_document() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    fs::read_to_string(file).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns a number with commas between its thousands: `1,000`.
fn grouped(number: usize) -> String {
    if number < 1_000 { number.to_string() } else { format!("{},{:03}", number / 1_000, number % 1_000) }
}

#[test]
fn the_document_names_every_limit_as_it_is() {
    let document = api_document();
    let bytes = bytes_text;
    for sentence in [
        format!("`[A-Za-z0-9._-]{{1,{MAX_CONTEXT_TYPE_CHARS}}}`; a node's default"),
        format!("at most {MAX_TITLE_CHARS} and {} characters", grouped(MAX_DESCRIPTION_CHARS)),
        format!("at most {MAX_TAGS} of `[A-Za-z0-9._-]{{1,{MAX_TAG_CHARS}}}`"),
        format!("the owner; 1 to {MAX_USER_ID_CHARS} characters"),
        format!("A document has at most {} of compact JSON", bytes(MAX_DOCUMENT_BYTES)),
        format!("at most {MAX_DOCUMENT_DEPTH} containers inside each other"),
        format!("have at most {} together", bytes(MAX_POINTERS_BYTES)),
        format!("at most {} and {MAX_INHERITANCE_POINTERS} pointers", bytes(MAX_INHERITANCE_BYTES)),
        format!("names at most {} faults", grouped(MAX_FAULTS)),
        format!("at most {MAX_PATCH_OPERATIONS} operations"),
        format!("(1 to {MAX_IDEMPOTENCY_KEY_BYTES} visible ASCII characters)"),
        format!("within {IDEMPOTENCY_WINDOW_HOURS} hours the same request"),
        format!("`limit` (1 to {MAX_PAGE_LIMIT}, default {DEFAULT_PAGE_LIMIT})"),
        format!("if its documents reach {}", bytes(MAX_PAGE_BYTES)),
        format!("repeated (up to {MAX_TAGS} times)"),
        format!("(at most {} characters)", grouped(MAX_SEARCH_TEXT_CHARS)),
        format!("the body has more than {}", bytes(MAX_BODY_BYTES)),
        format!("{MAX_WRITE_ATTEMPTS} other writes came first"),
    ] {
        assert!(document.contains(&sentence), "docs/api.md lacks: {sentence}");
    }
}

#[test]
fn the_document_names_every_strategy_and_every_scope() {
    let document = api_document();
    for strategy in Strategy::ALL {
        assert!(document.contains(&format!("`{}`", strategy.as_str())), "{strategy:?}");
    }
    for permission in Permission::ALL {
        assert!(document.contains(&format!("| `{permission}` |")), "{permission}");
    }
}

#[test]
fn the_document_has_the_status_of_every_code_that_the_openapi_document_has() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let text = fs::read_to_string(file).unwrap();
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| `")).collect();
    let mut compared = 0;
    for operation in OPENAPI["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap())
    {
        for (status, response) in operation.1["responses"].as_object().unwrap() {
            let description = response["description"].as_str().unwrap();
            for code in Code::ALL.iter().filter(|code| description.contains(&format!("`{code}`: "))) {
                let has_both = |row: &&&str| {
                    row.contains(&format!("`{code}`")) && row.contains(&format!("| {status} |"))
                };
                assert!(rows.iter().any(|row| has_both(&row)), "docs/api.md lacks {code} with {status}");
                compared += 1;
            }
        }
    }
    assert!(compared > 100, "only {compared} codes were compared");
}
