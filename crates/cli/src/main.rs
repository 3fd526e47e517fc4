//! The binary `context-service`.

mod args;
mod bootstrap;
mod completions;
mod config;
mod context;
mod doctor;
mod document;
mod explain;
mod failure;
mod key;
mod output;
mod serve;
mod store;
mod telemetry;
mod tenant;

use std::process::ExitCode;

use clap::Parser;
use context_domain::access::{Access, Caller, Principal};
use context_domain::id::{IdSource, RandomIds};
use context_domain::service::Service;

use crate::args::{Args, Command, SettingsArgs};
use crate::config::Settings;
use crate::failure::Failure;
use crate::output::Output;
use crate::store::open;

fn main() -> ExitCode {
    let args = Args::parse();
    let output = Output::new(args.output);
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no runtime could be started: {error}")))
        .and_then(|runtime| runtime.block_on(run(args, &output)));
    match result {
        Ok(code) => code,
        Err(failure) => output.failure(&failure),
    }
}

async fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let given = &args.settings;
    match args.command {
        Command::Serve(args) => serve::run(&settings(given, "info")?, &args).await,
        Command::Bootstrap(args) => bootstrap::run(&settings(given, "warn")?, &args, output).await,
        Command::Tenant(command) => tenant::run(&service(given).await?, command, output).await,
        Command::Context(command) => context::run(&service(given).await?, command, output).await,
        Command::Key(command) => key::run(&service(given).await?, command, output).await,
        Command::Completions { shell } => completions::run(shell, output),
        Command::Doctor => doctor::run(&settings(given, "warn")?, output).await,
    }
}

/// Reads the settings and starts the log: a server tells what it does, other commands only what is wrong.
fn settings(args: &SettingsArgs, log: &str) -> Result<Settings, Failure> {
    let settings = Settings::read(args)?;
    telemetry::start(&settings, log)?;
    for notice in &settings.notices {
        tracing::warn!("{notice}");
    }
    Ok(settings)
}

/// The service, as the operator has it.
async fn service(args: &SettingsArgs) -> Result<Service, Failure> {
    Ok(open(&settings(args, "warn")?.operating()?).await?.service)
}

/// The operator at the command line.
fn operator() -> Caller {
    Caller::in_installation(Principal { name: "cli".to_owned(), access: Access::Operator }, request_id())
}

fn request_id() -> String {
    RandomIds.uuid().to_string()
}
