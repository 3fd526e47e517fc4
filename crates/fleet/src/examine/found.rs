//! The result of an examination, in the form that repairs are decided from.

use std::collections::{BTreeMap, BTreeSet};

use context_domain::id::TenantId;
use context_store::postgres::completeness::DatabaseObject;

use super::ledger::TenantStanding;
use crate::finding::{Finding, FindingKind};

/// The result of an examination.
#[derive(Debug, Default)]
pub(crate) struct Examination {
    /// What is wrong with the control schema, the functions, and the serving roles' rights on them.
    pub(crate) control: Vec<Finding>,
    /// Whether there has never been a control schema.
    pub(crate) is_absent: bool,
    /// What is wrong with the tenants.
    pub(crate) tenants: Vec<Finding>,
    /// The listed tenants that are in the directory.
    pub(crate) standings: BTreeMap<TenantId, TenantStanding>,
    /// The listed tenants that are in the ledger and not in the directory: their rows were deleted by hand,
    /// because dropping a tenant deletes its records as well.
    pub(crate) only_in_ledger: BTreeSet<TenantId>,
}

impl Examination {
    /// Returns all findings, the installation's first.
    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.control.into_iter().chain(self.tenants).collect()
    }

    /// Returns the findings that people must deal with before anything is changed.
    pub(crate) fn refusals(&self) -> Vec<&Finding> {
        let is_refusal = |finding: &&Finding| match finding.kind {
            FindingKind::Newer { .. } | FindingKind::Edited { .. } => true,
            FindingKind::NameTaken => matches!(finding.object, DatabaseObject::Table { .. }),
            _ => false,
        };
        self.control.iter().chain(&self.tenants).filter(is_refusal).collect()
    }
}
