//! The binary `context-service`.

mod args;
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
mod telemetry;
mod tenant;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use context_domain::access::{Access, Caller, Principal};
use context_domain::clock::SystemClock;
use context_domain::id::{IdSource, RandomIds};
use context_domain::service::Service;

use crate::args::{Args, Command, SettingsArgs};
use crate::config::Settings;
use crate::failure::Failure;
use crate::output::Output;

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
        Command::Tenant(command) => {
            tenant::run(&open(&settings(given, "warn")?).await?, command, output).await
        }
        Command::Context(command) => {
            context::run(&open(&settings(given, "warn")?).await?, command, output).await
        }
        Command::Key(command) => key::run(&open(&settings(given, "warn")?).await?, command, output).await,
        Command::Completions { shell } => completions::run(shell, output),
        Command::Doctor => doctor::run(&settings(given, "warn")?, output).await,
    }
}

/// Reads the settings and starts the log: a server tells what it does, other commands only what is wrong.
fn settings(args: &SettingsArgs, log: &str) -> Result<Settings, Failure> {
    let settings = Settings::read(args)?;
    telemetry::start(&settings, log)?;
    Ok(settings)
}

/// The service over the store that the settings name; a new embedded store is made with the tenant `default`.
async fn open(settings: &Settings) -> Result<Service, Failure> {
    let clock = Arc::new(SystemClock);
    let ids = Arc::new(RandomIds);
    let ports = context_store::open(&settings.store, clock.clone(), ids.clone()).await?;
    Ok(Service::new(ports, clock, ids))
}

/// The operator at the command line.
fn operator() -> Caller {
    Caller::in_installation(Principal { name: "cli".to_owned(), access: Access::Operator }, request_id())
}

fn request_id() -> String {
    RandomIds.uuid().to_string()
}
