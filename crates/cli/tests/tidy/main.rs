//! The house rules that neither the compiler nor clippy can check.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken assumption is a failed test")]

mod circles;
mod documents;
mod files;
mod names;
mod text;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use context_domain::error::Code;
use proc_macro2::{TokenStream, TokenTree};
use serde_json::Value;

use files::{root, sources};

/// Returns the source files in which `is_wrong` finds something, with what it found.
fn offenders(is_wrong: impl Fn(&str, &str) -> Option<String>) -> Vec<String> {
    let wrong = |(name, text): (String, String)| is_wrong(&name, &text).map(|what| format!("{name}: {what}"));
    sources().into_iter().filter_map(wrong).collect()
}

/// Returns the first line that contains one of `words`, except in comments and in this test.
fn line_with(name: &str, text: &str, words: &[&str]) -> Option<String> {
    if name.contains("tests/tidy/") {
        return None;
    }
    let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let mut hits = code.filter(|(_, line)| words.iter().any(|word| line.contains(word)));
    hits.next().map(|(index, line)| format!("line {}: {}", index + 1, line.trim()))
}

/// Whether the file is not a part of the product: a test, or a measurement.
fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.contains("/examples/") || name.starts_with("crates/testing/")
}

#[test]
fn each_file_begins_with_a_sentence_and_is_short() {
    let wrong = offenders(|_, text| {
        let lines = text.lines().count();
        if !text.starts_with("//! ") {
            return Some("does not begin with a //! sentence".to_owned());
        }
        (lines > 500).then(|| format!("{lines} lines, 500 are the limit"))
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn only_the_database_crates_contain_sql() {
    let words = ["SELECT ", "INSERT INTO", "DELETE FROM", "CREATE TABLE", "PRAGMA ", "BEGIN IMMEDIATE"];
    let homes = ["crates/store/", "crates/fleet/", "crates/testing/"];
    let elsewhere = offenders(|name, text| {
        let at_home =
            homes.iter().any(|home| name.starts_with(home)) || name.starts_with("crates/cli/tests/");
        if at_home { None } else { line_with(name, text, &words) }
    });
    assert_eq!(elsewhere, Vec::<String>::new());
}

#[test]
fn time_and_ids_are_injected() {
    let words =
        ["SystemTime::now", "Instant::now", "Timestamp::now", "now_v7", "new_v4", "thread_rng", "rand::rng"];
    let elsewhere = offenders(|name, text| {
        // The middleware measures how long a response took, for the log: no response depends on it.
        let at_home = [
            "domain/src/clock.rs",
            "domain/src/id.rs",
            "server/src/http/middleware.rs",
            // How often refused access is logged.
            "server/src/auth/refusal_log.rs",
            // The time that has passed since the database reported its own.
            "store/src/postgres/clock.rs",
        ];
        let at_home = at_home.iter().any(|home| name.ends_with(home));
        if at_home || is_test(name) { None } else { line_with(name, text, &words) }
    });
    assert_eq!(elsewhere, Vec::<String>::new());
}

#[test]
fn only_the_command_line_reads_the_environment() {
    let elsewhere = offenders(|name, text| {
        if name.starts_with("crates/cli/") || is_test(name) {
            return None;
        }
        line_with(name, text, &["env::var", "env::args"])
    });
    assert_eq!(elsewhere, Vec::<String>::new());
}

#[test]
fn exceptions_have_reasons_and_nothing_is_unfinished() {
    let words = ["#[allow(", "#![allow(", "todo!(", "unimplemented!("];
    assert_eq!(offenders(|name, text| line_with(name, text, &words)), Vec::<String>::new());
}

#[test]
fn every_test_runs() {
    let ignored = offenders(|_, text| {
        let line = line_that_ignores(text.parse().unwrap())?;
        Some(format!("line {line} ignores a test: repair it, make it faster, or remove it"))
    });
    assert_eq!(ignored, Vec::<String>::new());
}

/// Returns the line that ignores a test, also under a condition, in a macro, or in an example of
/// documentation: any use of the word, except as the name of the crate.
fn line_that_ignores(tokens: TokenStream) -> Option<usize> {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_path = matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == ':');
        let found = match &token {
            TokenTree::Group(group) => line_that_ignores(group.stream()),
            TokenTree::Ident(word) if *word == "ignore" && !is_path => Some(word.span().start().line),
            TokenTree::Literal(text) => {
                let text_is = |part| text.to_string().contains(part);
                (text_is("```") && text_is("ignore")).then(|| text.span().start().line)
            }
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

#[test]
fn each_way_to_ignore_a_test_is_seen() {
    for ignoring in [
        "#[test] #[ignore] fn f() {}",
        "#[test] # [ignore = \"slow\"] fn f() {}",
        "#[test] #[cfg_attr(unix, ignore)] fn f() {}",
        "#[test] #[cfg_attr(all(), cfg_attr(\n any(), ignore = \"slow\"))] fn f() {}",
        "macro_rules! m { ($only:meta) => { #[cfg_attr($only, ignore)] fn f() {} } }",
        "m! { #[$a] ignore }",
        "/// `\u{60}`rust,ignore\nfn f() {}",
    ] {
        assert!(line_that_ignores(ignoring.parse().unwrap()).is_some(), "{ignoring}");
    }
    for other in ["use ignore::Walk;", "// ignore\nfn f() {}", "fn ignored() { \"ignore\"; }"] {
        assert_eq!(line_that_ignores(other.parse().unwrap()), None, "{other}");
    }
}

/// Returns cargo's metadata of the workspace for this platform only: packages of other platforms may not be
/// downloaded.
fn metadata() -> Value {
    let compiler = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let compiler = String::from_utf8(compiler).unwrap();
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns the dependencies of a workspace crate, except those of its tests.
fn dependencies(metadata: &Value, package: &str) -> BTreeSet<String> {
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|candidate| candidate["name"] == package).unwrap();
    let all = package["dependencies"].as_array().unwrap().iter();
    let ours = all.filter(|dependency| dependency["kind"] != "dev");
    ours.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
}

/// Returns the crates of the workspace, except the benchmarks.
fn members(metadata: &Value) -> Vec<&str> {
    let ids = metadata["workspace_members"].as_array().unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let ours = packages.filter(|package| ids.contains(&package["id"]));
    let names = ours.filter_map(|package| package["name"].as_str());
    names.filter(|name| !name.starts_with("bench-")).collect()
}

#[test]
fn dependencies_between_crates_point_inward() {
    let metadata = metadata();
    let arrows = [
        ("context-domain", &[][..]),
        ("context-store", &["context-domain"]),
        ("context-fleet", &["context-domain", "context-store"]),
        ("context-server", &["context-domain"]),
        ("context-cli", &["context-domain", "context-fleet", "context-server", "context-store"]),
        ("context-testing", &[]),
    ];
    for (package, allowed) in arrows {
        let found = dependencies(&metadata, package);
        let ours: Vec<_> = found.iter().filter(|name| name.starts_with("context-")).collect();
        assert_eq!(ours, allowed, "{package}");
    }
    assert_eq!(members(&metadata).len(), arrows.len());
}

#[test]
fn each_library_stays_in_its_layer() {
    let metadata = metadata();
    let layers = [
        ("rusqlite", &["context-store"][..]),
        ("tokio-postgres", &["context-fleet", "context-store", "context-testing"]),
        ("axum", &["context-server"]),
        ("hyper-util", &["context-server"]),
        ("clap", &["context-cli"]),
        ("tokio", &["context-cli", "context-fleet", "context-server", "context-store", "context-testing"]),
    ];
    let members = members(&metadata);
    for (library, allowed) in layers {
        for package in &members {
            let used = dependencies(&metadata, package).contains(library);
            assert!(!used || allowed.contains(package), "{package} depends on {library}");
        }
    }
}

#[test]
fn serde_json_is_built_so_that_documents_keep_their_meaning() {
    let metadata = metadata();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let is_serde_json = |node: &&Value| node["id"].as_str().unwrap().contains("serde_json@");
    let serde_json = nodes.iter().find(is_serde_json).unwrap();
    let features: Vec<_> =
        serde_json["features"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(features.contains(&"float_roundtrip"), "{features:?}");
    assert!(
        !features.contains(&"preserve_order") && !features.contains(&"arbitrary_precision"),
        "{features:?}"
    );
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let deny: toml::Table = fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap();
    let allowed: Vec<_> =
        deny["licenses"]["allow"].as_array().unwrap().iter().filter_map(|id| id.as_str()).collect();
    let metadata = metadata();
    let mut refused = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let text = package["license"].as_str().unwrap_or("none");
        let takes =
            |licence: &spdx::LicenseReq| licence.license.id().is_some_and(|id| allowed.contains(&id.name));
        let expression = spdx::Expression::parse_mode(text, spdx::ParseMode::LAX);
        if !expression.is_ok_and(|expression| expression.evaluate(takes)) {
            refused.push(format!("{}: {text}", package["name"]));
        }
    }
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn every_problem_code_is_documented_and_no_other() {
    let codes = Code::ALL.iter().map(|code| code.as_str()).collect::<BTreeSet<_>>();
    let documents = fs::read_to_string(root().join("docs/api.md")).unwrap();
    let (_, table) = documents.split_once("| code | status | when |").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let documented = rows.flat_map(|row| row.split('`').filter(|part| !part.is_empty() && *part != ", "));
    assert_eq!(documented.collect::<BTreeSet<_>>(), codes);
}
