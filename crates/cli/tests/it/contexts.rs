//! `context patch | delete | list | search`.

use serde_json::{Value, json};

use crate::support::Installation;

const WEB: [&str; 2] = ["--project", "web"];

fn put(here: &Installation, more: &[&str]) -> Value {
    here.json(&[&["context", "put"], more].concat())
}

/// Returns the titles of the listed contexts, in order.
fn titles(here: &Installation, args: &[&str]) -> Vec<String> {
    let found = here.json(&[&["context"], args].concat());
    let items = found["items"].as_array().unwrap();
    items.iter().map(|item| item["title"].as_str().unwrap_or("-").to_owned()).collect()
}

#[test]
fn a_merge_patch_changes_some_members() {
    let here = Installation::new();
    put(&here, &[&WEB[..], &["--data", r#"{"a": 1, "b": 2}"#, "--title", "T"]].concat());
    let patch = r#"{"context_data": {"a": null, "c": 3}, "tags": ["x"]}"#;
    let patched = here.json(&[&["context", "patch"], &WEB[..], &["--data", patch]].concat());
    let context = &patched["context"];
    assert_eq!(context["context_data"], json!({"b": 2, "c": 3}));
    assert_eq!(
        (&context["title"], &context["tags"], &context["version"]),
        (&json!("T"), &json!(["x"]), &json!(2))
    );
    here.write("change.yaml", "context_data:\n  b: null\ntitle: ~\n");
    here.json(&["context", "patch", "--project", "web", "change.yaml"]);
    let context = here.json(&["context", "get", "--project", "web"]);
    assert_eq!((&context["context_data"], &context["title"]), (&json!({"c": 3}), &Value::Null));
}

#[test]
fn a_json_patch_tests_values_and_versions() {
    let here = Installation::new();
    let first = put(&here, &[&WEB[..], &["--data", r#"{"n": 1}"#]].concat());
    let etag = first["etag"].as_str().unwrap();
    let operations = r#"[
        {"op": "test", "path": "/context_data/n", "value": 1},
        {"op": "replace", "path": "/context_data/n", "value": 2}
    ]"#;
    let patch = [&["context", "patch", "--json-patch"], &WEB[..], &["--data", operations]].concat();
    here.json(&[&patch[..], &["--if-match", etag]].concat());
    assert!(here.fails(1, &patch).contains("at /0"));
    let stale = here.fails(1, &[&patch[..], &["--if-match", etag]].concat());
    assert!(stale.contains("@2"), "{stale}");
    let merge = here.fails(2, &["context", "patch", "--project", "web", "--data", "[]"]);
    assert!(merge.contains("merge patch"), "{merge}");
    let unknown = here.fails(2, &["context", "patch", "--project", "web", "--data", r#"{"n": 2}"#]);
    assert!(unknown.contains("/n"), "{unknown}");
    let malformed = r#"[{"op":"jump"}]"#;
    let malformed =
        here.fails(2, &["context", "patch", "--project", "web", "--json-patch", "--data", malformed]);
    assert!(malformed.contains("/0"), "{malformed}");
    assert!(here.fails(1, &["context", "patch", "--project", "api", "--data", "{}"]).contains("no context"));
}

#[test]
fn a_repeated_patch_or_deletion_is_done_once() {
    let here = Installation::new();
    put(&here, &[&WEB[..], &["--data", "{}"]].concat());
    let patch = r#"{"context_data": {"a": 1}}"#;
    let patch = ["context", "patch", "--project", "web", "--data", patch, "--idempotency-key", "p1"];
    assert_eq!(here.json(&patch)["replayed"], false);
    assert_eq!(here.json(&patch)["replayed"], true);
    let delete = ["context", "delete", "--project", "web", "--idempotency-key", "d1"];
    assert_eq!(here.json(&delete)["replayed"], false);
    assert_eq!(here.json(&delete)["replayed"], true);
    let other = ["context", "delete", "--project", "web", "--cascade", "--idempotency-key", "d1"];
    assert!(here.fails(1, &other).contains("another request"));
}

#[test]
fn a_deletion_checks_the_version_and_removes_children_only_with_cascade() {
    let here = Installation::new();
    let web = put(&here, &[&WEB[..], &["--data", "{}"]].concat());
    let old = web["etag"].as_str().unwrap();
    put(&here, &["--project", "web", "--branch", "main", "--data", "{}"]);
    assert!(here.fails(1, &["context", "delete", "--project", "web"]).contains("1 children"));
    here.json(&["context", "patch", "--project", "web", "--data", r#"{"title": "t"}"#]);
    let stale = here.fails(1, &["context", "delete", "--project", "web", "--cascade", "--if-match", old]);
    assert!(stale.contains("@2"), "{stale}");
    let deleted = here.json(&["context", "delete", "--project", "web", "--cascade", "--if-match", "*"]);
    assert_eq!(deleted["context"], Value::Null);
    here.fails(1, &["context", "get", "--project", "web", "--branch", "main"]);
    assert!(here.fails(1, &["context", "delete"]).contains("global"));
}

#[test]
fn every_filter_narrows_a_list() {
    let here = Installation::new();
    let document = r#"{"owner": {"team": "web"}, "text": "Log in with a passkey"}"#;
    put(
        &here,
        &["--project", "a", "--title", "A", "--tag", "x", "--tag", "y", "--user-id", "u", "--data", document],
    );
    put(&here, &["--project", "b", "--title", "B login", "--tag", "x", "--type", "note", "--data", "{}"]);
    put(
        &here,
        &["--project", "b", "--branch", "main", "--title", "C", "--data", r#"{"text": "LOGIN, twice"}"#],
    );
    assert_eq!(titles(&here, &["list"]), ["-", "A", "B login", "C"]);
    for (args, expected) in [
        (&["list", "--tag", "x"][..], &["A", "B login"][..]),
        (&["list", "--tag", "x", "--tag", "y"], &["A"]),
        (&["list", "--type", "note"], &["B login"]),
        (&["list", "--user-id", "u"], &["A"]),
        (&["list", "--level", "branch"], &["C"]),
        (&["list", "--filter", r#"{"owner": {"team": "web"}}"#], &["A"]),
        (&["list", "--created-before", "2001-01-01T00:00:00Z"], &[]),
        (&["list", "--level", "project", "--created-after", "2001-01-01T00:00:00Z"], &["A", "B login"]),
        (&["list", "--updated-after", "2090-01-01T00:00:00Z"], &[]),
        (&["search", "login"], &["B login", "C"]),
        (&["search", "login", "Twice"], &["C"]),
        (&["search", "passkey", "--tag", "y"], &["A"]),
        (&["search", "passkey", "--type", "note"], &[]),
    ] {
        assert_eq!(titles(&here, args), expected, "{args:?}");
    }
    let table = String::from_utf8(here.run(&["context", "search", "login"]).stdout).unwrap();
    assert!(table.contains("B login") && !table.contains("passkey"), "{table}");
}

#[test]
fn a_list_reads_all_pages_up_to_its_limit_and_reports_when_it_is_cut() {
    let here = Installation::new();
    for at in 0..5 {
        here.write(&format!("tree/p{at}/project.json"), "{}");
    }
    for at in 0..230 {
        here.write(&format!("tree/p0/main/t{at:03}.json"), "{}");
    }
    here.json(&["context", "import", "tree"]);
    let listed = here.json(&["context", "list", "--level", "task"]);
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["more"]), (230, &json!(false)));
    let cut = here.run(&["context", "list", "--level", "task", "--limit", "210", "--output", "json"]);
    let listed: Value = serde_json::from_slice(&cut.stdout).unwrap();
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["more"]), (210, &json!(true)));
    assert!(String::from_utf8(cut.stderr).unwrap().contains("--limit"));
}

#[test]
fn malformed_filters_are_refused() {
    let here = Installation::new();
    for (args, says) in [
        (&["context", "search"][..], "WORD"),
        (&["context", "search", "..."], "no word"),
        (&["context", "list", "--filter", "[]"], "object"),
        (&["context", "list", "--filter", "{"], "line 1"),
        (&["context", "list", "--level", "twig"], "twig"),
        (&["context", "list", "--created-after", "yesterday"], "RFC 3339"),
        (&["context", "list", "--limit", "0"], "--limit"),
        (&["context", "delete", "--project", "web", "--if-match", "x"], "--if-match"),
    ] {
        let errors = here.fails(2, args);
        assert!(errors.contains(says), "{args:?}: {errors}");
    }
}
