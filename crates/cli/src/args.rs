//! The command line, as it is typed.
#![expect(clippy::doc_markdown, reason = "these comments are what --help prints")]

use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand, ValueEnum};

/// The shared, multi-tenant memory of context for AI agents.
#[derive(Debug, Parser)]
#[command(name = "context-service", version, propagate_version = true, max_term_width = 110)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,

    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the configuration file may say too.
#[derive(Debug, clap::Args)]
pub(crate) struct SettingsArgs {
    /// Where everything is kept: sqlite:DIR [default: sqlite: and the user's data directory]
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) store: Option<String>,

    /// A TOML file with store, listen, allowed_hosts, log, log_format; flags and environment win over it
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// What is logged on standard error, as in RUST_LOG: error, warn, info, debug, or per module
    #[arg(long, global = true, env = "RUST_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,

    /// How the log is written
    #[arg(long, global = true, value_enum)]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
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
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the HTTP API
    #[command(after_help = "Example:\n  context-service --store sqlite:data serve --listen 127.0.0.1:8000")]
    Serve(ServeArgs),
    /// Create, list, show and drop tenants
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Write, read, resolve and explain contexts
    #[command(subcommand)]
    Context(ContextCommand),
    /// Show the store, its paths, versions and limits, and what is wrong; exit 1 if something is
    Doctor,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// The address to listen on [default: 127.0.0.1:8000]
    #[arg(long, env = "LISTEN_ADDR", value_name = "ADDR")]
    pub(crate) listen: Option<String>,

    /// A name, beside localhost, under which clients may reach the server; may be repeated
    #[arg(long = "allowed-host", value_name = "HOST")]
    pub(crate) allowed_hosts: Vec<String>,

    /// Listen beyond loopback although nobody is asked who they are
    #[arg(long)]
    pub(crate) insecure_no_auth: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Create a tenant
    #[command(after_help = "Example:\n  context-service tenant create my-tenant")]
    Create {
        /// 1 to 48 of a-z, 0-9, '_' and '-', beginning with a letter or a digit
        id: String,
    },
    /// List all tenants
    List,
    /// Show one tenant
    Show {
        /// The tenant's id
        id: String,
    },
    /// Drop a tenant and everything in it, for good
    Drop {
        /// The tenant's id
        id: String,
        /// Yes, drop it
        #[arg(long, required = true)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// Create a context, or replace one that you have read
    #[command(after_help = "Examples:\n  \
        context-service context put --project web --data '{\"language\": \"rust\"}'\n  \
        context-service context put --project web --branch main settings.json --if-match 'ctx_…@3'\n  \
        cat notes.json | context-service context put --project web --branch main --task 42 -")]
    Put(Box<PutArgs>),
    /// Print a context's own document and members
    Get(AddressArgs),
    /// Print a context merged over everything above it
    Resolve(AddressArgs),
    /// Tell where every value of a resolved context came from, what it shadowed, and what was blocked
    #[command(
        after_help = "Example:\n  context-service context explain --project web --branch main --task 42"
    )]
    Explain(AddressArgs),
}

/// Which context: the global node where no key is given.
#[derive(Debug, clap::Args)]
pub(crate) struct AddressArgs {
    /// The tenant
    #[arg(long, default_value = "default", value_name = "TENANT")]
    pub(crate) tenant: String,
    /// The project's key
    #[arg(long, value_name = "KEY")]
    pub(crate) project: Option<String>,
    /// The branch's key
    #[arg(long, value_name = "KEY", requires = "project")]
    pub(crate) branch: Option<String>,
    /// The task's key
    #[arg(long, value_name = "KEY", requires = "branch")]
    pub(crate) task: Option<String>,
    /// The context's id, in the tree or not
    #[arg(long, value_name = "ID", conflicts_with_all = ["project", "branch", "task"])]
    pub(crate) id: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("document").required(true).args(["file", "data"])))]
pub(crate) struct PutArgs {
    #[command(flatten)]
    pub(crate) address: AddressArgs,

    /// A file with the document, a JSON object; - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The document itself
    #[arg(long, value_name = "JSON")]
    pub(crate) data: Option<String>,

    /// The kind of document [default: the node's level]
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) context_type: Option<String>,
    /// A short name
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// What the context is for
    #[arg(long)]
    pub(crate) description: Option<String>,
    /// A tag; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// The owner
    #[arg(long, value_name = "USER")]
    pub(crate) user_id: Option<String>,
    /// When the context ceases to be found, in RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_at: Option<String>,
    /// How the document merges: {"inherit", "unset", "strategies", "locked"}
    #[arg(long, value_name = "JSON")]
    pub(crate) inheritance: Option<String>,

    /// Replace only this version, as the ETag says; * for whatever is there
    #[arg(long, value_name = "ETAG")]
    pub(crate) if_match: Option<String>,
    /// Refuse where the parents do not exist, instead of making them
    #[arg(long)]
    pub(crate) no_create_parents: bool,
    /// A name for this very write: repeated within 24 hours it is done once
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}
