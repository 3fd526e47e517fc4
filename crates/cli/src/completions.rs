//! `completions`: scripts with which shells complete this command line.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;

use crate::args::Args;
use crate::failure::CommandFailure;
use crate::output::Output;

pub(crate) fn print_completions(shell: Shell, output: &Output) -> Result<ExitCode, CommandFailure> {
    let mut command = Args::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| CommandFailure::new(format!("the script for {shell} is not UTF-8: {error}")))?;
    output.data(&json!({"shell": shell.to_string(), "script": script}), || script.clone())?;
    Ok(ExitCode::SUCCESS)
}
