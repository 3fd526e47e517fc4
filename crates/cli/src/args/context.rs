//! The command line of `context`, as it is typed.
#![expect(clippy::doc_markdown, reason = "these comments are what --help prints")]

use std::path::PathBuf;

use clap::{ArgGroup, Subcommand};
use context_domain::clock::Timestamp;
use context_domain::tree::Level;

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
        context-service context patch --project web --data '{\"context_data\": {\"language\": null}, \"tags\": [\"x\"]}'\n  \
        context-service context patch --project web change.yaml --if-match 'ctx_…@3'\n  \
        context-service context patch --project web --json-patch --data \
        '[{\"op\": \"test\", \"path\": \"/context_data/n\", \"value\": 1}, \
        {\"op\": \"replace\", \"path\": \"/context_data/n\", \"value\": 2}]'\n\n\
        The patch is of the object of all writable members: context_data, context_type, title, description, tags, \
        user_id, expires_at and inheritance. In a merge patch (RFC 7396) null removes. Without --if-match it is \
        computed anew when another write comes between.")]
    Patch(Box<PatchArgs>),
    /// Remove a context
    #[command(after_help = "Examples:\n  \
        context-service context delete --project web --branch main --task 42\n  \
        context-service context delete --project web --cascade --if-match 'ctx_…@3'")]
    Delete(DeleteArgs),
    /// Print a context merged over everything above it
    #[command(
        after_help = "Example:\n  context-service context resolve --project web --branch main --task 42"
    )]
    Resolve(AddressArgs),
    /// Tell where every value of a resolved context came from, what it shadowed, and what was blocked
    #[command(
        after_help = "Example:\n  context-service context explain --project web --branch main --task 42"
    )]
    Explain(AddressArgs),
    /// List contexts, oldest first
    #[command(after_help = "Examples:\n  \
        context-service context list --level task --tag urgent\n  \
        context-service context list --filter '{\"owner\": {\"team\": \"web\"}}' --output json")]
    List(FilterArgs),
    /// List the contexts that have all these words in title, description or the strings of their document
    #[command(after_help = "Example:\n  context-service context search login timeout --level task")]
    Search(SearchArgs),
    /// Load a folder of documents, or what a repository tells agents
    Import(ImportArgs),
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

/// What is to be written, and in which syntax it is.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("document").required(true).args(["file", "data"])))]
pub(crate) struct DocumentArgs {
    /// A file: .json, .yaml, .yml or .toml; - for standard input. Dates of YAML and TOML become strings
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The text itself
    #[arg(long, value_name = "TEXT")]
    pub(crate) data: Option<String>,
    /// The syntax [default: as the file's name ends; JSON for --data and standard input]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Syntax>,
}

/// On what condition, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct ConditionArgs {
    /// Write over this version only, as the ETag says; * for whatever is there
    #[arg(long, value_name = "ETAG")]
    pub(crate) if_match: Option<String>,
    /// A name for this very write: repeated within 24 hours it is done once
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PutArgs {
    #[command(flatten)]
    pub(crate) address: AddressArgs,
    #[command(flatten)]
    pub(crate) document: DocumentArgs,

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

    #[command(flatten)]
    pub(crate) condition: ConditionArgs,
    /// Refuse where the parents do not exist, instead of making them
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
    /// Remove everything below the node too
    #[arg(long)]
    pub(crate) cascade: bool,
    #[command(flatten)]
    pub(crate) condition: ConditionArgs,
}

/// What a list is narrowed to: every part that is given must hold.
#[derive(Debug, clap::Args)]
pub(crate) struct FilterArgs {
    /// The tenant
    #[arg(long, default_value = "default", value_name = "TENANT")]
    pub(crate) tenant: String,
    /// The kind of document
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) context_type: Option<String>,
    /// A tag that the context has; repeat it for several, all of which it must have
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
    /// What the document contains, as JSON: an object whose members it has, at any depth
    #[arg(long, value_name = "JSON")]
    pub(crate) filter: Option<String>,
    /// Contexts at the most
    #[arg(long, value_name = "N", default_value = "1000")]
    pub(crate) limit: std::num::NonZeroUsize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SearchArgs {
    /// The words, whatever their case, all of which the context must have
    #[arg(required = true, value_name = "WORD")]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}
