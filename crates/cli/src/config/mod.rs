//! Settings: flags override the environment, which overrides the configuration file, which overrides
//! defaults.

mod database;
mod environment;

use std::path::Path;

use clap::ValueEnum;
use context_domain::id::TenantId;
use context_store::postgres::{ConnectionMode, PostgresUrl};
use context_store::{StoreOptions, StoreUrl};
use serde::Deserialize;

use crate::args::{AuthMode, ConnectionModeArg, LogFormat, SettingsArgs};
use crate::failure::CommandFailure;
use environment::variable;

/// Upper bound of `--max-connections`.
const MAX_CONNECTIONS: usize = 1_000;

/// The settings of a command.
pub(crate) struct Settings {
    /// `None` if only the owner's connection is given, which is enough to bootstrap.
    store: Option<StoreUrl>,
    /// The connection of PostgreSQL's owner role, which creates and drops tenants.
    admin: Option<PostgresUrl>,
    connection_mode: ConnectionMode,
    max_connections: Option<usize>,
    /// The tenants of bootstrap, unless the command line names some.
    pub(crate) tenant_ids: Option<Vec<TenantId>>,
    /// From the configuration file; a flag overrides it.
    pub(crate) listen: Option<String>,
    /// From the configuration file; flags add to it.
    pub(crate) allowed_hosts: Vec<String>,
    /// From the configuration file; a flag overrides it.
    pub(crate) auth: Option<AuthMode>,
    pub(crate) log: Option<String>,
    pub(crate) log_format: LogFormat,
    /// Notices about how the settings were chosen, which are logged as warnings.
    pub(crate) notices: Vec<String>,
}

/// The configuration file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsFile {
    store: Option<String>,
    admin_store: Option<String>,
    connection_mode: Option<ConnectionModeArg>,
    max_connections: Option<usize>,
    tenant_ids: Option<Vec<String>>,
    listen: Option<String>,
    #[serde(default)]
    allowed_hosts: Vec<String>,
    auth: Option<AuthMode>,
    log: Option<String>,
    log_format: Option<LogFormat>,
}

impl Settings {
    /// Loads the configuration file, if one is named, and applies the environment and the arguments to it.
    pub(crate) fn load(args: &SettingsArgs) -> Result<Self, CommandFailure> {
        let file = args.config.as_deref().map_or_else(|| Ok(SettingsFile::default()), read_settings_file)?;
        let admin = non_empty(args.admin_store.as_ref()).or(file.admin_store);
        let admin = admin.map(|text| admin_url(&text)).transpose()?;
        let mut notices = Vec::new();
        let store = match (store_text(args, file.store, &mut notices)?, &admin) {
            (Some(text), _) => Some(store_url(&text)?),
            // A user who named only the owner's connection means PostgreSQL and must not get a local file.
            (None, Some(_)) => None,
            (None, None) => Some(store_url(&default_store()?)?),
        };
        notices.extend(different_databases(store.as_ref(), admin.as_ref()));
        let settings = Self {
            store,
            admin,
            connection_mode: connection_mode(args, file.connection_mode)?,
            max_connections: max_connections(args, file.max_connections)?,
            tenant_ids: tenant_ids(file.tenant_ids)?,
            listen: file.listen,
            allowed_hosts: file.allowed_hosts,
            auth: file.auth,
            log: non_empty(args.log.as_ref()).or(file.log),
            log_format: args.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            notices,
        };
        settings.refuse_postgresql_flags(args)?;
        Ok(settings)
    }

    /// Returns the options of a server: operations that need the owner role are refused unless the owner is
    /// named.
    pub(crate) fn serving(&self) -> Result<StoreOptions, CommandFailure> {
        let url = self.store.clone().ok_or_else(|| {
            CommandFailure::usage(
                "DATABASE_ADMIN_URL is the owner's connection, which only creates and drops tenants: name \
                 the store too, with DATABASE_URL or --store",
            )
        })?;
        let mut options = StoreOptions::new(url);
        options.admin.clone_from(&self.admin);
        options.connection_mode = self.connection_mode;
        if let Some(connections) = self.max_connections {
            options.max_connections = connections;
        }
        Ok(options)
    }

