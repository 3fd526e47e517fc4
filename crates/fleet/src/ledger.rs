//! The ledger: which migrations were applied to which schema, and whether they are those of this version.

use std::collections::{BTreeMap, BTreeSet};

use context_domain::id::TenantId;
use context_store::postgres::{CONTROL_REVISION, TENANT_REVISION};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::findings::{Finding, Kind};
use crate::migrations::{CONTROL, Migration, TENANT};
use crate::rows::query;

/// What the ledger and the directory say of a tenant.
pub(crate) struct Standing {
    /// The revision in the directory.
    pub(crate) revision: i32,
    /// How many of this version's migrations the ledger has as applied.
    recorded: i64,
}

impl Standing {
    /// What is wrong with it.
    pub(crate) fn findings(&self, tenant: &TenantId) -> Vec<Finding> {
        if self.revision < TENANT_REVISION {
            return vec![Finding::of_tenant(tenant, "the schema", Kind::Behind { revision: self.revision })];
        }
        match usize::try_from(self.recorded) {
            Ok(recorded) if recorded >= TENANT.len() => Vec::new(),
            _ => vec![Finding::of_tenant(tenant, "the ledger's record of its migrations", Kind::Missing)],
        }
    }
}

/// What was applied in another form than this version has it, or is not known to this version: for the installation
/// and for all of its tenants. Nothing may be changed before people have looked at it.
pub(crate) async fn strangers(client: &Client) -> Result<Vec<Finding>, tokio_postgres::Error> {
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
    let read = |row: &Row| {
        let (tenant, revision): (Option<String>, i32) = (row.try_get(0)?, row.try_get(1)?);
        let kind = if row.try_get(2)? { Kind::Newer { revision } } else { Kind::Edited { revision } };
        // What is not an id has no place in the ledger, and is the installation's to look at.
        let tenant = tenant.and_then(|id| id.parse().ok());
        let object = if tenant.is_some() { "the schema" } else { "the control schema" };
        Ok(Finding { tenant, object: object.to_owned(), kind })
    };
    query(client, sql, &parameters, read).await
}

/// The listed tenants that are in the directory.
pub(crate) async fn standings(
    client: &Client,
    tenants: &[TenantId],
) -> Result<BTreeMap<TenantId, Standing>, tokio_postgres::Error> {
    let sql = "
        SELECT listed.id, listed.revision, count(DISTINCT done.revision)
        FROM public.tenants AS listed
        LEFT JOIN public.migration_history AS done
            ON done.tenant = listed.id AND done.status = 'applied' AND done.revision <= $2
        WHERE listed.id = ANY ($1)
        GROUP BY listed.id, listed.revision";
    let ids: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
    let parameters = [(&ids as _, Type::TEXT_ARRAY), (&TENANT_REVISION as _, Type::INT4)];
    let read = |row: &Row| {
        Ok((row.try_get::<_, String>(0)?, Standing { revision: row.try_get(1)?, recorded: row.try_get(2)? }))
    };
    let rows = query(client, sql, &parameters, read).await?;
    Ok(rows.into_iter().filter_map(|(id, standing)| Some((id.parse().ok()?, standing))).collect())
}

/// The same, where there is no ledger.
pub(crate) async fn without_records(
    client: &Client,
    tenants: &[TenantId],
) -> Result<BTreeMap<TenantId, Standing>, tokio_postgres::Error> {
    let sql = "SELECT id, revision FROM public.tenants WHERE id = ANY ($1)";
    let ids: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
    let read =
        |row: &Row| Ok((row.try_get::<_, String>(0)?, Standing { revision: row.try_get(1)?, recorded: 0 }));
    let rows = query(client, sql, &[(&ids, Type::TEXT_ARRAY)], read).await?;
    Ok(rows.into_iter().filter_map(|(id, standing)| Some((id.parse().ok()?, standing))).collect())
}

/// The listed tenants that have records, and are not in the directory. Who drops a tenant drops its records.
pub(crate) async fn remembered(
    client: &Client,
    tenants: &[TenantId],
) -> Result<BTreeSet<TenantId>, tokio_postgres::Error> {
    let sql = "
        SELECT DISTINCT tenant FROM public.migration_history AS done
        WHERE tenant = ANY ($1) AND status = 'applied'
          AND NOT EXISTS (SELECT FROM public.tenants AS listed WHERE listed.id = done.tenant)";
    let ids: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
    let read = |row: &Row| row.try_get::<_, String>(0);
    let rows = query(client, sql, &[(&ids, Type::TEXT_ARRAY)], read).await?;
    Ok(rows.into_iter().filter_map(|id| id.parse().ok()).collect())
}

/// Whether the ledger has the control schema at this version's revision.
pub(crate) async fn control_findings(client: &Client) -> Result<Vec<Finding>, tokio_postgres::Error> {
    let sql = "SELECT COALESCE(max(revision), 0) FROM public.migration_history
               WHERE tenant IS NULL AND status = 'applied'";
    let read = |row: &Row| row.try_get::<_, i32>(0);
    let revisions = query(client, sql, &[], read).await?;
    let behind = revisions.into_iter().filter(|revision| *revision < CONTROL_REVISION);
    Ok(behind.map(|revision| Finding::of_control("the control schema", Kind::Behind { revision })).collect())
}

/// Records that a migration of the control schema was applied, unless that is recorded.
pub(crate) async fn record_control(
    client: &Client,
    migration: &Migration,
) -> Result<(), tokio_postgres::Error> {
    let sql = "
        INSERT INTO public.migration_history
            (schema, revision, migration_name, checksum, status, started, finished, by)
        SELECT 'public', $1, $2, $3, 'applied', now(), clock_timestamp(), current_user
        WHERE NOT EXISTS (SELECT FROM public.migration_history
                          WHERE tenant IS NULL AND revision = $1 AND status = 'applied')";
    let checksum = migration.checksum();
    let parameters = [
        (&migration.revision as _, Type::INT4),
        (&migration.name as _, Type::TEXT),
        (&checksum as _, Type::TEXT),
    ];
    client.execute_typed(sql, &parameters).await.map(|_| ())
}
