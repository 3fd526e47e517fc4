//! Runs the operator's manual command by command on a server of its own.

use std::path::Path;
use std::process::Command;

use context_testing::Server;
use tokio::runtime::Runtime;

use super::texts;
use crate::steps::{Step, matches, settings, steps};
use crate::support::Installation;

#[test]
#[expect(clippy::disallowed_methods, reason = "the commands need the PATH of this process")]
fn the_manual_works() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let steps = steps(&std::fs::read_to_string(manual).unwrap());
    assert!(steps.len() > 6, "the manual has {} steps: the test parses it wrongly", steps.len());
    let server = Runtime::new().unwrap().block_on(Server::builder().start());
    let here = Installation::new();
    let binaries = Path::new(env!("CARGO_BIN_EXE_context-service")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let mut before = String::from("set -euo pipefail\n");
    for Step { commands, printed } in steps {
        let commands = commands.replace("db.example.org", &format!("127.0.0.1:{}", server.port()));
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("{before}{commands}")]).env_clear().env("PATH", &path);
        let output = bash.current_dir(here.path()).output().unwrap();
        let (shown, errors) = texts(&output);
        assert!(output.status.success(), "{commands}\n{shown}\n{errors}");
        if let Some(expected) = printed {
            assert!(
                matches(&expected, &shown),
                "{commands}\nit shows:\n{expected}\nit prints:\n{shown}\n{errors}"
            );
        }
        before.push_str(&settings(&commands));
    }
}
