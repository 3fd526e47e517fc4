//! The binary `context-service`.

mod args;
mod bootstrap;
mod caller;
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
use context_domain::service::Service;

use crate::args::{Args, Command, SettingsArgs};
use crate::config::Settings;
use crate::failure::CommandFailure;
use crate::output::Output;
use crate::store::open_service;

fn main() -> ExitCode {
    let args = Args::parse();
    let output = Output::new(args.output);
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandFailure::new(format!("the runtime could not be started: {error}")))
        .and_then(|runtime| runtime.block_on(run_command(args, &output)));
    match result {
        Ok(code) => code,
        Err(failure) => output.failure(&failure),
    }
}

async fn run_command(args: Args, output: &Output) -> Result<ExitCode, CommandFailure> {
    let given = &args.settings;
    match args.command {
        Command::Serve(args) => serve::run_serve(&load_settings(given, "info")?, &args).await,
        Command::Bootstrap(args) => {
            bootstrap::run_bootstrap(&load_settings(given, "warn")?, &args, output).await
        }
        Command::Tenant(command) => tenant::run_tenant(&operated(given).await?, command, output).await,
        Command::Context(command) => context::run_context(&operated(given).await?, command, output).await,
        Command::Key(command) => key::run_key(&operated(given).await?, command, output).await,
        Command::Completions { shell } => completions::print_completions(shell, output),
        Command::Doctor => doctor::run_doctor(&load_settings(given, "warn")?, output).await,
    }
}

/// Loads the settings and starts the log. A server logs what it does, other commands only what is wrong.
fn load_settings(args: &SettingsArgs, default_filter: &str) -> Result<Settings, CommandFailure> {
    let settings = Settings::load(args)?;
    telemetry::start_log(&settings, default_filter)?;
    for notice in &settings.notices {
        tracing::warn!("{notice}");
    }
    Ok(settings)
}

/// Opens the service for the operator, who may also create and drop tenants.
async fn operated(args: &SettingsArgs) -> Result<Service, CommandFailure> {
    Ok(open_service(&load_settings(args, "warn")?.operating()?).await?.service)
}
