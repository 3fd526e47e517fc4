//! `context import DIR`: what is written, what is refused at which position, and what is undone.

use std::os::unix::fs::symlink;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::Installation;

/// Returns the counts of a report: created, replaced, unchanged, refused.
fn counts(report: &Value) -> [u64; 4] {
    ["created", "replaced", "unchanged", "refused"].map(|name| report[name].as_u64().unwrap())
}

/// Runs an import that refuses something, and returns its report.
fn refused(here: &Installation, args: &[&str]) -> Value {
    let output = here.run(&[&["context", "import", "--output", "json"], args].concat());
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn changes(here: &Installation) -> usize {
    let listed = here.json(&["context", "list"]);
    let versions = listed["items"].as_array().unwrap().iter().map(|item| item["version"].as_u64().unwrap());
    usize::try_from(versions.sum::<u64>()).unwrap()
}

fn small_tree(here: &Installation) {
    here.write("tree/global.yaml", "a: 1\n");
    here.write("tree/global.inheritance.yaml", "strategies: {/l: append}\n");
    here.write("tree/web/project.json", r#"{"l": [1]}"#);
    here.write("tree/web/feature%2Flogin/branch.toml", "l = [2]\n");
    here.write("tree/web/feature%2Flogin/42.yaml", "l: [3]\n");
}

#[test]
fn a_second_import_writes_only_what_changed() {
    let here = Installation::new();
    small_tree(&here);
    let first = here.json(&["context", "import", "tree"]);
    assert_eq!(counts(&first), [4, 0, 0, 0]);
    let task = ["--project", "web", "--branch", "feature/login", "--task", "42"];
    let resolved = here.json(&[&["context", "resolve"], &task[..]].concat());
    assert_eq!(resolved["resolved_context"], json!({"a": 1, "l": [1, 2, 3]}));
    let before = changes(&here);
    assert_eq!(counts(&here.json(&["context", "import", "tree"])), [0, 0, 4, 0]);
    assert_eq!(changes(&here), before);
    // The same document in another syntax is not a change.
    std::fs::remove_file(here.path().join("tree/web/project.json")).unwrap();
    here.write("tree/web/project.toml", "l = [1]\n");
    here.write("tree/global.yaml", "a: 2\n");
    assert_eq!(counts(&here.json(&["context", "import", "tree", "--atomic"])), [0, 1, 3, 0]);
    std::fs::remove_file(here.path().join("tree/global.inheritance.yaml")).unwrap();
    assert_eq!(counts(&here.json(&["context", "import", "tree"])), [0, 1, 3, 0]);
    assert_eq!(here.json(&["context", "get"])["inheritance"], Value::Null);
    let output = here.run(&["context", "import", "tree"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "created 0, replaced 0, unchanged 4, refused 0\n");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn members_that_a_folder_does_not_have_stay() {
    let here = Installation::new();
    here.json(&["context", "put", "--project", "web", "--data", "{}", "--title", "Web", "--tag", "x"]);
    here.write("tree/web/project.yaml", "a: 1");
    assert_eq!(counts(&here.json(&["context", "import", "tree"])), [0, 1, 0, 0]);
    let context = here.json(&["context", "get", "--project", "web"]);
    assert_eq!((&context["title"], &context["tags"]), (&json!("Web"), &json!(["x"])));
    assert_eq!(context["context_data"], json!({"a": 1}));
}

#[test]
fn names_are_percent_encoded_keys() {
    let here = Installation::new();
    for name in
        ["a%20b/project.json", "a%20b/%2E%2E%2Fx/%62ranch.json", "世界/project.json", "a%20b/m/1.2.json"]
    {
        here.write(&format!("tree/{name}"), "{}");
    }
    assert_eq!(counts(&here.json(&["context", "import", "tree"])), [4, 0, 0, 0]);
    for keys in [
        &["--project", "a b"][..],
        &["--project", "a b", "--branch", "../x", "--task", "branch"],
        &["--project", "世界"],
        &["--project", "a b", "--branch", "m", "--task", "1.2"],
    ] {
        assert_eq!(here.json(&[&["context", "get"], keys].concat())["version"], 1, "{keys:?}");
    }
}

#[test]
fn a_dry_run_reports_and_writes_nothing() {
    let here = Installation::new();
    small_tree(&here);
    here.write("tree/web/feature%2Flogin/43.yaml", "l: [3\n");
    let report = refused(&here, &["tree", "--dry-run"]);
    assert_eq!((counts(&report), &report["dry_run"]), ([4, 0, 0, 1], &json!(true)));
    let output = here.run(&["context", "import", "tree", "--dry-run"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("nothing was written") && shown.contains("web/project.json"), "{shown}");
    assert_eq!(changes(&here), 0);
    here.fails(1, &["context", "get", "--project", "web"]);
    let atomic = refused(&here, &["tree", "--dry-run", "--atomic"]);
    assert_eq!((counts(&atomic), &atomic["held_back"]), ([0, 0, 0, 1], &json!(4)));
}

#[test]
fn a_refusal_names_file_and_position() {
    let here = Installation::new();
    small_tree(&here);
    here.write("tree/global.inheritance.yaml", "locked: [/a]\n");
    for (name, text) in [
        ("tree/web/main/branch.yaml", "a: 1\na: 2\n"),
        ("tree/web/main/1.toml", "a = 2\n"),
        ("tree/web/main/2.json", "[]"),
        ("tree/web/main/3.yaml", "x: 1"),
        ("tree/web/main/3.inheritance.yaml", "lockd: [/a]"),
        ("tree/web/main/4.inheritance.json", "{}"),
        ("tree/web/main/5.yaml", "x: 1"),
        ("tree/web/main/5.json", "{}"),
        ("tree/web/main/100%.yaml", "x: 1"),
        ("tree/web/main/%2E.yaml", "x: 1"),
    ] {
        here.write(name, text);
    }
    let report = refused(&here, &["tree"]);
    let mut errors: Vec<_> = report["items"].as_array().unwrap().iter().collect();
    errors.retain(|item| item["outcome"] == "refused");
    let mut found: Vec<_> = errors
        .iter()
        .flat_map(|item| item["errors"].as_array().unwrap())
        .map(|error| {
            (error["file"].as_str().unwrap(), error["line"].as_u64(), error["pointer"].as_str().unwrap())
        })
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("web/main/%2E.yaml", None, ""),
            ("web/main/1.toml", None, "/a"),
            ("web/main/100%.yaml", None, ""),
            ("web/main/2.json", None, ""),
            ("web/main/3.inheritance.yaml", None, "/lockd"),
            ("web/main/4.inheritance.json", None, ""),
            ("web/main/5.yaml", None, ""),
            ("web/main/branch.yaml", Some(2), "/a"),
        ]
    );
    // Nodes without faults were written nevertheless.
    assert_eq!(counts(&report), [4, 0, 0, 8]);
    let output = here.run(&["context", "import", "tree"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("refused: web/main/branch.yaml, line 2, column 1, at '/a':"), "{errors}");
    assert!(errors.contains("locked by the global node"), "{errors}");
}

#[test]
fn ignored_files_are_reported() {
    let here = Installation::new();
    small_tree(&here);
    here.write("outside/secret.yaml", "a: 1");
    for name in ["README.md", "globl.yaml", "web/notes.yaml", "web/main/deep/x.yaml", ".hidden/project.yaml"]
    {
        here.write(&format!("tree/{name}"), "a: 1");
    }
    let link = |target: &str, name: &str| symlink(target, here.path().join("tree").join(name)).unwrap();
    link("../outside", "other");
    link("../../../outside/secret.yaml", "web/main/out.yaml");
    link("nowhere", "web/main/lost.yaml");
    link("../feature%2Flogin/42.yaml", "web/main/7.yaml");
    let output = here.run(&["context", "import", "tree", "--output", "json"]);
    assert!(output.status.success());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let ignored: Vec<_> =
        report["ignored"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let errors = String::from_utf8(output.stderr).unwrap();
    for name in [
        "README.md",
        "globl.yaml",
        "web/notes.yaml",
        "web/main/deep",
        ".hidden",
        "other",
        "web/main/out.yaml",
        "web/main/lost.yaml",
    ] {
        assert!(ignored.iter().any(|line| line.starts_with(&format!("{name}: "))), "{name}: {ignored:?}");
        assert!(errors.contains(&format!("ignored: {name}: ")), "{name}: {errors}");
    }
    assert_eq!(ignored.len(), 8, "{ignored:?}");
    // A link within the folder is followed.
    assert_eq!(counts(&report), [5, 0, 0, 0]);
}

#[test]
fn an_atomic_import_checks_everything_first() {
    let here = Installation::new();
    small_tree(&here);
    // The lock, and the project that it blocks, are in the same import.
    here.write("tree/global.inheritance.yaml", "locked: [/l]\n");
    let report = refused(&here, &["tree", "--atomic"]);
    assert_eq!((counts(&report), &report["held_back"]), ([0, 0, 0, 3], &json!(1)));
    assert_eq!(changes(&here), 0);
    assert_eq!(here.json(&["context", "list"])["items"].as_array().unwrap().len(), 1);
}

/// Another process writes between the reads and the writes of an import, which then undoes its writes.
#[test]
fn an_atomic_import_undoes_its_writes() {
    const TASKS: usize = 1000;
    let here = Installation::new();
    let task = |key| ["--project", "web", "--branch", "main", "--task", key];
    here.json(&[&["context", "put", "--data", r#"{"x": 1}"#], &task("blocked")[..]].concat());
    here.json(&[&["context", "put", "--data", r#"{"y": 1}"#], &task("free")[..]].concat());
    let lock = r#"{"locked": ["/x"]}"#;
    here.json(&["context", "put", "--data", r#"{"old": true}"#, "--title", "kept", "--inheritance", lock]);
    let last = ["--project", "web", "--branch", "main", "--task", "z"];
    here.json(&[&["context", "put", "--data", "{}"], &last[..]].concat());
    here.write("tree/global.json", r#"{"new": true}"#);
    here.write("tree/global.inheritance.json", r#"{"locked": ["/x", "/y"]}"#);
    here.write("tree/web/project.json", r#"{"new": true}"#);
    here.write("tree/web/main/blocked.json", "{}");
    here.write("tree/web/main/free.json", "{}");
    here.write("tree/api/main/a.json", "{}");
    here.write("tree/new/project.json", "{}");
    here.write("tree/new/main/branch.json", "{}");
    for at in 0..TASKS {
        here.write(&format!("tree/web/main/t{at:04}.json"), "{}");
    }
    here.write("tree/web/main/z.json", r#"{"new": true}"#);
    let mut import = here.command(&["context", "import", "tree", "--atomic", "--output", "json"]);
    let import = import.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while here.json(&["context", "get"])["version"] == 1 {}
    here.json(&[&["context", "put", "--data", r#"{"theirs": true}"#, "--if-match", "*"], &last[..]].concat());
    let output = import.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counts(&report), [0, 0, 0, 1]);
    assert_eq!((&report["undone"], &report["left"]), (&json!(TASKS + 6), &json!(1)));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors, "");
    let global = here.json(&["context", "get"]);
    assert_eq!((&global["context_data"], &global["title"]), (&json!({"old": true}), &json!("kept")));
    assert_eq!(global["inheritance"], json!({"locked": ["/x"]}));
    let data = |key| here.json(&[&["context", "get"], &task(key)[..]].concat())["context_data"].clone();
    // The lock on /y was undone first. A value that the older lock on /x blocks cannot be written again, and
    // is named.
    assert_eq!((data("free"), data("blocked")), (json!({"y": 1}), json!({})));
    let items = report["items"].as_array().unwrap();
    let left = items.iter().find(|item| item["outcome"] == "left").unwrap();
    assert_eq!(left["node"], "global/web/main/blocked");
    assert!(left["left_because"].as_str().unwrap().contains("locked"), "{left}");
    // The project was never written before: it is empty again.
    assert_eq!(here.json(&["context", "get", "--project", "web"])["context_data"], json!({}));
    let theirs = here.json(&[&["context", "get"], &last[..]].concat());
    assert_eq!(theirs["context_data"], json!({"theirs": true}));
    // Only the nodes from before are left; the parents that the import created are gone too.
    let listed = here.json(&["context", "list"]);
    assert_eq!(listed["items"].as_array().unwrap().len(), 6, "{listed:#}");
}

#[test]
fn a_source_without_contexts_is_refused() {
    let here = Installation::new();
    std::fs::create_dir(here.path().join("empty")).unwrap();
    for (code, args, says) in [
        (2, &["missing"][..], "missing"),
        (1, &["empty"], "global.yaml"),
        (2, &[], "--from-repo"),
        (2, &["empty", "--from-repo", "."], "--from-repo"),
        (2, &["empty", "--project", "web"], "--project"),
        (2, &["--from-repo", "empty"], "--project"),
        (1, &["--from-repo", "empty", "--project", "web"], "AGENTS.md"),
        (2, &["--from-repo", "empty", "--project", "web", "--atomic"], "--atomic"),
        (2, &["--from-repo", "missing", "--project", "web"], "missing"),
        (2, &["--from-repo", "empty", "--project", ".."], "--project"),
    ] {
        let errors = here.fails(code, &[&["context", "import"], args].concat());
        assert!(errors.contains(says), "{args:?}: {errors}");
    }
    small_tree(&here);
    assert!(here.fails(1, &["context", "import", "tree", "--tenant", "missing"]).contains("missing"));
}
