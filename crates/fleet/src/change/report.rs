//! What bootstrap did: the difference between the examinations before and after it.

use std::collections::BTreeSet;

use context_domain::id::TenantId;

use super::loss::is_loss;
use crate::examine::found::Examination;
use crate::finding::{Finding, FindingKind};

/// What bootstrap did, and what it could not do.
///
/// It rests on two examinations, not on what statements claim: a finding of the first that the second does
/// not have was repaired, or lost where data went with it; every finding of the second is in `wrong`. An
/// installation is as planned if `wrong` is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether the control schema was made, where there had never been one.
    pub installed: bool,
    /// Tenants that were made.
    pub made: Vec<TenantId>,
    /// What was wrong and is no longer; of tenants that were made, nothing is listed.
    pub repaired: Vec<Finding>,
    /// What once held data and was recreated empty, each with [`FindingKind::Lost`].
    pub lost: Vec<Finding>,
    /// What is still wrong: refusals first, then what the second examination found.
    pub wrong: Vec<Finding>,
    /// What else people should know, as sentences.
    pub notices: Vec<String>,
}

impl Report {
    /// Sorts the findings from before the change into what was repaired, what was lost and what is still
    /// wrong.
    pub(super) fn settle(&mut self, before: &Examination, after: Vec<Finding>, refused: Vec<Finding>) {
        let of_control = before.control.iter().filter(|_| !before.is_absent);
        let (still, made): (BTreeSet<_>, BTreeSet<_>) = (after.iter().collect(), self.made.iter().collect());
        for finding in of_control.chain(&before.tenants) {
            if still.contains(finding) {
                continue;
            }
            let is_new = finding.tenant.as_ref().is_some_and(|tenant| made.contains(tenant));
            if is_loss(finding, before) {
                self.lost.push(Finding { kind: FindingKind::Lost, ..finding.clone() });
            } else if !is_new {
                self.repaired.push(finding.clone());
            }
        }
        self.wrong = refused;
        self.wrong.extend(after);
    }
}
