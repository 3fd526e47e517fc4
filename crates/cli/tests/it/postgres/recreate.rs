//! `bootstrap --force-recreate`: only when confirmed, and only after an export that can be loaded back.

use context_testing::SUPERUSER;
use serde_json::json;

use super::{Database, texts};

#[test]
fn tenants_are_dropped_only_when_confirmed_and_exported() {
    let database = Database::with("default,demo");
    let put = |tenant: &str, data: &str| {
        database.json(&["context", "put", "--tenant", tenant, "--project", "web", "--data", data]);
    };
    put("default", r#"{"say": "tab\tand \"quotes\", ü"}"#);
    put("demo", r#"{"n": 1}"#);
    let output = database.run(&["bootstrap", "--force-recreate"]);
    assert_eq!(output.status.code(), Some(2), "{}", texts(&output).1);
    assert_eq!(database.json(&["context", "get", "--project", "web"])["version"], 1);

    let (shown, errors) = database.succeeds(&[
        "bootstrap",
        "--tenant-ids",
        "default,demo",
        "--force-recreate",
        "--yes",
        "--export-dir",
        "saved",
    ]);
    assert!((shown.clone() + &errors).contains("saved"), "{shown}{errors}");
    for tenant in ["default", "demo"] {
        let gone = database.run(&["context", "get", "--tenant", tenant, "--project", "web"]);
        assert_eq!(gone.status.code(), Some(1), "{}", texts(&gone).0);
    }
    let saved = database.folder().join("saved");
    let load = std::fs::read_to_string(saved.join("load.sql")).unwrap();
    let command = errors.lines().find_map(|line| line.split_once("to load them back: ")).unwrap().1;
    assert!(load.contains("tenant_demo"), "{load}");

    database.shell(command);
    let got = database.json(&["context", "get", "--project", "web"]);
    assert_eq!(got["context_data"], json!({"say": "tab\tand \"quotes\", ü"}));
    let got = database.json(&["context", "get", "--tenant", "demo", "--project", "web"]);
    assert_eq!(got["context_data"], json!({"n": 1}));
    database.succeeds(&["bootstrap", "--health-check", "--tenant-ids", "default,demo"]);
    assert_eq!(database.query(SUPERUSER, "SELECT count(*)::text FROM public.tenants"), ["2"]);
}

#[test]
fn an_export_needs_a_new_folder() {
    let database = Database::with("default");
    database.json(&["context", "put", "--project", "web", "--data", "{}"]);
    std::fs::create_dir(database.folder().join("saved")).unwrap();
    std::fs::write(database.folder().join("saved/mine.txt"), "mine").unwrap();
    let output = database.run(&["bootstrap", "--force-recreate", "--yes", "--export-dir", "saved"]);
    assert_eq!(output.status.code(), Some(1), "{}", texts(&output).1);
    assert!(texts(&output).1.contains("saved"));
    assert_eq!(database.json(&["context", "get", "--project", "web"])["version"], 1);
    assert_eq!(std::fs::read_to_string(database.folder().join("saved/mine.txt")).unwrap(), "mine");
}
