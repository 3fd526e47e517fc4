//! The log, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;
use crate::config::Settings;
use crate::failure::Failure;

/// The driver would tell the log what statements carry, documents and all.
const SILENCED: &str = "tokio_postgres=warn";

/// Starts the log, which tells what `default` says unless the settings say otherwise.
pub(crate) fn start(settings: &Settings, default: &str) -> Result<(), Failure> {
    let directives = settings.log.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(format!("{directives},{SILENCED}"))
        .map_err(|error| Failure::usage(format!("--log {directives}: {error}")))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    let started = match settings.log_format {
        LogFormat::Text => log.with_ansi(colours()).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    started.map_err(|error| Failure::new(format!("the log could not be started: {error}")))
}

/// Colours are for people at a terminal who did not ask for none (<https://no-color.org>).
#[expect(clippy::disallowed_methods, reason = "the command line is what reads the environment")]
fn colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !refused
}
