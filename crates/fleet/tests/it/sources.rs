//! Rewording a message changes no repair: no source that examines, decides or repairs works on text.
//!
//! Findings are data. Their words are made by `Display`, in three files. This test reads the other sources
//! for calls that make words of a finding, or take text apart; the few that may are listed. Whatever is not
//! text has no words to depend on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The files with the `Display` of findings.
const DISPLAY: [&str; 3] = ["finding.rs", "object.rs", "fault.rs"];

/// Calls that take text apart or compare it.
const TAKES_APART: [&str; 13] = [
    "starts_with(",
    "ends_with(",
    "strip_prefix(",
    "strip_suffix(",
    ".split(",
    "split_once(",
    "split_whitespace(",
    "split_ascii_whitespace(",
    "splitn(",
    ".matches(",
    ".contains(\"",
    ".find(\"",
    "== \"",
];

/// Calls that make words of an object or a finding.
const MAKES_WORDS: [&str; 5] = ["to_string", "{object", "{finding", "{kind", "{alteration"];

/// Lines that may do either: they show a finding to people, or their text is not ours.
const ALLOWED: [(&str, &str); 10] = [
    // PostgreSQL's message, which alone distinguishes two causes of one SQLSTATE.
    ("fleet/src/installation.rs", "refusal.message().starts_with(\"must be owner of \")"),
    // The text of our SQL files.
    ("fleet/src/functions.rs", "split(QUOTE)"),
    ("fleet/src/functions.rs", "line.strip_prefix(\"SET \")"),
    ("fleet/src/functions.rs", "&TENANT_REVISION.to_string()"),
    // SQL.
    ("fleet/src/examine/control.rs", "starts_with(n.nspname::text, 'tenant_')"),
    ("fleet/src/examine/functions.rs", "array_to_string(found.proconfig"),
    // Messages that are made and not read.
    ("fleet/src/installation.rs", "url: url.to_string()"),
    ("fleet/src/examine/nodes.rs", "error.to_string()"),
    ("fleet/src/change/workers.rs", "error.to_string()"),
    ("fleet/src/change/bootstrap.rs", "to_string"),
];

/// Returns the Rust files under `folder`, tests left out.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn no_repair_rests_on_the_words_of_a_message() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = sources(&crates.join("fleet/src"));
    files.extend(sources(&crates.join("store/src/postgres/completeness")));
    let command = crates.join("cli/src/bootstrap/postgres.rs");
    files.push(command.clone());
    assert!(files.len() > 25, "{files:?}");
    let (mut works_on_text, mut used) = (Vec::new(), BTreeSet::new());
    for file in &files {
        // The command line shows findings; it only must not take their words apart.
        let shows = *file == command || DISPLAY.iter().any(|name| file.ends_with(name));
        let text = fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let calls = |list: &[&str]| list.iter().any(|call| line.contains(call));
            if !calls(&TAKES_APART) && (shows || !calls(&MAKES_WORDS)) {
                continue;
            }
            match ALLOWED.iter().find(|(path, part)| file.ends_with(path) && line.contains(part)) {
                Some(allowed) => {
                    used.insert(allowed);
                }
                None => works_on_text.push(format!("{}: {}", file.display(), line.trim())),
            }
        }
    }
    assert_eq!(works_on_text, Vec::<String>::new(), "decide from the fields of findings, not from text");
    assert_eq!(used.len(), ALLOWED.len(), "an exception that nothing needs any more: {used:?}");
}
