//! Plain English, and the width of lines.

use crate::files::{files, has_extension, is_rust};

/// Words that were replaced by the field's own: byte, repair, unhealthy, again, report or show.
const REPLACED: [&str; 13] = [
    "octet", "octets", "mend", "mends", "mended", "mending", "unwell", "anew", "tell", "tells", "telling",
    "told", "come by",
];

/// Characters in a line of Rust, and of Markdown outside tables and blocks of code.
const RUST_WIDTH: usize = 110;
const MARKDOWN_WIDTH: usize = 120;

#[test]
fn replaced_words_are_not_used() {
    let mut found = Vec::new();
    for (name, text) in files(is_prose_or_code) {
        for (index, line) in text.lines().enumerate() {
            found.extend(replaced_word(line).map(|word| format!("{name}:{}: {word}", index + 1)));
        }
    }
    assert!(found.is_empty(), "say it in the words of the field:\n{}", found.join("\n"));
}

/// Whether the words of a file are checked. Migrations are not: their texts are checksummed. This file has
/// the words.
fn is_prose_or_code(name: &str) -> bool {
    let is_checked = is_rust(name)
        || ["sql", "md", "py", "toml", "yaml"].iter().any(|extension| has_extension(name, extension))
        || name.ends_with("openapi.json")
        || !name.contains("LICENSE") && !name.rsplit('/').next().unwrap_or_default().contains('.');
    is_checked && !name.starts_with("crates/fleet/migrations/") && !name.ends_with("tests/tidy/text.rs")
}

/// Returns the first replaced word of a line. Words end at any character that is not a letter, underscores
/// included, and at a change from lower to upper case.
fn replaced_word(line: &str) -> Option<&'static str> {
    let mut words = String::from(" ");
    let mut was_lower = false;
    for character in line.chars() {
        if !character.is_alphabetic() || was_lower && character.is_uppercase() {
            words.push(' ');
        }
        if character.is_alphabetic() {
            words.extend(character.to_lowercase());
        }
        was_lower = character.is_lowercase();
    }
    words.push(' ');
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = format!(" {words} ");
    REPLACED.into_iter().find(|word| words.contains(&format!(" {word} ")))
}

#[test]
fn each_form_of_a_replaced_word_is_found() {
    for line in [
        "/// Tells why.",
        "fn max_octets()",
        "const OCTETS_OF_A_BODY: usize",
        "struct OctetLimit",
        "let octetCount = 1;",
        "\"is_unwell\": true",
        "(anew)",
        "How it was come by.",
        "told",
    ] {
        assert!(replaced_word(line).is_some(), "{line}");
    }
    for line in ["retell", "Telluride", "commend", "amended", "renew", "to come", "only by name", "well"] {
        assert_eq!(replaced_word(line), None, "{line}");
    }
}

#[test]
fn no_line_is_too_long() {
    let mut found = Vec::new();
    for (name, text) in files(|name| is_rust(name) || has_extension(name, "md")) {
        let lines = if is_rust(&name) { long_lines_of_rust(&text) } else { long_lines_of_markdown(&text) };
        found.extend(lines.into_iter().map(|line| format!("{name}:{line}")));
    }
    assert!(found.is_empty(), "break these lines:\n{}", found.join("\n"));
}

/// Returns the numbers of the lines that are too long.
fn long_lines_of_rust(text: &str) -> Vec<usize> {
    let lines = text.lines().enumerate();
    lines.filter(|(_, line)| line.chars().count() > RUST_WIDTH).map(|(index, _)| index + 1).collect()
}

/// The same of Markdown, without tables and blocks of code. The target of a link does not count.
fn long_lines_of_markdown(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        let is_exempt = is_fence || in_code || line.trim_start().starts_with('|');
        if !is_exempt && without_links(line).chars().count() > MARKDOWN_WIDTH {
            found.push(index + 1);
        }
    }
    found
}

/// Removes the targets of links: what is between `](` and `)`, and what begins with `https://`.
fn without_links(line: &str) -> String {
    let mut parts = line.split("](");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str("](");
        kept.push_str(part.split_once(')').map_or(part, |(_, rest)| rest));
    }
    let words = kept.split(' ').filter(|word| !word.trim_start_matches(['<', '(']).starts_with("https://"));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn each_kind_of_long_line_is_found() {
    let (fits, long) = ("x".repeat(110), "ü".repeat(111));
    assert_eq!(long_lines_of_rust(&format!("{fits}\n{long}\n")), [2]);
    let (fits, long) = ("ü".repeat(120), "x ".repeat(61));
    assert_eq!(long_lines_of_markdown(&format!("{fits}\n{long}\n- {long}\n")), [2, 3]);
    let exempt = format!("| {long} |\n```sh\n{long}\n```\n[text]({long})\n<https://{}>\n", "x".repeat(200));
    assert_eq!(long_lines_of_markdown(&exempt), [0; 0]);
    assert_eq!(long_lines_of_markdown(&format!("```sh\n```\n[{long}](x)\n")), [3]);
}
