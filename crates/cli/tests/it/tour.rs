//! Runs the README's tour command by command on both stores, and compares the output with what it shows.

use std::path::Path;
use std::process::Command;

use crate::postgres::Database;
use crate::served::Served;
use crate::steps::{Step, matches, settings, steps};
use crate::support::Installation;

/// Returns the README's text between the tour's heading and the next one.
fn tour() -> String {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let (_, after) = readme.split_once("\n## A tour of five minutes\n").unwrap();
    after.split("\n## ").next().unwrap().to_owned()
}

#[test]
fn the_tour_works() {
    run_tour("sqlite:data");
}

#[test]
fn the_tour_works_on_postgresql() {
    run_tour(&Database::with("default").url());
}

#[expect(clippy::disallowed_methods, reason = "the commands need the PATH of this process")]
fn run_tour(store: &str) {
    let here = Installation::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    std::os::unix::fs::symlink(root.join("examples"), here.path().join("examples")).unwrap();
    std::fs::copy(root.join("AGENTS.md"), here.path().join("AGENTS.md")).unwrap();
    let server = Served::start(here.command(&["--store", store, "serve", "--listen", "127.0.0.1:0"]));
    let binaries = Path::new(env!("CARGO_BIN_EXE_context-service")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let steps = steps(&tour());
    assert!(steps.len() > 8, "the tour has {} steps: the test parses it wrongly", steps.len());
    let mut before = String::from("set -euo pipefail\n");
    for Step { commands, printed } in steps {
        let commands = commands.replace("127.0.0.1:8000", server.address()).replace("sqlite:data", store);
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("{before}{commands}")]).env("PATH", &path).env_remove("DATABASE_URL");
        let output = bash.current_dir(here.path()).output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{commands}\n{shown}\n{errors}");
        if let Some(expected) = printed {
            assert!(
                matches(&expected, &shown),
                "{commands}\nthe README shows:\n{expected}\nit prints:\n{shown}\n{errors}"
            );
        }
        before.push_str(&settings(&commands));
    }
}
