//! The ledger: which migrations were applied to which schema, and whether they are those of this version.

use std::collections::{BTreeMap, BTreeSet};

use context_domain::id::TenantId;
use context_store::postgres::completeness::DatabaseObject;
use context_store::postgres::{CONTROL_REVISION, TENANT_REVISION, schema_of};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::finding::{Finding, FindingKind};
use crate::migrations::{CONTROL, TENANT};
use crate::rows::query_rows;

/// The records of a tenant in the ledger and the directory.
#[derive(Debug)]
pub(crate) struct TenantStanding {
    /// The revision in the directory.
    pub(crate) revision: i32,
    /// How many of this version's migrations the ledger records as applied.
    recorded: i64,
}

impl TenantStanding {
    /// Returns what is wrong with it.
    pub(super) fn findings(&self, tenant: &TenantId) -> Vec<Finding> {
        if self.revision < TENANT_REVISION {
            let schema = DatabaseObject::schema(&schema_of(tenant));
            return vec![Finding::of_tenant(tenant, schema, FindingKind::Behind { revision: self.revision })];
        }
        match usize::try_from(self.recorded) {
            Ok(recorded) if recorded >= TENANT.len() => Vec::new(),
            _ => {
                vec![Finding::of_tenant(tenant, DatabaseObject::LedgerRecords, FindingKind::Missing)]
            }
        }
    }
}

/// Returns the migrations that were applied with another text than this version has, or that this version
/// does not know: of the installation and of all its tenants. Nothing may be changed before people have
/// looked at them.
pub(super) async fn find_foreign_migrations(client: &Client) -> Result<Vec<Finding>, tokio_postgres::Error> {
    let sql = "
        SELECT DISTINCT done.tenant, done.revision, known.revision IS NULL
        FROM public.migration_history AS done
        LEFT JOIN unnest($1, $2, $3) AS known (of_tenant, revision, checksum)
            ON known.of_tenant = (done.tenant IS NOT NULL) AND known.revision = done.revision
        WHERE done.status = 'applied' AND done.checksum IS DISTINCT FROM known.checksum
        ORDER BY 1 NULLS FIRST, 2";
    let all = || CONTROL.iter().map(|migration| (false, migration)).chain(TENANT.iter().map(|m| (true, m)));
    let of_tenant: Vec<bool> = all().map(|(of_tenant, _)| of_tenant).collect();
    let revisions: Vec<i32> = all().map(|(_, migration)| migration.revision).collect();
    let checksums: Vec<String> = all().map(|(_, migration)| migration.checksum()).collect();
    let parameters = [
        (&of_tenant as _, Type::BOOL_ARRAY),
        (&revisions as _, Type::INT4_ARRAY),
        (&checksums as _, Type::TEXT_ARRAY),
    ];
    let convert = |row: &Row| {
        let (tenant, revision): (Option<String>, i32) = (row.try_get(0)?, row.try_get(1)?);
        let kind =
            if row.try_get(2)? { FindingKind::Newer { revision } } else { FindingKind::Edited { revision } };
        // A row whose tenant is not a tenant id is counted as the installation's.
        let tenant: Option<TenantId> = tenant.and_then(|id| id.parse().ok());
        let object = tenant
            .as_ref()
            .map_or(DatabaseObject::ControlSchema, |tenant| DatabaseObject::schema(&schema_of(tenant)));
        Ok(Finding { tenant, object, kind })
    };
    query_rows(client, sql, &parameters, convert).await
}

/// Returns the listed tenants that are in the directory, with their records in the ledger.
pub(super) async fn query_standings(
    client: &Client,
    tenants: &[TenantId],
) -> Result<BTreeMap<TenantId, TenantStanding>, tokio_postgres::Error> {
    let sql = "
        SELECT listed.id, listed.revision, count(DISTINCT done.revision)
        FROM public.tenants AS listed
        LEFT JOIN public.migration_history AS done
            ON done.tenant = listed.id AND done.status = 'applied' AND done.revision <= $2
        WHERE listed.id = ANY ($1)
        GROUP BY listed.id, listed.revision";
    let ids: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
    let parameters = [(&ids as _, Type::TEXT_ARRAY), (&TENANT_REVISION as _, Type::INT4)];
    let convert = |row: &Row| {
        let standing = TenantStanding { revision: row.try_get(1)?, recorded: row.try_get(2)? };
        Ok((row.try_get::<_, String>(0)?, standing))
    };
    let rows = query_rows(client, sql, &parameters, convert).await?;
    Ok(rows.into_iter().filter_map(|(id, standing)| Some((id.parse().ok()?, standing))).collect())
}

/// Returns the listed tenants that are in the directory, if there is no ledger.
pub(super) async fn query_standings_without_ledger(
    client: &Client,
    tenants: &[TenantId],
) -> Result<BTreeMap<TenantId, TenantStanding>, tokio_postgres::Error> {
    let sql = "SELECT id, revision FROM public.tenants WHERE id = ANY ($1)";
    let ids: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
    let convert = |row: &Row| {
        let standing = TenantStanding { revision: row.try_get(1)?, recorded: 0 };
        Ok((row.try_get::<_, String>(0)?, standing))
    };
    let rows = query_rows(client, sql, &[(&ids, Type::TEXT_ARRAY)], convert).await?;
    Ok(rows.into_iter().filter_map(|(id, standing)| Some((id.parse().ok()?, standing))).collect())
}

/// Returns the listed tenants that have records in the ledger, and are not in the directory.
pub(super) async fn query_only_in_ledger(
    client: &Client,
    tenants: &[TenantId],
) -> Result<BTreeSet<TenantId>, tokio_postgres::Error> {
    let sql = "
        SELECT DISTINCT tenant FROM public.migration_history AS done
        WHERE tenant = ANY ($1) AND status = 'applied'
          AND NOT EXISTS (SELECT FROM public.tenants AS listed WHERE listed.id = done.tenant)";
    let ids: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
    let convert = |row: &Row| row.try_get::<_, String>(0);
    let rows = query_rows(client, sql, &[(&ids, Type::TEXT_ARRAY)], convert).await?;
    Ok(rows.into_iter().filter_map(|id| id.parse().ok()).collect())
}

/// Returns a finding if the ledger has the control schema at an earlier revision than this version's.
pub(super) async fn examine_control_revision(client: &Client) -> Result<Vec<Finding>, tokio_postgres::Error> {
    let sql = "SELECT COALESCE(max(revision), 0) FROM public.migration_history
               WHERE tenant IS NULL AND status = 'applied'";
    let convert = |row: &Row| row.try_get::<_, i32>(0);
    let revisions = query_rows(client, sql, &[], convert).await?;
    let behind = revisions.into_iter().filter(|revision| *revision < CONTROL_REVISION);
    let finding =
        |revision| Finding::of_control(DatabaseObject::ControlSchema, FindingKind::Behind { revision });
    Ok(behind.map(finding).collect())
}