    /// Returns the options of an operator's command: the store's URL is the owner's too unless one is named.
    pub(crate) fn operating(&self) -> Result<StoreOptions, CommandFailure> {
        let mut options = self.serving()?;
        if let (None, StoreUrl::Postgres(url)) = (&options.admin, &options.url) {
            options.admin = Some(url.clone());
        }
        Ok(options)
    }

    /// Returns the connection that bootstraps PostgreSQL; `None` if the store is the embedded one.
    pub(crate) fn owner(&self) -> Option<&PostgresUrl> {
        match (&self.admin, &self.store) {
            (Some(admin), _) => Some(admin),
            (None, Some(StoreUrl::Postgres(url))) => Some(url),
            (None, _) => None,
        }
    }

    /// Returns the role that serves, if it is not the owner.
    pub(crate) fn serving_role(&self) -> Option<&str> {
        match (&self.admin, &self.store) {
            (Some(admin), Some(StoreUrl::Postgres(url))) if admin.user() != url.user() => Some(url.user()),
            _ => None,
        }
    }

    /// Whether a pooler is expected in front of PostgreSQL.
    pub(crate) fn connection_mode(&self) -> ConnectionMode {
        self.connection_mode
    }

    /// Refuses flags that only PostgreSQL has if the store is the embedded one.
    fn refuse_postgresql_flags(&self, args: &SettingsArgs) -> Result<(), CommandFailure> {
        if !matches!(self.store, Some(StoreUrl::Sqlite { .. })) {
            return Ok(());
        }
        let flags = [
            ("DATABASE_ADMIN_URL (--admin-store)", self.admin.is_some()),
            ("--connection-mode", args.connection_mode.is_some()),
            ("--max-connections", args.max_connections.is_some()),
        ];
        match flags.into_iter().find(|(_, given)| *given) {
            Some((name, _)) => Err(CommandFailure::usage(format!(
                "{name} is for PostgreSQL, but the store is the embedded one: leave it out, or name \
                 PostgreSQL with DATABASE_URL or --store"
            ))),
            None => Ok(()),
        }
    }
}

/// Returns a notice if the owner's URL names another database than the store's: tenants would then be created
/// where no server finds them.
fn different_databases(store: Option<&StoreUrl>, admin: Option<&PostgresUrl>) -> Option<String> {
    let (Some(StoreUrl::Postgres(store)), Some(admin)) = (store, admin) else { return None };
    let (store, admin) = (store.database(), admin.database());
    (store != admin).then(|| {
        format!(
            "DATABASE_ADMIN_URL names the database {admin} and DATABASE_URL {store}: unless they are two \
             names of one database, tenants are created in one and served from the other"
        )
    })
}

fn non_empty(given: Option<&String>) -> Option<String> {
    given.filter(|text| !text.is_empty()).cloned()
}

fn read_settings_file(path: &Path) -> Result<SettingsFile, CommandFailure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| CommandFailure::usage(format!("--config {}: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| {
        // The error's own text quotes the line, which may contain a password, so only its number and key are
        // shown.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count();
        let key = text.lines().nth(line).and_then(|line| line.split_once('=')).map(|(key, _)| key.trim());
        let is_key = |key: &&str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let key = key.filter(is_key).map(|key| format!(", {key}")).unwrap_or_default();
        let rule = format!("--config {}: line {}{key}: {}", path.display(), line + 1, error.message());
        CommandFailure::usage(rule)
    })
}

/// Returns the store's URL if one is given: the flag or `DATABASE_URL`, else `DB_*`, else the file.
fn store_text(
    args: &SettingsArgs,
    file: Option<String>,
    notices: &mut Vec<String>,
) -> Result<Option<String>, CommandFailure> {
    let in_parts = database::from_environment()?;
    let Some(text) = non_empty(args.store.as_ref()) else {
        return Ok(in_parts.map(|(parts, _)| parts.url()).transpose()?.or(file));
    };
    let from_variable = variable("DATABASE_URL").is_ok_and(|url| url.as_ref() == Some(&text));
    if let Some((_, set)) = in_parts.filter(|_| from_variable) {
        let verb = if set.len() == 1 { "is" } else { "are" };
        notices.push(format!("DATABASE_URL names the store: {} {verb} ignored", set.join(", ")));
    }
    Ok(Some(text))
}

