//! The log, on standard error.

use std::io::{self, IsTerminal};

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::LogFormat;
use crate::config::Settings;
use crate::failure::Failure;

/// The driver of PostgreSQL, by where its lines come from.
const DRIVER: &str = "tokio_postgres";

/// Starts the log, which tells what `default` says unless the settings say otherwise.
pub(crate) fn start(settings: &Settings, default: &str) -> Result<(), Failure> {
    let directives = settings.log.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| Failure::usage(format!("--log {directives}: {error}")))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    let started = match settings.log_format {
        LogFormat::Text => log.with_ansi(colours()).finish().with(filter_fn(is_told)).try_init(),
        LogFormat::Json => log.json().finish().with(filter_fn(is_told)).try_init(),
    };
    started.map_err(|error| Failure::new(format!("the log could not be started: {error}")))
}

/// Whether a line may be told, where the settings ask for it. The driver's may not, however closely it is asked after: it tells
/// what statements carry, documents and all.
fn is_told(line: &Metadata<'_>) -> bool {
    !line.target().starts_with(DRIVER) || *line.level() <= Level::WARN
}

/// Colours are for people at a terminal who did not ask for none (<https://no-color.org>).
#[expect(clippy::disallowed_methods, reason = "the command line is what reads the environment")]
fn colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !refused
}
