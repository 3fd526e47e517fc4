//! `completions`: what a shell needs to complete this command line.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;

use crate::args::Args;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(shell: Shell, output: &Output) -> Result<ExitCode, Failure> {
    let mut command = Args::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| Failure::new(format!("the script for {shell} is not UTF-8: {error}")))?;
    output.data(&json!({"shell": shell.to_string(), "script": script}), || script.clone())?;
    Ok(ExitCode::SUCCESS)
}
