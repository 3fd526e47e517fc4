//! The arguments of `context import`.

use std::path::PathBuf;

use clap::ArgGroup;
use context_domain::tree::NodeKey;

use super::defaults::DEFAULT_TENANT;

#[derive(Debug, clap::Args)]
#[command(
    group(ArgGroup::new("source").required(true).args(["folder", "from_repo"])),
    after_help = EXAMPLES,
    after_long_help = LONG_HELP
)]
pub(crate) struct ImportArgs {
    /// A folder with a tree of documents
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// A repository whose AGENTS.md, CLAUDE.md, Cursor rules and Copilot instructions to load
    #[arg(long, value_name = "PATH", requires = "project")]
    pub(crate) from_repo: Option<PathBuf>,

    /// The tenant
    #[arg(long, default_value = DEFAULT_TENANT, value_name = "TENANT")]
    pub(crate) tenant: String,
    /// The project that receives the repository's instructions
    #[arg(long, value_name = "KEY", conflicts_with = "folder")]
    pub(crate) project: Option<NodeKey>,
    /// A branch of the project, which receives them instead
    #[arg(long, value_name = "KEY", requires = "project")]
    pub(crate) branch: Option<NodeKey>,

    /// Show what would happen, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// All or nothing: write only if nothing is refused, and undo the writes if one is refused nevertheless
    #[arg(long, conflicts_with = "from_repo")]
    pub(crate) atomic: bool,
}

const EXAMPLES: &str = "Examples:
  context-service context import examples/acme --dry-run
  context-service context import examples/acme --tenant acme --atomic
  context-service context import --from-repo . --project web

--help describes the layout of the folder, and how a repository is imported.";

const LONG_HELP: &str = "Examples:
  context-service context import examples/acme --dry-run
  context-service context import examples/acme --tenant acme --atomic
  context-service context import --from-repo . --project web

The folder:
  global.yaml                      the document of the global node
  global.inheritance.yaml          its rules: inherit, unset, strategies, locked
  web/project.json                 the document of the project web
  web/feature%2Flogin/branch.toml  the document of its branch feature/login
  web/feature%2Flogin/42.yaml      the document of the task 42 of that branch
  web/feature%2Flogin/42.inheritance.yaml

A file is the document itself: .json, .yaml, .yml or .toml. File names are keys, percent-encoded if a key \
has characters that a file name cannot have. Dates of YAML and TOML become strings. A context is written \
only if its document or its rules differ, and only over the version that was read; its title, tags, owner \
and other members stay. A node without a file of rules has no rules afterwards. Other files are reported and \
ignored, and links out of the folder are not followed.

--atomic checks everything first, including locks, against the tree as it would be. If a write is refused \
nevertheless, because another process wrote at the same time, the writes are undone: others may have read \
them meanwhile, they stay in the history, and a context that another process has overwritten is left \
and reported.

--from-repo loads AGENTS.md (in any folder), CLAUDE.md, .cursorrules, .cursor/rules/* and \
.github/copilot-instructions.md, except what .gitignore names, into the member `guidance` of the project's \
document, which is replaced as a whole; the other members stay:
  {\"guidance\": {\"AGENTS.md\": {
    \"text\": \"the whole file\",
    \"applies_to\": \"the folder that the file applies to, such as . or crates/cli\",
    \"sections\": {\"A heading\": {\"text\": \"the text below it\", \"sections\": {\"A deeper one\": …}}},
    \"front_matter\": \"the block between --- lines, if the file begins with one\"}}}";
