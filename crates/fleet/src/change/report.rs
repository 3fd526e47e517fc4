//! The report of a bootstrap: the difference between the examinations before and after it.

use std::collections::BTreeSet;

use context_domain::id::TenantId;

use super::loss::is_loss;
use crate::examine::found::Examination;
use crate::finding::{Finding, FindingKind};

/// The report of a bootstrap: what it did, and what it could not do.
///
/// It rests on two examinations, not on what statements claim: a finding of the first that the second does
/// not have was repaired, or lost where data went with it; every finding of the second is in `wrong`. An
/// installation is as planned if `wrong` is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether the control schema was made in a database that had never had one.
    pub installed: bool,
    /// Tenants that were made.
    pub made: Vec<TenantId>,
    /// Findings that were repaired, except those of tenants that were made.
    pub repaired: Vec<Finding>,
    /// Objects that once held data and were recreated empty, each with [`FindingKind::Lost`].
    pub lost: Vec<Finding>,
    /// Findings that remain: refusals first, then those of the second examination.
    pub wrong: Vec<Finding>,
    /// Notices for people, as sentences.
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
