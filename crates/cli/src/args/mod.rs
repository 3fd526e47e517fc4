//! The command line's arguments.
#![expect(clippy::doc_markdown, reason = "these comments are what --help prints")]

mod bootstrap;
mod context;
mod defaults;
mod import;
mod key;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use context_domain::id::TENANT_ID_RULE;
use context_store::DEFAULT_MAX_CONNECTIONS;

pub(crate) use bootstrap::BootstrapArgs;
pub(crate) use context::{
    AddressArgs, ConditionArgs, ContextCommand, DeleteArgs, DocumentArgs, FilterArgs, PatchArgs, PutArgs,
};
pub(crate) use defaults::{DEFAULT_LISTEN, DEFAULT_TENANT};
pub(crate) use import::ImportArgs;
pub(crate) use key::{KeyCommand, KeyScope};

/// The shared, multi-tenant memory of context for AI agents.
#[derive(Debug, Parser)]
#[command(name = "context-service", version, propagate_version = true, max_term_width = 110)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,

    /// The format of results
    #[arg(long, global = true, value_enum, default_value_t = OutputFormat::Table)]
    pub(crate) output: OutputFormat,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Settings that the configuration file may contain too.
#[derive(Debug, clap::Args)]
pub(crate) struct SettingsArgs {
    /// The store: sqlite:DIR or postgres://USER@HOST/DATABASE; DB_HOST, DB_PORT, DB_NAME, DB_USER and
    /// DB_PASSWORD name PostgreSQL in parts [default: sqlite: and the user's data directory]
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) store: Option<String>,

    /// The connection of PostgreSQL's owner, which creates and drops tenants; serving needs it for nothing
    /// else
    #[arg(long, global = true, env = "DATABASE_ADMIN_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) admin_store: Option<String>,

    /// Whether PostgreSQL is reached through a pooler [env: DB_CONNECTION_MODE] [default: auto]
    #[arg(long, global = true, value_enum, value_name = "MODE")]
    pub(crate) connection_mode: Option<ConnectionModeArg>,

    #[arg(long, global = true, value_name = "N", help = max_connections_help())]
    pub(crate) max_connections: Option<usize>,

    /// A TOML file with settings, which flags and environment override: store, admin_store, connection_mode,
    /// max_connections, tenant_ids, listen, allowed_hosts, auth, log, log_format
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// What is logged on standard error, as in RUST_LOG: error, warn, info, debug, or per module
    #[arg(long, global = true, env = "RUST_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,

    /// The format of the log
    #[arg(long, global = true, value_enum)]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ConnectionModeArg {
    /// Each connection is tested
    Auto,
    /// No pooler: statements are prepared by name
    Direct,
    /// A pooler, such as PgBouncer: no statement or setting outlives a transaction
    Pooled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Tables for people
    Table,
    /// JSON for programs
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the HTTP API
    #[command(after_help = "Examples:\n  \
        context-service --store sqlite:data serve --listen 127.0.0.1:8000\n  \
        context-service --store sqlite:data serve --listen 0.0.0.0:8000 \
        --allowed-host ctx.example.org --auth keys")]
    Serve(ServeArgs),
    /// Create or repair the installation: the control schema and every listed tenant, at the current revision
    #[command(after_help = "Examples:\n  \
        context-service bootstrap --tenant-ids default,demo,my-tenant\n  \
        context-service bootstrap --health-check || context-service bootstrap\n\n\
        What exists stays. What is missing is created; a dropped table, whose contents cannot be restored, \
        is created again, empty, and reported as lost. The command connects with DATABASE_ADMIN_URL if that \
        is set, else with DATABASE_URL.")]
    Bootstrap(BootstrapArgs),
    /// Create, list, show and drop tenants
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Write, read, resolve, explain, find and import contexts
    #[command(subcommand)]
    Context(ContextCommand),
    /// Create, list, rotate and revoke API keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Print a script that completes commands and flags in a shell
    #[command(after_help = "Examples:\n  \
        context-service completions bash > ~/.local/share/bash-completion/completions/context-service\n  \
        context-service completions zsh > ~/.zfunc/_context-service\n  \
        context-service completions fish > ~/.config/fish/completions/context-service.fish")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Show the store, its paths, versions and limits, and what is wrong; exit 1 if something is
    #[command(after_help = "Example:\n  context-service doctor --output json")]
    Doctor,
}

/// How the server authenticates callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuthMode {
    /// Not at all: every caller may do everything
    None,
    /// Each request carries an API key: Authorization: Bearer cs_…
    Keys,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    #[arg(long, env = "LISTEN_ADDR", value_name = "ADDR", help = listen_help())]
    pub(crate) listen: Option<String>,

    /// A host name, in addition to localhost, that clients may use in the Host header; may be repeated
    #[arg(long = "allowed-host", value_name = "HOST")]
    pub(crate) allowed_hosts: Vec<String>,

    /// How callers are authenticated [default: none]
    #[arg(long, value_enum)]
    pub(crate) auth: Option<AuthMode>,

    /// Listen on addresses other than loopback even though callers are not authenticated
    #[arg(long)]
    pub(crate) insecure_no_auth: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Create a tenant
    #[command(after_help = "Example:\n  context-service tenant create my-tenant")]
    Create {
        #[arg(help = format!("The tenant's id: {TENANT_ID_RULE}"))]
        id: String,
    },
    /// List all tenants
    #[command(after_help = "Example:\n  context-service tenant list --output json")]
    List,
    /// Show one tenant
    #[command(after_help = "Example:\n  context-service tenant show my-tenant")]
    Show {
        /// The tenant's id
        id: String,
    },
    /// Drop a tenant with everything in it and its keys, permanently
    #[command(after_help = "Example:\n  context-service tenant drop my-tenant --yes")]
    Drop {
        /// The tenant's id
        id: String,
        /// Confirm that the tenant is dropped
        #[arg(long, required = true)]
        yes: bool,
    },
}

fn listen_help() -> String {
    format!("The address to listen on [default: {DEFAULT_LISTEN}]")
}

fn max_connections_help() -> String {
    format!("Use at most this many connections to PostgreSQL [default: {DEFAULT_MAX_CONNECTIONS}]")
}
