//! The README's tour, run command by command: what it says is printed is what is printed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a broken assumption is a failed test, and the commands need the PATH that there is"
)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A block of the README: commands, and what they print if the README says so.
struct Step {
    commands: String,
    printed: Option<String>,
}

/// The blocks fenced as `sh`, each with the block fenced as `text` that follows it, between the tour's heading and the
/// next one.
fn steps() -> Vec<Step> {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let (_, after) = readme.split_once("\n## A tour of five minutes\n").expect("the README has its tour");
    let tour = after.split("\n## ").next().unwrap();
    let mut steps: Vec<Step> = Vec::new();
    for block in tour.split("\n```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').unwrap();
        match language {
            "sh" => steps.push(Step { commands: text.to_owned(), printed: None }),
            "text" => steps.last_mut().unwrap().printed = Some(text.to_owned()),
            other => panic!("the tour has a block of {other}"),
        }
    }
    steps
}

/// A server on a free port, over a store in `folder`.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_context-service"))
            .args(["--store", "sqlite:data", "serve", "--listen", "127.0.0.1:0"])
            .env_remove("RUST_LOG")
            .current_dir(folder)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let line = lines.find(|line| line.as_ref().unwrap().contains("serving on http://")).unwrap().unwrap();
        let (_, rest) = line.split_once("serving on http://").unwrap();
        let address = rest.split(',').next().unwrap().to_owned();
        // Whoever reads no more blocks the server once the pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Whether `printed` is what the README says; `…` there stands for anything within a line.
fn matches(said: &str, printed: &str) -> bool {
    let said: Vec<_> = said.trim_end().lines().collect();
    let printed: Vec<_> = printed.trim_end().lines().collect();
    said.len() == printed.len()
        && said.iter().zip(&printed).all(|(said, printed)| line_matches(said, printed))
}

fn line_matches(said: &str, printed: &str) -> bool {
    let mut rest = printed.trim_end();
    let mut parts = said.trim_end().split('…').peekable();
    let Some(after_first) = parts.next().and_then(|first| rest.strip_prefix(first)) else { return false };
    rest = after_first;
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.split_at(at + part.len()).1;
    }
    rest.is_empty()
}

#[test]
fn the_tour_is_true() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    std::os::unix::fs::symlink(root.join("examples"), folder.path().join("examples")).unwrap();
    std::fs::copy(root.join("AGENTS.md"), folder.path().join("AGENTS.md")).unwrap();
    let server = Server::start(folder.path());
    let binaries = Path::new(env!("CARGO_BIN_EXE_context-service")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let steps = steps();
    assert!(steps.len() > 8, "the tour has {} steps: the test reads it wrongly", steps.len());
    let mut before = String::from("set -euo pipefail\n");
    for Step { commands, printed } in steps {
        let commands = commands.replace("127.0.0.1:8000", &server.address);
        let settings: Vec<_> = commands.lines().filter(|line| line.starts_with("export ")).collect();
        let settings = settings.join(
            "
",
        ) + "
";
        let output = Command::new("bash")
            .args(["-c", &format!("{before}{commands}")])
            .env("PATH", &path)
            .env_remove("DATABASE_URL")
            .current_dir(folder.path())
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{commands}\n{shown}\n{errors}");
        if let Some(said) = printed {
            assert!(
                matches(&said, &shown),
                "{commands}\nthe README says:\n{said}\nit prints:\n{shown}\n{errors}"
            );
        }
        before.push_str(&settings);
    }
}

#[test]
fn dots_match_within_a_line_only() {
    assert!(matches("a … c …\nx", "a b c d\nx\n"));
    assert!(!matches("a … c", "a b d") && !matches("a", "a\nb") && !matches("a …", "b a"));
    assert!(!matches("ab", "a"));
}
