//! `context import --from-repo`: the instructions for coding agents in a repository.

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::Installation;

const AGENTS: &str = "\
Read this first.

# Web

The shop.

## Commands

- `make test`

```sh
# This is no heading.
```

## Commands

Again.

Style of *text* and `code`
--------------------------

> # Nor is this

### Deeper

Last.
";

fn guidance(here: &Installation, keys: &[&str]) -> Value {
    here.json(&[&["context", "get"], keys].concat())["context_data"]["guidance"].clone()
}

#[test]
fn headings_name_the_text_below_them() {
    let here = Installation::new();
    here.write("repo/AGENTS.md", AGENTS);
    let report = here.json(&["context", "import", "--from-repo", "repo", "--project", "web"]);
    assert_eq!(report["created"], 1);
    let guidance = guidance(&here, &["--project", "web"]);
    assert_eq!(
        guidance["AGENTS.md"],
        json!({
            "text": AGENTS,
            "applies_to": ".",
            "sections": {"Web": {"text": "The shop.", "sections": {
                "Commands": {"text": "- `make test`\n\n```sh\n# This is no heading.\n```"},
                "Commands (2)": {"text": "Again."},
                "Style of text and code": {
                    "text": "> # Nor is this", "sections": {"Deeper": {"text": "Last."}},
                },
            }}},
        })
    );
}

#[test]
fn the_files_that_agents_read_are_loaded_and_no_others() {
    let here = Installation::new();
    let rule = "---\ndescription: Tests\nglobs: *.ts\nalwaysApply: false\n---\n\n# Tests\n\nUse vitest.\n";
    for (name, text) in [
        ("AGENTS.md", "Root."),
        ("crates/api/AGENTS.md", "API."),
        (".cursorrules", "Old rules."),
        (".cursor/rules/tests.mdc", rule),
        (".cursor/rules/notes.txt", "Not a rule."),
        (".github/copilot-instructions.md", "Copilot."),
        ("packages/a/CLAUDE.md", "A."),
        ("README.md", "Not for agents."),
        ("build/AGENTS.md", "Generated."),
        (".gitignore", "/build\n"),
        (".git/AGENTS.md", "Not a file of the repository."),
    ] {
        here.write(&format!("repo/{name}"), text);
    }
    symlink("AGENTS.md", here.path().join("repo/CLAUDE.md")).unwrap();
    here.write("outside.md", "Secret.");
    symlink("../../outside.md", here.path().join("repo/crates/CLAUDE.md")).unwrap();
    let import = [
        "context",
        "import",
        "--from-repo",
        "repo",
        "--project",
        "web",
        "--branch",
        "main",
        "--output",
        "json",
    ];
    let output = here.run(&import);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let ignored = report["ignored"].to_string();
    assert!(
        ignored.contains("CLAUDE.md: it is a link to AGENTS.md") && ignored.contains("out of the repository"),
        "{ignored}"
    );
    let guidance = guidance(&here, &["--project", "web", "--branch", "main"]);
    let files: Vec<_> = guidance.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        files,
        [
            ".cursor/rules/tests.mdc",
            ".cursorrules",
            ".github/copilot-instructions.md",
            "AGENTS.md",
            "crates/api/AGENTS.md",
            "packages/a/CLAUDE.md",
        ]
    );
    assert_eq!(guidance["crates/api/AGENTS.md"], json!({"text": "API.", "applies_to": "crates/api"}));
    let cursor = &guidance[".cursor/rules/tests.mdc"];
    assert_eq!(cursor["front_matter"], "description: Tests\nglobs: *.ts\nalwaysApply: false\n");
    assert_eq!(
        (&cursor["applies_to"], &cursor["sections"]["Tests"]["text"]),
        (&json!("."), &json!("Use vitest."))
    );
}

#[test]
fn the_rest_of_the_document_stays_and_a_second_import_changes_nothing() {
    let here = Installation::new();
    let document = r#"{"language": "rust", "guidance": {"old": 1}}"#;
    here.json(&["context", "put", "--project", "web", "--title", "Web", "--data", document]);
    here.write("repo/AGENTS.md", "# One\n\nText.\n");
    let import = ["context", "import", "--from-repo", "repo", "--project", "web"];
    let dry = here.json(&[&import[..], &["--dry-run"]].concat());
    assert_eq!((&dry["replaced"], &dry["dry_run"]), (&json!(1), &json!(true)));
    assert_eq!(here.json(&["context", "get", "--project", "web"])["version"], 1);
    assert_eq!(here.json(&import)["replaced"], 1);
    assert_eq!(here.json(&import)["unchanged"], 1);
    let context = here.json(&["context", "get", "--project", "web"]);
    assert_eq!((&context["version"], &context["title"]), (&json!(2), &json!("Web")));
    assert_eq!(context["context_data"]["language"], "rust");
    assert_eq!(context["context_data"]["guidance"]["old"], Value::Null);
}

#[test]
fn a_file_that_cannot_be_stored_is_named() {
    let here = Installation::new();
    here.write("repo/AGENTS.md", "a\0b");
    here.write("repo/sub/AGENTS.md", b"\xff");
    let errors = here.run(&["context", "import", "--from-repo", "repo", "--project", "web"]);
    assert_eq!(errors.status.code(), Some(1));
    let errors = String::from_utf8(errors.stderr).unwrap();
    assert!(
        errors.contains("AGENTS.md, the text contains") && errors.contains("sub/AGENTS.md, the file is not"),
        "{errors}"
    );
    here.fails(1, &["context", "get", "--project", "web"]);
    std::fs::remove_dir_all(here.path().join("repo/sub")).unwrap();
    here.write("repo/AGENTS.md", "x".repeat(1024 * 1024));
    here.json(&["context", "put", "--data", "{}", "--inheritance", r#"{"locked": ["/guidance"]}"#]);
    let import = ["context", "import", "--from-repo", "repo", "--project", "web"];
    let big = here.run(&import);
    assert!(String::from_utf8(big.stderr).unwrap().contains("split it"));
    here.write("repo/AGENTS.md", "small");
    let locked = here.run(&import);
    assert!(String::from_utf8(locked.stderr).unwrap().contains("at '/guidance"), "the lock was ignored");
}

#[test]
fn this_repository_can_be_imported() {
    let here = Installation::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let import = ["context", "import", "--from-repo", root.to_str().unwrap(), "--project", "context-service"];
    assert_eq!(here.json(&import)["created"], 1);
    assert_eq!(here.json(&import)["unchanged"], 1);
    let guidance = guidance(&here, &["--project", "context-service"]);
    let text = std::fs::read_to_string(root.join("AGENTS.md")).unwrap();
    assert_eq!(guidance["AGENTS.md"]["text"], text);
    let found = here.json(&["context", "search", "clippy"]);
    assert_eq!(found["items"][0]["node_key"], "context-service");
}
