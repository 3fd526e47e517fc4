//! The command line of `context import`, as it is typed.

use std::path::PathBuf;

use clap::ArgGroup;
use context_domain::tree::NodeKey;

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
    /// A repository whose AGENTS.md, CLAUDE.md, Cursor rules and Copilot instructions to take
    #[arg(long, value_name = "PATH", requires = "project")]
    pub(crate) from_repo: Option<PathBuf>,

    /// The tenant
    #[arg(long, default_value = "default", value_name = "TENANT")]
    pub(crate) tenant: String,
    /// The project that gets what the repository tells
    #[arg(long, value_name = "KEY", conflicts_with = "folder")]
    pub(crate) project: Option<NodeKey>,
    /// A branch of it, which gets it instead
    #[arg(long, value_name = "KEY", requires = "project")]
    pub(crate) branch: Option<NodeKey>,

    /// Say what would happen, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// All or nothing: write only if nothing is refused, and undo what was done if a write is refused nevertheless
    #[arg(long, conflicts_with = "from_repo")]
    pub(crate) atomic: bool,
}

const EXAMPLES: &str = "Examples:
  context-service context import examples/acme --dry-run
  context-service context import examples/acme --tenant acme --atomic
  context-service context import --from-repo . --project web

--help tells how the folder is laid out, and what becomes of a repository.";

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

A file is the document itself: .json, .yaml, .yml or .toml. Names are keys, percent-encoded where a key has characters \
that a name cannot have. Dates of YAML and TOML become strings. A context is written only if its document or its rules \
differ, and only as it was read; its title, tags, owner and other members stay. A node without a file of rules has \
none afterwards. Other files are reported and left alone, and links out of the folder are not followed.

--atomic checks everything first, locks too, as the tree would be. If a write is refused nevertheless, because somebody \
else wrote at the same time, what was written is put back; others may have read it meanwhile, it stays in the history, \
and what somebody else wrote over is left and named.

--from-repo takes AGENTS.md (in any folder), CLAUDE.md, .cursorrules, .cursor/rules/* and \
.github/copilot-instructions.md, except what .gitignore names, into the member `guidance` of the project's document, \
which is replaced as a whole; the other members stay:
  {\"guidance\": {\"AGENTS.md\": {
    \"text\": \"the whole file\",
    \"applies_to\": \"the folder that the file is about, such as . or crates/cli\",
    \"sections\": {\"A heading\": {\"text\": \"what stands directly below it\", \"sections\": {\"A deeper one\": {…}}}},
    \"front_matter\": \"the block between --- lines, if the file begins with one\"}}}";
