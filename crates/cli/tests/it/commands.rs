//! The binary: standard output, standard error, and exit codes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::Installation;

#[test]
fn a_new_store_has_the_tenant_default_and_its_global_node() {
    let here = Installation::new();
    let tenants = here.json(&["tenant", "list"]);
    assert_eq!(tenants["items"][0]["id"], "default");
    let global = here.json(&["context", "get"]);
    assert_eq!((&global["context_level"], &global["version"]), (&json!("global"), &json!(0)));
}

#[test]
fn a_context_is_put_read_resolved_and_explained() {
    let here = Installation::new();
    let rules = r#"{"strategies": {"/l": "append"}}"#;
    here.json(&["context", "put", "--data", r#"{"l": [1], "a": 1}"#, "--inheritance", rules]);
    let task = ["--project", "web", "--branch", "feature/login", "--task", "42"];
    let put =
        [&["context", "put"][..], &task, &["--data", r#"{"l": [2], "a": 2}"#, "--tag", "x", "--title", "Ü"]]
            .concat();
    let written = here.json(&put);
    assert_eq!(written["context"]["title"], "Ü");
    let own = here.json(&[&["context", "get"][..], &task].concat());
    assert_eq!((&own["context_data"], &own["tags"]), (&json!({"l": [2], "a": 2}), &json!(["x"])));
    let by_id = here.json(&["context", "get", "--id", own["id"].as_str().unwrap()]);
    assert_eq!(by_id, own);
    let resolved = here.json(&[&["context", "resolve"][..], &task].concat());
    assert_eq!(resolved["resolved_context"], json!({"l": [1, 2], "a": 2}));
    assert_eq!(resolved["resolution_path"], "global/web/feature%2Flogin/42");
    let output = here.run(&[&["context", "explain"][..], &task].concat());
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("global + task 42") && table.contains("append"), "{table}");
    assert!(table.contains("global: 1"), "{table}");
}

#[test]
fn the_document_comes_from_a_file_or_standard_input() {
    let here = Installation::new();
    std::fs::write(here.path().join("web.json"), r#"{"from": "file"}"#).unwrap();
    here.json(&["context", "put", "--project", "web", "web.json"]);
    let mut put = here.command(&["context", "put", "--project", "api", "-"]);
    let mut child = put.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"{"from": "stdin"}"#).unwrap();
    assert!(child.wait().unwrap().success());
    let from = |project| here.json(&["context", "get", "--project", project])["context_data"]["from"].clone();
    assert_eq!((from("web"), from("api")), (json!("file"), json!("stdin")));
}

#[test]
fn replacing_needs_the_version_that_was_read() {
    let here = Installation::new();
    let put = |more: &[&'static str]| {
        [&["context", "put", "--project", "web", "--data", "{\"a\":1}"], more].concat()
    };
    let first = here.json(&put(&[]));
    let refused = here.fails(1, &put(&[]));
    assert!(refused.contains("If-Match") && refused.contains(first["etag"].as_str().unwrap()), "{refused}");
    let etag = first["etag"].as_str().unwrap();
    here.json(&["context", "put", "--project", "web", "--data", "{\"a\":2}", "--if-match", etag]);
    let stale = here.fails(1, &["context", "put", "--project", "web", "--data", "{}", "--if-match", etag]);
    assert!(stale.contains("@2"), "{stale}");
    here.json(&put(&["--if-match", "*"]));
    assert_eq!(here.json(&["context", "get", "--project", "web"])["version"], 3);
}

#[test]
fn a_write_repeated_under_an_idempotency_key_is_done_once() {
    let here = Installation::new();
    let put = ["context", "put", "--project", "web", "--data", "{}", "--idempotency-key", "k1"];
    let first = here.json(&put);
    let second = here.json(&put);
    assert_eq!((&second["etag"], &second["replayed"]), (&first["etag"], &json!(true)));
    let other =
        here.fails(1, &["context", "put", "--project", "api", "--data", "{}", "--idempotency-key", "k1"]);
    assert!(other.contains("another request"), "{other}");
}

#[test]
fn bad_input_is_named_and_not_stored() {
    let here = Installation::new();
    let put = |data: &'static str| ["context", "put", "--project", "web", "--data", data];
    for (args, says) in [
        (&put("{\"a\":1,\"a\":2}")[..], "/a"),
        (&put("{\"n\":1e400}"), "/n"),
        (&put("{\"n\":0.1234567890123456789}"), "/n"),
        (&put("{\"n\":\"\\u0000\"}"), "U+0000"),
        (&put("{"), "line 1"),
        (&put("[]"), "/context_data"),
        (&["context", "put", "--project", "web"], "--data"),
        (&["context", "put", "--project", "web", "missing.json"], "missing.json"),
        (&["context", "get", "--branch", "main"], "--project"),
        (&["context", "get", "--project", ".."], "--project"),
        (&["context", "get", "--id", "x"], "--id"),
        (&["context", "get", "--tenant", "A"], "tenant id"),
        (&["context", "get", "--colour", "red"], "--colour"),
        (&["tenant", "create", "my tenant"], "tenant id"),
        (&["tenant", "drop", "default"], "--yes"),
        (&["--store", "mysql://x", "tenant", "list"], "--store"),
        (&["--config", "missing.toml", "tenant", "list"], "missing.toml"),
        (&["--log", "lo=ud=er", "tenant", "list"], "--log"),
        (&["serve", "--listen", "nowhere"], "--listen"),
        (&["serve", "--listen", "0.0.0.0:0"], "--insecure-no-auth"),
        (&[], "Usage"),
    ] {
        let errors = here.fails(2, args);
        assert!(errors.contains(says), "{args:?}: {errors}");
    }
    let typed = [&put("{}")[..], &["--type", "a b", "--expires-at", "soon"]].concat();
    let errors = here.fails(2, &typed);
    assert!(errors.contains("/context_type") && errors.contains("/expires_at"), "{errors}");
    here.fails(1, &["context", "get", "--project", "web"]);
}

#[test]
fn tenants_are_created_listed_and_dropped() {
    let here = Installation::new();
    here.json(&["tenant", "create", "my-tenant"]);
    here.fails(1, &["tenant", "create", "my-tenant"]);
    here.json(&["tenant", "create", "my_tenant"]);
    let ids: Vec<_> = here.json(&["tenant", "list"])["items"].as_array().unwrap().clone();
    assert_eq!(
        ids.iter().map(|tenant| tenant["id"].as_str().unwrap()).collect::<Vec<_>>(),
        ["default", "my-tenant", "my_tenant"]
    );
    here.json(&["context", "put", "--tenant", "my-tenant", "--project", "web", "--data", "{}"]);
    here.fails(1, &["context", "get", "--tenant", "my_tenant", "--project", "web"]);
    assert!(here.run(&["tenant", "drop", "my-tenant", "--yes"]).status.success());
    here.fails(1, &["context", "get", "--tenant", "my-tenant"]);
    here.fails(1, &["tenant", "show", "my-tenant"]);
}

#[test]
fn doctor_names_what_is_wrong() {
    let here = Installation::new();
    let healthy = here.json(&["doctor"]);
    assert_eq!(healthy["healthy"], true);
    let file = std::fs::read_dir(here.path().join("data/tenants")).unwrap().next().unwrap().unwrap().path();
    let name = Path::new(&file).file_name().unwrap().to_str().unwrap().to_owned();
    std::fs::remove_file(&file).unwrap();
    let output = here.run(&["doctor"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{table}");
    assert!(table.contains("tenant default"), "{table}");
    let unhealthy = here.fails(1, &["context", "get"]);
    assert!(unhealthy.contains("default"), "{unhealthy}");
    assert!(
        !here.path().join("data/tenants").join(name).exists(),
        "an empty tenant was created in its place"
    );
}

#[test]
fn a_closed_pipe_is_not_a_failure() {
    let here = Installation::new();
    let script =
        format!("set -o pipefail; {} doctor | head -n 1 > /dev/null", env!("CARGO_BIN_EXE_context-service"));
    let status = Command::new("bash")
        .args(["-c", &script])
        .current_dir(here.path())
        .env("DATABASE_URL", "sqlite:data")
        .status()
        .unwrap();
    assert!(status.success());
}
