//! The arguments of `bootstrap`.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct BootstrapArgs {
    /// Change nothing; exit 0 only if the control schema and every listed tenant are complete and at the
    /// current revision
    #[arg(long, conflicts_with_all = ["force_recreate", "workers"])]
    pub(crate) health_check: bool,

    /// A tenant to create, check or repair; may be repeated
    #[arg(long = "tenant-id", value_name = "TENANT")]
    pub(crate) tenant_id: Vec<String>,

    /// Tenants to create, check or repair, separated by commas [env: TENANT_IDS] [default: default]
    #[arg(long, value_name = "TENANTS", value_delimiter = ',')]
    pub(crate) tenant_ids: Vec<String>,

    /// Export every table of the listed tenants to files, drop the tenants, and create them again, empty;
    /// PostgreSQL only
    #[arg(long, requires = "yes")]
    pub(crate) force_recreate: bool,

    /// Confirm that the listed tenants' contents are dropped
    #[arg(long, requires = "force_recreate")]
    pub(crate) yes: bool,

    /// The folder that --force-recreate exports to; it must not exist [default: context-service-export-TIME]
    #[arg(long, value_name = "DIR", requires = "force_recreate")]
    pub(crate) export_dir: Option<PathBuf>,

    /// A role that serves: it is granted what serving needs, and owns nothing; may be repeated [default: the
    /// user of DATABASE_URL, if DATABASE_ADMIN_URL has another user]
    #[arg(long = "serving-role", value_name = "ROLE")]
    pub(crate) serving_roles: Vec<String>,

    /// How many tenants are created or repaired at the same time [default: twice the processors, at most 8]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
}
