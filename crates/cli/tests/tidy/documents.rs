//! Documents name files that exist.

use crate::files::{files, has_extension, root};

/// How a path from the root of the repository begins.
const ROOTS: [&str; 5] = ["crates/", "docs/", "bench/", "contract/", "examples/"];

#[test]
fn every_path_that_a_document_names_exists() {
    let documents = files(|name| has_extension(name, "md") && !name.starts_with("examples/"));
    let (mut named, mut missing) = (0, Vec::new());
    for (document, text) in &documents {
        for path in paths(text) {
            named += 1;
            if !root().join(path).exists() {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
    assert!(named > 50, "only {named} paths were found");
}

/// Returns the paths in code spans. Those with a placeholder stand for many files and are left out.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let spans = text.split('`').skip(1).step_by(2);
    spans.filter(|span| {
        let is_path = ROOTS.iter().any(|root| span.starts_with(root));
        is_path && !span.contains([' ', '\n', '<', '{', '*', '…'])
    })
}

#[test]
fn paths_are_found_in_code_spans_only() {
    let text = "In `crates/a.rs` and `b.rs`, not crates/c.rs; `docs/<noun>.md`, `cargo test docs/`.\n\
                ```sh\nls crates/d.rs\n```\nThen `docs/e.md`.";
    assert_eq!(paths(text).collect::<Vec<_>>(), ["crates/a.rs", "docs/e.md"]);
}