fn store_url(text: &str) -> Result<StoreUrl, CommandFailure> {
    text.parse().map_err(|rule| CommandFailure::usage(format!("--store: {rule}")))
}

fn admin_url(text: &str) -> Result<PostgresUrl, CommandFailure> {
    match text.parse().map_err(|rule| CommandFailure::usage(format!("--admin-store: {rule}")))? {
        StoreUrl::Postgres(url) => Ok(url),
        StoreUrl::Sqlite { .. } => Err(CommandFailure::usage(
            "--admin-store: the embedded store has no owner: name PostgreSQL with postgres://…",
        )),
    }
}

fn connection_mode(
    args: &SettingsArgs,
    file: Option<ConnectionModeArg>,
) -> Result<ConnectionMode, CommandFailure> {
    let from_environment = variable("DB_CONNECTION_MODE")?.map(|text| {
        ConnectionModeArg::from_str(&text, false).map_err(|_: String| {
            CommandFailure::usage(format!("DB_CONNECTION_MODE={text}: the mode is auto, direct or pooled"))
        })
    });
    let mode = args.connection_mode.or(from_environment.transpose()?).or(file);
    Ok(match mode.unwrap_or(ConnectionModeArg::Auto) {
        ConnectionModeArg::Auto => ConnectionMode::Auto,
        ConnectionModeArg::Direct => ConnectionMode::Direct,
        ConnectionModeArg::Pooled => ConnectionMode::Pooled,
    })
}

fn max_connections(args: &SettingsArgs, file: Option<usize>) -> Result<Option<usize>, CommandFailure> {
    match args.max_connections.or(file) {
        Some(number) if !(1..=MAX_CONNECTIONS).contains(&number) => Err(CommandFailure::usage(format!(
            "--max-connections {number}: the number must be from 1 to {MAX_CONNECTIONS}"
        ))),
        number => Ok(number),
    }
}

/// Returns the tenants of `TENANT_IDS`, else those of the file.
fn tenant_ids(file: Option<Vec<String>>) -> Result<Option<Vec<TenantId>>, CommandFailure> {
    match variable("TENANT_IDS")? {
        Some(text) => parse_tenants(text.split(','), "TENANT_IDS").map(Some),
        None => file.map(|ids| parse_tenants(ids.iter().map(String::as_str), "tenant_ids")).transpose(),
    }
}

/// Parses the tenant ids that the setting `name` lists; a repeated id is returned once.
pub(crate) fn parse_tenants<'a>(
    ids: impl Iterator<Item = &'a str>,
    name: &str,
) -> Result<Vec<TenantId>, CommandFailure> {
    let mut tenants: Vec<TenantId> = Vec::new();
    for id in ids {
        let tenant = id.parse().map_err(|rule: String| CommandFailure::usage(format!("{name}: {rule}")))?;
        if !tenants.contains(&tenant) {
            tenants.push(tenant);
        }
    }
    if tenants.is_empty() {
        return Err(CommandFailure::usage(format!("{name} names no tenant")));
    }
    Ok(tenants)
}

/// Returns the URL of the embedded store in the user's data directory.
fn default_store() -> Result<String, CommandFailure> {
    let directories = directories::ProjectDirs::from("", "", "context-service").ok_or_else(|| {
        CommandFailure::usage(
            "the user's data directory is unknown (HOME is not set): name a store with --store sqlite:<dir>",
        )
    })?;
    let path = directories.data_dir();
    let text = path.to_str().ok_or_else(|| {
        CommandFailure::usage(format!(
            "the path {} is not UTF-8: name a store with --store sqlite:<dir>",
            path.display()
        ))
    })?;
    Ok(format!("sqlite:{text}"))
}
