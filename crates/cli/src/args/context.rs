//! The arguments of `context`.
#![expect(clippy::doc_markdown, reason = "these comments are what --help prints")]

use std::path::PathBuf;

use clap::{ArgGroup, Subcommand};
use context_domain::clock::Timestamp;
use context_domain::limits::IDEMPOTENCY_WINDOW_HOURS;
use context_domain::tree::Level;

use super::defaults::DEFAULT_TENANT;
use super::import::ImportArgs;
use crate::document::Syntax;

#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// Create a context, or replace one that you have read
    #[command(after_help = "Examples:\n  \
        context-service context put --project web --data '{\"language\": \"rust\"}'\n  \
        context-service context put --project web --branch main settings.yaml --if-match 'ctx_…@3'\n  \
        cat notes.json | context-service context put --project web --branch main --task 42 -")]
    Put(Box<PutArgs>),
    /// Print a context's own document and members
    #[command(after_help = "Example:\n  context-service context get --project web --output json")]
    Get(AddressArgs),
    /// Change some members of a context
    #[command(after_help = "Examples:\n  \
        context-service context patch --project web \
        --data '{\"context_data\": {\"language\": null}, \"tags\": [\"x\"]}'\n  \
        context-service context patch --project web change.yaml --if-match 'ctx_…@3'\n  \
        context-service context patch --project web --json-patch --data \
        '[{\"op\": \"test\", \"path\": \"/context_data/n\", \"value\": 1}, \
        {\"op\": \"replace\", \"path\": \"/context_data/n\", \"value\": 2}]'\n\n\
        The patch applies to the object of all writable members: context_data, context_type, title, \
        description, tags, user_id, expires_at and inheritance. In a merge patch (RFC 7396) null removes a \
        member. Without --if-match the patch is computed again if another write came first.")]
    Patch(Box<PatchArgs>),
    /// Delete a context
    #[command(after_help = "Examples:\n  \
        context-service context delete --project web --branch main --task 42\n  \
        context-service context delete --project web --cascade --if-match 'ctx_…@3'")]
    Delete(DeleteArgs),
    /// Print a context merged over everything above it
    #[command(
        after_help = "Example:\n  context-service context resolve --project web --branch main --task 42"
    )]
    Resolve(AddressArgs),
    /// Show where every value of a resolved context came from, what it shadowed, and what was blocked
    #[command(
        after_help = "Example:\n  context-service context explain --project web --branch main --task 42"
    )]
    Explain(AddressArgs),
    /// List contexts, oldest first
    #[command(after_help = "Examples:\n  \
        context-service context list --level task --tag urgent\n  \
        context-service context list --filter '{\"owner\": {\"team\": \"web\"}}' --output json")]
    List(FilterArgs),
    /// List the contexts that have all given words in title, description or the strings of their document
    #[command(after_help = "Example:\n  context-service context search login timeout --level task")]
    Search(SearchArgs),
    /// Load a folder of documents, or a repository's instructions for agents
    Import(ImportArgs),
}

/// The address of a context: the global node if neither key nor id is given.
#[derive(Debug, clap::Args)]
pub(crate) struct AddressArgs {
    /// The tenant
    #[arg(long, default_value = DEFAULT_TENANT, value_name = "TENANT")]
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
    /// The context's id, whether the context is in the tree or not
    #[arg(long, value_name = "ID", conflicts_with_all = ["project", "branch", "task"])]
    pub(crate) id: Option<String>,
}

/// The document to write, and its syntax.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("document").required(true).args(["file", "data"])))]
pub(crate) struct DocumentArgs {
    /// A file: .json, .yaml, .yml or .toml; - for standard input. Dates of YAML and TOML become strings
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The document itself, as text
    #[arg(long, value_name = "TEXT")]
    pub(crate) data: Option<String>,
    /// The syntax [default: that of the file's extension; JSON for --data and standard input]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Syntax>,
}

/// Condition and idempotency key of a write.
#[derive(Debug, clap::Args)]
pub(crate) struct ConditionArgs {
    /// Write only if this is the current version (an ETag); * for any version
    #[arg(long, value_name = "ETAG")]
    pub(crate) if_match: Option<String>,
    #[arg(long, value_name = "KEY", help = idempotency_help())]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PutArgs {
    #[command(flatten)]
    pub(crate) address: AddressArgs,
    #[command(flatten)]
    pub(crate) document: DocumentArgs,

    /// The type of the context [default: the node's level]
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
    /// The time from which the context is no longer found, in RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(crate) expires_at: Option<String>,
    /// How the document merges: {"inherit", "unset", "strategies", "locked"}
    #[arg(long, value_name = "JSON")]
    pub(crate) inheritance: Option<String>,

    #[command(flatten)]
    pub(crate) condition: ConditionArgs,
    /// Fail if the parents do not exist, instead of creating them
    #[arg(long)]
    pub(crate) no_create_parents: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PatchArgs {
    #[command(flatten)]
    pub(crate) address: AddressArgs,
    #[command(flatten)]
    pub(crate) document: DocumentArgs,
    /// The patch is a list of operations (RFC 6902) instead of a merge patch (RFC 7396)
    #[arg(long)]
    pub(crate) json_patch: bool,
    #[command(flatten)]
    pub(crate) condition: ConditionArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) address: AddressArgs,
    /// Delete everything below the node too
    #[arg(long)]
    pub(crate) cascade: bool,
    #[command(flatten)]
    pub(crate) condition: ConditionArgs,
}

/// The filters of a list: a context must match all that are given.
#[derive(Debug, clap::Args)]
pub(crate) struct FilterArgs {
    /// The tenant
    #[arg(long, default_value = DEFAULT_TENANT, value_name = "TENANT")]
    pub(crate) tenant: String,
    /// The type of the context
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) context_type: Option<String>,
    /// A tag that the context must have; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// The owner
    #[arg(long, value_name = "USER")]
    pub(crate) user_id: Option<String>,
    /// The level in the tree: global, project, branch or task
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<Level>,
    /// Created at this time or later, in RFC 3339
    #[arg(long, value_name = "TIME")]
    pub(crate) created_after: Option<Timestamp>,
    /// Created before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) created_before: Option<Timestamp>,
    /// Last written at this time or later
    #[arg(long, value_name = "TIME")]
    pub(crate) updated_after: Option<Timestamp>,
    /// A JSON object that the document must contain: its members, at any depth
    #[arg(long, value_name = "JSON")]
    pub(crate) filter: Option<String>,
    /// Print at most this many contexts
    #[arg(long, value_name = "N", default_value = "1000")]
    pub(crate) limit: std::num::NonZeroUsize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SearchArgs {
    /// Words that the context must have; letter case is ignored
    #[arg(required = true, value_name = "WORD")]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

fn idempotency_help() -> String {
    format!(
        "A key for this write: repeated with the same key within {IDEMPOTENCY_WINDOW_HOURS} hours, it is not \
         done again"
    )
}
