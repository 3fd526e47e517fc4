//! `--help` and `completions`.

use crate::support::Installation;

/// Every command.
const COMMANDS: [&str; 21] = [
    "serve",
    "bootstrap",
    "tenant create",
    "tenant list",
    "tenant show",
    "tenant drop",
    "context put",
    "context get",
    "context patch",
    "context delete",
    "context resolve",
    "context explain",
    "context list",
    "context search",
    "context import",
    "key create",
    "key list",
    "key revoke",
    "key rotate",
    "completions",
    "doctor",
];

#[test]
fn the_help_of_every_command_has_an_example() {
    let here = Installation::new();
    for command in COMMANDS {
        for flag in ["-h", "--help"] {
            let args: Vec<_> = command.split(' ').chain([flag]).collect();
            let output = here.run(&args);
            let help = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success() && help.contains("Example"), "{command} {flag}: {help}");
            assert!(help.contains(&format!("context-service {command}")), "{command}: {help}");
            assert!(!help.contains('\u{1b}'), "{command}: colours without a terminal");
        }
    }
}

#[test]
fn completions_are_printed_for_every_shell_without_opening_a_store() {
    let here = Installation::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = here.run(&["completions", shell]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains("from-repo"), "{shell}: {script}");
        let json = here.json(&["completions", shell]);
        assert_eq!(json["script"].as_str().unwrap().trim_end(), script.trim_end());
    }
    assert!(!here.path().join("data").exists());
    assert!(here.fails(2, &["completions", "tcsh"]).contains("tcsh"));
}
