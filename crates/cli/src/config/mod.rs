//! Settings: flags over environment over the configuration file over defaults.

mod database;
mod environment;

use std::path::Path;

use clap::ValueEnum;
use context_domain::id::TenantId;
use context_store::postgres::{ConnectionMode, PostgresUrl};
use context_store::{StoreOptions, StoreUrl};
use serde::Deserialize;

use crate::args::{Auth, LogFormat, Mode, SettingsArgs};
use crate::failure::Failure;
use environment::variable;

/// Connections of one process at the most, whatever is asked for.
const MAX_CONNECTIONS: usize = 1_000;

/// What a command works with.
pub(crate) struct Settings {
    /// None where only the owner's connection is named, which suffices to bootstrap.
    store: Option<StoreUrl>,
    /// The connection of PostgreSQL's owner role, which makes and drops tenants.
    admin: Option<PostgresUrl>,
    connection_mode: ConnectionMode,
    max_connections: Option<usize>,
    /// The tenants that bootstrap looks after, unless the command line names some.
    pub(crate) tenant_ids: Option<Vec<TenantId>>,
    /// From the configuration file; the command line may say otherwise.
    pub(crate) listen: Option<String>,
    /// From the configuration file; the command line may add to them.
    pub(crate) allowed_hosts: Vec<String>,
    /// From the configuration file; the command line may say otherwise.
    pub(crate) auth: Option<Auth>,
    pub(crate) log: Option<String>,
    pub(crate) log_format: LogFormat,
    /// What the user should know of how these were found.
    pub(crate) notices: Vec<String>,
}

/// The configuration file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    store: Option<String>,
    admin_store: Option<String>,
    connection_mode: Option<Mode>,
    max_connections: Option<usize>,
    tenant_ids: Option<Vec<String>>,
    listen: Option<String>,
    #[serde(default)]
    allowed_hosts: Vec<String>,
    auth: Option<Auth>,
    log: Option<String>,
    log_format: Option<LogFormat>,
}

impl Settings {
    /// Reads the configuration file, if one is named, and lays the environment and the arguments over it.
    pub(crate) fn read(args: &SettingsArgs) -> Result<Self, Failure> {
        let file = args.config.as_deref().map_or_else(|| Ok(File::default()), read_file)?;
        let admin = named(args.admin_store.as_ref()).or(file.admin_store);
        let admin = admin.map(|text| admin_url(&text)).transpose()?;
        let mut notices = Vec::new();
        let store = match (store_text(args, file.store, &mut notices)?, &admin) {
            (Some(text), _) => Some(store_url(&text)?),
            // Whoever named a part of PostgreSQL meant it, and must not find their data in a local file.
            (None, Some(_)) => None,
            (None, None) => Some(store_url(&default_store()?)?),
        };
        notices.extend(apart(store.as_ref(), admin.as_ref()));
        let settings = Self {
            store,
            admin,
            connection_mode: connection_mode(args, file.connection_mode)?,
            max_connections: max_connections(args, file.max_connections)?,
            tenant_ids: tenant_ids(file.tenant_ids)?,
            listen: file.listen,
            allowed_hosts: file.allowed_hosts,
            auth: file.auth,
            log: named(args.log.as_ref()).or(file.log),
            log_format: args.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            notices,
        };
        settings.refuse_what_is_not_honoured(args)?;
        Ok(settings)
    }

