//! Decides whether data was lost with a missing object.

use context_store::postgres::TENANT_REVISION;
use context_store::postgres::completeness::DatabaseObject;

use crate::examine::found::Examination;
use crate::finding::{Finding, FindingKind};
use crate::migrations::TENANT;

/// Whether what is missing held data that recreating it does not bring back. A tenant whose revision did not
/// have the object yet loses nothing.
pub(super) fn is_loss(finding: &Finding, found: &Examination) -> bool {
    if finding.kind != FindingKind::Missing {
        return false;
    }
    let Some(tenant) = &finding.tenant else {
        return matches!(finding.object, DatabaseObject::Table { .. });
    };
    let recorded = || found.only_in_ledger.contains(tenant).then_some(TENANT_REVISION);
    let known = found.standings.get(tenant).map(|standing| standing.revision).or_else(recorded);
    let Some(revision) = known else { return false };
    match &finding.object {
        DatabaseObject::Table { table, .. } => revision >= revision_that_made(table),
        DatabaseObject::Column { .. } => revision >= TENANT_REVISION,
        DatabaseObject::Schema { .. } | DatabaseObject::GlobalNode => revision > 0,
        DatabaseObject::DirectoryRow => true,
        _ => false,
    }
}

/// Returns the revision whose migration makes the table.
fn revision_that_made(table: &str) -> i32 {
    let statement = format!("CREATE TABLE IF NOT EXISTS {{schema}}.{table} (");
    let maker = TENANT.iter().find(|migration| migration.up.contains(&statement));
    maker.map_or(TENANT_REVISION, |migration| migration.revision)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_is_known_to_the_migration_that_makes_it() {
        for (table, revision) in [("contexts", 1), ("context_inheritance_cache", 3), ("context_changes", 5)] {
            assert_eq!(revision_that_made(table), revision, "{table}");
        }
    }
}
