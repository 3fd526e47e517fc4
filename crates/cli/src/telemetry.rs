//! The log, on standard error.

use std::io::{self, IsTerminal};

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::LogFormat;
use crate::config::Settings;
use crate::failure::CommandFailure;

/// The log target of PostgreSQL's driver.
const DRIVER: &str = "tokio_postgres";

/// Starts the log with the filter of the settings, else with `default_filter`.
pub(crate) fn start_log(settings: &Settings, default_filter: &str) -> Result<(), CommandFailure> {
    let directives = settings.log.as_deref().unwrap_or(default_filter);
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| CommandFailure::usage(format!("--log {directives}: {error}")))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    let started = match settings.log_format {
        LogFormat::Text => log.with_ansi(colours()).finish().with(filter_fn(may_be_logged)).try_init(),
        LogFormat::Json => log.json().finish().with(filter_fn(may_be_logged)).try_init(),
    };
    started.map_err(|error| CommandFailure::new(format!("the log could not be started: {error}")))
}

/// Whether a line may be logged if the filter asks for it. The driver's lines below `warn` may never be: they
/// quote statements and their parameters, documents included.
fn may_be_logged(line: &Metadata<'_>) -> bool {
    !line.target().starts_with(DRIVER) || *line.level() <= Level::WARN
}

/// Whether to use colours: on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
#[expect(clippy::disallowed_methods, reason = "the command line is what reads the environment")]
fn colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !refused
}
