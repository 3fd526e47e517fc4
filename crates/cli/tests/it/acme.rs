//! The example in `examples/acme`: what its tasks resolve to, and what its policies block.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::Installation;

fn acme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/acme");
    path.canonicalize().unwrap().to_str().unwrap().to_owned()
}

fn imported() -> Installation {
    let here = Installation::new();
    let report = here.json(&["context", "import", &acme(), "--atomic"]);
    assert_eq!((&report["refused"], &report["ignored"]), (&json!(0), &json!([])), "{report:#}");
    here
}

fn resolved(here: &Installation, project: &str, branch: &str, task: &str) -> Value {
    let resolve = ["context", "explain", "--project", project, "--branch", branch, "--task", task];
    here.json(&resolve)
}

#[test]
fn a_task_of_the_shop_inherits_from_all_levels() {
    let here = imported();
    let resolved = resolved(&here, "shop", "feature/checkout", "SHOP-42");
    let document = &resolved["resolved_context"];
    assert_eq!(document["reviewers"], json!(["ana", "bo", "cem"]));
    assert_eq!(document["style"]["indent"], 2);
    assert_eq!(document["style"]["reviewed"], "2026-09-01");
    assert_eq!(document["flags"], json!({"dark_mode": true, "new_checkout": true}));
    assert_eq!(document["budgets"], json!({"max_parallel_agents": 1, "max_tokens_per_task": 200_000}));
    assert_eq!(
        document["checks"],
        json!([
            {"name": "unit", "command": "pnpm test", "required": true},
            {"name": "secrets", "command": "make scan-secrets", "required": true},
            {"name": "browser", "command": "pnpm test:browser", "required": false},
        ])
    );
    assert_eq!(document["security"]["mfa"], true);
    assert_eq!(resolved["explain"]["blocked"], json!([]));
    assert_eq!(resolved["explain"]["not_applicable"], json!([]));
}

#[test]
fn the_other_projects_merge_by_their_own_rules() {
    let here = imported();
    let payments = resolved(&here, "payments", "release/2.4", "PAY-7");
    let document = &payments["resolved_context"];
    assert_eq!(document["retries"], json!({"max": 1, "backoff_ms": [50]}));
    assert_eq!(document["due"], "2026-11-27T12:00:00Z");
    assert_eq!(document["instructions"], Value::Null);
    assert_eq!(payments["explain"]["unset"][0]["pointer"], "/instructions");
    let handbook = resolved(&here, "handbook", "main", "onboarding");
    assert_eq!(handbook["resolved_context"]["checks"][0]["name"], "links");
    assert_eq!(handbook["resolved_context"]["checks"].as_array().unwrap().len(), 1);
}

#[test]
fn a_locked_value_is_blocked_if_it_was_there_and_refused_if_it_is_new() {
    let here = Installation::new();
    let task = ["--project", "payments", "--branch", "main", "--task", "PAY-1"];
    let loose = r#"{"security": {"mfa": false}, "pci": {"scope": false}}"#;
    here.json(&[&["context", "put", "--data", loose], &task[..]].concat());
    here.json(&["context", "import", &acme(), "--atomic"]);
    let explained = here.json(&[&["context", "explain"], &task[..]].concat());
    assert_eq!(explained["resolved_context"]["security"]["mfa"], true);
    assert_eq!(explained["resolved_context"]["pci"]["scope"], true);
    let blocked: Vec<_> = explained["explain"]["blocked"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (entry["pointer"].as_str().unwrap(), entry["locked_by"].as_u64().unwrap(), &entry["value"])
        })
        .collect();
    assert_eq!(blocked, [("/pci/scope", 1, &json!(false)), ("/security/mfa", 0, &json!(false))]);
    let refused =
        here.fails(1, &["context", "put", "--project", "payments", "--branch", "x", "--data", loose]);
    assert!(
        refused.contains("/context_data/security/mfa") && refused.contains("/context_data/pci/scope"),
        "{refused}"
    );
}

#[test]
fn a_second_import_changes_nothing() {
    let here = imported();
    let report = here.json(&["context", "import", &acme()]);
    assert_eq!(
        (&report["created"], &report["replaced"], &report["unchanged"]),
        (&json!(0), &json!(0), &json!(13))
    );
}
