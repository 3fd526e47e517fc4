//! Settings: flags over environment over the configuration file over defaults.

use std::path::Path;

use context_store::StoreUrl;
use serde::Deserialize;

use crate::args::{Auth, LogFormat, SettingsArgs};
use crate::failure::Failure;

/// What a command works with.
pub(crate) struct Settings {
    pub(crate) store: StoreUrl,
    /// From the configuration file; the command line may say otherwise.
    pub(crate) listen: Option<String>,
    /// From the configuration file; the command line may add to them.
    pub(crate) allowed_hosts: Vec<String>,
    /// From the configuration file; the command line may say otherwise.
    pub(crate) auth: Option<Auth>,
    pub(crate) log: Option<String>,
    pub(crate) log_format: LogFormat,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    store: Option<String>,
    listen: Option<String>,
    #[serde(default)]
    allowed_hosts: Vec<String>,
    auth: Option<Auth>,
    log: Option<String>,
    log_format: Option<LogFormat>,
}

/// The parts of a PostgreSQL address, where `DATABASE_URL` does not give it whole.
const DB_VARIABLES: [&str; 5] = ["DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD"];

impl Settings {
    /// Reads the configuration file, if one is named, and lays the arguments over it.
    pub(crate) fn read(args: &SettingsArgs) -> Result<Self, Failure> {
        let file = args.config.as_deref().map_or_else(|| Ok(File::default()), read_file)?;
        Ok(Self {
            // An empty variable is how many a script unsets one.
            store: store_url(args.store.clone().filter(|store| !store.is_empty()).or(file.store))?,
            listen: file.listen,
            allowed_hosts: file.allowed_hosts,
            auth: file.auth,
            log: args.log.clone().or(file.log),
            log_format: args.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
        })
    }
}

fn read_file(path: &Path) -> Result<File, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("--config {}: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| Failure::usage(format!("--config {}: {error}", path.display())))
}

fn store_url(named: Option<String>) -> Result<StoreUrl, Failure> {
    let text = match named {
        Some(text) => text,
        None => default_store()?,
    };
    text.parse().map_err(|rule| Failure::usage(format!("--store: {rule}")))
}

/// The embedded store in the user's data directory. Whoever set a part of a PostgreSQL address meant PostgreSQL, and
/// must not find their data in a local file.
#[expect(clippy::disallowed_methods, reason = "the command line is what reads the environment")]
fn default_store() -> Result<String, Failure> {
    if let Some(name) = DB_VARIABLES.into_iter().find(|name| std::env::var_os(name).is_some()) {
        return Err(Failure::usage(format!(
            "{name} asks for PostgreSQL, which this version does not serve yet: unset it, or name the embedded store \
             with --store sqlite:<dir>"
        )));
    }
    let directories = directories::ProjectDirs::from("", "", "context-service").ok_or_else(|| {
        Failure::usage(
            "the user's data directory is unknown (HOME is not set): name a store with --store sqlite:<dir>",
        )
    })?;
    let path = directories.data_dir();
    let text = path.to_str().ok_or_else(|| {
        Failure::usage(format!(
            "the path {} is not UTF-8: name a store with --store sqlite:<dir>",
            path.display()
        ))
    })?;
    Ok(format!("sqlite:{text}"))
}
