//! The command line of `bootstrap`, as it is typed.

use std::path::PathBuf;

/// What bootstrap is to do.
#[derive(Debug, clap::Args)]
pub(crate) struct BootstrapArgs {
    /// Change nothing; exit 0 only if the control schema and every listed tenant are complete and at the current revision
    #[arg(long, conflicts_with_all = ["force_recreate", "workers"])]
    pub(crate) health_check: bool,

    /// A tenant to look after; may be repeated
    #[arg(long = "tenant-id", value_name = "TENANT")]
    pub(crate) tenant_id: Vec<String>,

    /// Tenants to look after, separated by commas [env: TENANT_IDS] [default: default]
    #[arg(long, value_name = "TENANTS", value_delimiter = ',')]
    pub(crate) tenant_ids: Vec<String>,

    /// Export every table of the listed tenants to files, drop them, and make them anew, empty; PostgreSQL only
    #[arg(long, requires = "yes")]
    pub(crate) force_recreate: bool,

    /// Yes, drop what is in them
    #[arg(long, requires = "force_recreate")]
    pub(crate) yes: bool,

    /// Where --force-recreate exports to; a new folder [default: context-service-export-TIME]
    #[arg(long, value_name = "DIR", requires = "force_recreate")]
    pub(crate) export_dir: Option<PathBuf>,

    /// The role that serves, which is granted what serving needs and owns nothing; may be repeated [default: the user
    /// of DATABASE_URL, where DATABASE_ADMIN_URL has another]
    #[arg(long = "serving-role", value_name = "ROLE")]
    pub(crate) serving_roles: Vec<String>,

    /// How many tenants are worked on at the same time [default: twice the processors, at most 8]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
}