    /// Which store, and how it is opened to serve: what needs the owner is refused unless the owner is named.
    pub(crate) fn serving(&self) -> Result<StoreOptions, Failure> {
        let url = self.store.clone().ok_or_else(|| {
            Failure::usage(
                "DATABASE_ADMIN_URL is the owner's connection, which only makes and drops tenants: name the store too, \
                 with DATABASE_URL or --store",
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

    /// The same for a command of the operator's, who acts as the owner if no other owner is named.
    pub(crate) fn operating(&self) -> Result<StoreOptions, Failure> {
        let mut options = self.serving()?;
        if let (None, StoreUrl::Postgres(url)) = (&options.admin, &options.url) {
            options.admin = Some(url.clone());
        }
        Ok(options)
    }

    /// The connection that bootstraps PostgreSQL; none where the store is the embedded one.
    pub(crate) fn owner(&self) -> Option<&PostgresUrl> {
        match (&self.admin, &self.store) {
            (Some(admin), _) => Some(admin),
            (None, Some(StoreUrl::Postgres(url))) => Some(url),
            (None, _) => None,
        }
    }

    /// The role that serves, where it is another than the owner.
    pub(crate) fn serving_role(&self) -> Option<&str> {
        match (&self.admin, &self.store) {
            (Some(admin), Some(StoreUrl::Postgres(url))) if admin.user() != url.user() => Some(url.user()),
            _ => None,
        }
    }

    /// What is believed of the way to the server.
    pub(crate) fn connection_mode(&self) -> ConnectionMode {
        self.connection_mode
    }

    /// What is for PostgreSQL alone is refused where the store is the embedded one.
    fn refuse_what_is_not_honoured(&self, args: &SettingsArgs) -> Result<(), Failure> {
        if !matches!(self.store, Some(StoreUrl::Sqlite { .. })) {
            return Ok(());
        }
        let flags = [
            ("DATABASE_ADMIN_URL (--admin-store)", self.admin.is_some()),
            ("--connection-mode", args.connection_mode.is_some()),
            ("--max-connections", args.max_connections.is_some()),
        ];
        match flags.into_iter().find(|(_, given)| *given) {
            Some((name, _)) => Err(Failure::usage(format!(
                "{name} is for PostgreSQL, and the store is the embedded one: leave it out, or name PostgreSQL with \
                 DATABASE_URL or --store"
            ))),
            None => Ok(()),
        }
    }
}

/// What is said where the owner's connection seems to lead to another database than the store's: tenants would be made
/// where nobody serves them.
fn apart(store: Option<&StoreUrl>, admin: Option<&PostgresUrl>) -> Option<String> {
    let (Some(StoreUrl::Postgres(store)), Some(admin)) = (store, admin) else { return None };
    let (store, admin) = (store.database(), admin.database());
    (store != admin).then(|| {
        format!(
            "DATABASE_ADMIN_URL names the database {admin} and DATABASE_URL {store}: unless a pooler calls it by another name, \
             tenants are made in the one and served from the other"
        )
    })
}

/// What was given, if it is not empty.
fn named(given: Option<&String>) -> Option<String> {
    given.filter(|text| !text.is_empty()).cloned()
}

fn read_file(path: &Path) -> Result<File, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("--config {}: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| {
        // The error would quote the line, which may hold a password: its number and its key must do.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count();
        let key = text.lines().nth(line).and_then(|line| line.split_once('=')).map(|(key, _)| key.trim());
        let is_key = |key: &&str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let key = key.filter(is_key).map(|key| format!(", {key}")).unwrap_or_default();
        Failure::usage(format!("--config {}: line {}{key}: {}", path.display(), line + 1, error.message()))
    })
}

/// The store's URL, where one is named: the flag or `DATABASE_URL` over `DB_*` over the file.
fn store_text(
    args: &SettingsArgs,
    file: Option<String>,
    notices: &mut Vec<String>,
) -> Result<Option<String>, Failure> {
    let in_parts = database::named()?;
    let Some(text) = named(args.store.as_ref()) else {
        return Ok(in_parts.map(|database| database.url()).transpose()?.or(file));
    };
    let ignored = in_parts.filter(|_| variable("DATABASE_URL").is_ok_and(|url| url.as_ref() == Some(&text)));
    if let Some(database) = ignored {
        notices.push(format!("DATABASE_URL names the store: {} ignored", are(&database.by)));
    }
    Ok(Some(text))
}

fn are(names: &[&str]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(", "))
}

fn store_url(text: &str) -> Result<StoreUrl, Failure> {
    text.parse().map_err(|rule| Failure::usage(format!("--store: {rule}")))
}

fn admin_url(text: &str) -> Result<PostgresUrl, Failure> {
    match text.parse().map_err(|rule| Failure::usage(format!("--admin-store: {rule}")))? {
        StoreUrl::Postgres(url) => Ok(url),
        StoreUrl::Sqlite { .. } => Err(Failure::usage(
            "--admin-store: the embedded store has no owner: name PostgreSQL with postgres://…",
        )),
    }
}

fn connection_mode(args: &SettingsArgs, file: Option<Mode>) -> Result<ConnectionMode, Failure> {
    let from_environment = variable("DB_CONNECTION_MODE")?.map(|text| {
        Mode::from_str(&text, false).map_err(|_: String| {
            Failure::usage(format!("DB_CONNECTION_MODE={text}: the mode is auto, direct or pooled"))
        })
    });
    let mode = args.connection_mode.or(from_environment.transpose()?).or(file);
    Ok(match mode.unwrap_or(Mode::Auto) {
        Mode::Auto => ConnectionMode::Auto,
        Mode::Direct => ConnectionMode::Direct,
        Mode::Pooled => ConnectionMode::Pooled,
    })
}

fn max_connections(args: &SettingsArgs, file: Option<usize>) -> Result<Option<usize>, Failure> {
    match args.max_connections.or(file) {
        Some(number) if !(1..=MAX_CONNECTIONS).contains(&number) => {
            Err(Failure::usage(format!("--max-connections {number}: 1 to {MAX_CONNECTIONS} are possible")))
        }
        number => Ok(number),
    }
}

/// The tenants of `TENANT_IDS`, else those of the file.
fn tenant_ids(file: Option<Vec<String>>) -> Result<Option<Vec<TenantId>>, Failure> {
    match variable("TENANT_IDS")? {
        Some(text) => tenants(text.split(','), "TENANT_IDS").map(Some),
        None => file.map(|ids| tenants(ids.iter().map(String::as_str), "tenant_ids")).transpose(),
    }
}

/// Reads the ids of tenants that `name` lists, each once.
pub(crate) fn tenants<'a>(ids: impl Iterator<Item = &'a str>, name: &str) -> Result<Vec<TenantId>, Failure> {
    let mut tenants: Vec<TenantId> = Vec::new();
    for id in ids {
        let tenant = id.parse().map_err(|rule: String| Failure::usage(format!("{name}: {rule}")))?;
        if !tenants.contains(&tenant) {
            tenants.push(tenant);
        }
    }
    if tenants.is_empty() {
        return Err(Failure::usage(format!("{name} names no tenant")));
    }
    Ok(tenants)
}

/// The embedded store in the user's data directory.
fn default_store() -> Result<String, Failure> {
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
