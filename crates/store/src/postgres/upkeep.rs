//! Checks of the store: whether it works at all, and what is wrong with which tenant.
//!
//! A check reads the tenants' contexts over a connection of its own, which is closed afterwards: a server
//! process caches each table that it has opened, and the processes that serve calls must stay small.

use async_trait::async_trait;
use context_domain::error::Error;
use context_domain::id::{ContextId, TenantId};
use context_domain::ports::{ChangeQuery, Check, Fact, Upkeep};
use context_domain::tenant::Tenant;
use tokio_postgres::types::Type;

use super::connect::SessionMode;
use super::diagnosis::{describe_faults, describe_missing};
use super::failure::Failure;
use super::pool::Pool;
use super::statement::{Param, StatementKind};
use super::{CONTROL_REVISION, Store, TENANT_REVISION, rows, schema_of, statements};

/// Tenants that one statement checks. It locks each table and index that it names, and the server's lock
/// table holds a few thousand.
const TENANTS_PER_STATEMENT: usize = 50;
/// Rows that are read at a time when all rows are read.
const ROWS_PER_PAGE: usize = 100;

/// Reads the revision of the control schema, and the tables in it that the service needs.
const CONTROL_STATE: &str = "
    SELECT (SELECT max(revision) FROM public.migration_history WHERE tenant IS NULL AND status = 'applied'),
        (SELECT count(*) FROM (SELECT FROM public.tenants LIMIT 1) AS t),
        (SELECT count(*) FROM (SELECT FROM public.api_keys LIMIT 1) AS k)";
const TAKES_WRITES: &str = "SELECT current_setting('transaction_read_only') = 'off'";
const SERVER: &str = "SELECT current_setting('server_version'), current_user::text, current_database()::text";

#[async_trait]
impl Upkeep for Store {
    async fn checks(&self) -> Vec<Check> {
        self.check_all(Depth::Quick).await
    }

    async fn inspect(&self) -> Vec<Check> {
        self.check_all(Depth::Everything).await
    }

    async fn ready(&self) -> Result<(), Error> {
        self.control_schema_is_usable().await
    }

    async fn facts(&self) -> Result<Vec<Fact>, Error> {
        let found =
            self.pool.query(None, StatementKind::Read, SERVER, &[]).await.map_err(Failure::in_store)?;
        let text = |index: usize| -> Result<String, Error> {
            let text =
                found.first().map(|row| rows::column(row, index, "setting", || "the server".to_owned()));
            text.transpose().map(Option::unwrap_or_default).map_err(Failure::in_store)
        };
        let mode = match self.pool.mode() {
            Some(SessionMode::Direct) => "direct: statements are prepared, and share connections",
            Some(SessionMode::Pooled) => {
                "through a pooler: statements have no names, and share no connection"
            }
            None => "no connection is open",
        };
        Ok(vec![
            ("server", format!("PostgreSQL {}", text(0)?)),
            ("database", text(2)?),
            ("role", text(1)?),
            ("connection mode", mode.to_owned()),
        ])
    }
}

/// How thoroughly tenants are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// The catalogs, the global nodes, and the rows of suspects.
    Quick,
    /// All rows too.
    Everything,
}

/// A tenant, and what was found wrong with it so far.
type CheckedTenant = (Tenant, Option<String>);

impl Store {
    /// Fails unless the control schema exists and has a revision that this version works on.
    pub(super) async fn control_schema_is_usable(&self) -> Result<(), Error> {
        let bootstrap = |detail: &str, failure: Option<Failure>| Error::Unavailable {
            detail: format!("{detail}: run `context-service bootstrap` as the owner"),
            source: failure.and_then(Failure::into_source),
        };
        let rows = match self.pool.query(None, StatementKind::Read, CONTROL_STATE, &[]).await {
            Ok(rows) => rows,
            Err(failure) if failure.is_undefined() => {
                return Err(bootstrap("the database holds no installation of this service", Some(failure)));
            }
            Err(failure) if failure.is_denied() => {
                let detail = format!(
                    "the role {} may not use the installation's tables until it is named with \
                     --serving-role {0}",
                    self.pool.url().user()
                );
                return Err(bootstrap(&detail, Some(failure)));
            }
            Err(failure) => return Err(failure.in_store()),
        };
        let revision = rows
            .first()
            .map(|row| rows::column::<Option<i32>>(row, 0, "revision", || "the control schema".to_owned()));
        match revision.transpose().map_err(Failure::in_store)?.flatten() {
            Some(revision) if revision >= CONTROL_REVISION => Ok(()),
            _ => Err(bootstrap("the installation is older than this program", None)),
        }
    }

    /// Checks the store, and every tenant.
    async fn check_all(&self, depth: Depth) -> Vec<Check> {
        let mut checks = vec![check_of("store".to_owned(), self.check_store().await)];
        if checks.iter().any(|check| check.problem.is_some()) {
            return checks;
        }
        let visitor = self.pool.sibling(1);
        let mut after = None;
        loop {
            match self.check_batch(&visitor, after.as_ref(), depth).await {
                Ok((_, found)) if found.is_empty() => return checks,
                Ok((last, found)) => {
                    checks.extend(found);
                    after = last;
                }
                Err(failure) => {
                    checks.push(check_of("tenants".to_owned(), Err(failure.in_store())));
                    return checks;
                }
            }
        }
    }

    async fn check_store(&self) -> Result<(), Error> {
        self.control_schema_is_usable().await?;
        let rows =
            self.pool.query(None, StatementKind::Read, TAKES_WRITES, &[]).await.map_err(Failure::in_store)?;
        let writable = rows.first().map(|row| rows::column(row, 0, "setting", || "the server".to_owned()));
        if writable.transpose().map_err(Failure::in_store)? == Some(true) {
            return Ok(());
        }
        Err(Error::Unavailable { detail: "the database takes no writes".to_owned(), source: None })
    }

    /// Checks the tenants after `after`. Returns the last of them, and the checks.
    async fn check_batch(
        &self,
        visitor: &Pool,
        after: Option<&TenantId>,
        depth: Depth,
    ) -> Result<(Option<TenantId>, Vec<Check>), Failure> {
        let page = self.tenants(after, TENANTS_PER_STATEMENT).await?;
        let last = page.last().map(|(tenant, _)| tenant.id.clone());
        let ids: Vec<_> = page.iter().map(|(tenant, _)| tenant.id.clone()).collect();
        let mut faults = self.faults(&ids).await?;
        let check = |(tenant, revision): (Tenant, i32)| {
            let problem = match faults.remove(&schema_of(&tenant.id)) {
                Some(faults) => Some(describe_faults(&tenant.id, &faults)),
                None => (revision < TENANT_REVISION).then(|| describe_old_revision(&tenant.id, revision)),
            };
            (tenant, problem)
        };
        let checked: Vec<CheckedTenant> = page.into_iter().map(check).collect();
        let checked = self.check_global_nodes(visitor, checked).await?;
        let mut checks = Vec::new();
        for (tenant, problem) in checked {
            let Some(problem) = self.check_rows(visitor, &tenant, problem, depth).await? else { continue };
            checks.push(Check { name: format!("tenant {}", tenant.id), problem });
        }
        Ok((last, checks))
    }

    /// Looks for the global nodes of the tenants that are healthy so far.
    async fn check_global_nodes(
        &self,
        visitor: &Pool,
        checked: Vec<CheckedTenant>,
    ) -> Result<Vec<CheckedTenant>, Failure> {
        let healthy: Vec<_> = checked.iter().filter(|(_, problem)| problem.is_none()).collect();
        let healthy: Vec<_> = healthy.into_iter().map(|(tenant, _)| tenant.id.clone()).collect();
        let Ok(counts) = count_globals(visitor, &healthy).await else {
            // One of them cannot be read: each is read alone.
            let mut found = Vec::new();
            for (tenant, problem) in checked {
                let problem = match problem {
                    Some(problem) => Some(problem),
                    None => self.check_global_node(visitor, &tenant.id).await?,
                };
                found.push((tenant, problem));
            }
            return Ok(found);
        };
        let check = |(tenant, problem): CheckedTenant| {
            let problem = problem.or_else(|| describe_global_nodes(&counts, &tenant.id));
            (tenant, problem)
        };
        Ok(checked.into_iter().map(check).collect())
    }

    /// Returns what is wrong with the global node of one tenant.
    async fn check_global_node(&self, visitor: &Pool, tenant: &TenantId) -> Result<Option<String>, Failure> {
        match count_globals(visitor, std::slice::from_ref(tenant)).await {
            Ok(counts) => Ok(describe_global_nodes(&counts, tenant)),
            Err(failure) => match self.answered::<()>(tenant, Err(failure)).await {
                Err(Error::TenantUnhealthy { detail, .. }) => Ok(Some(detail)),
                Err(Error::TenantNotFound { .. }) | Ok(()) => Ok(None),
                Err(other) => Ok(Some(other.to_string())),
            },
        }
    }

    /// Returns `problem` or, if there is none and `depth` or a failed call asks for it, what is wrong with
    /// the tenant's rows. The outer `None` means that the tenant was dropped meanwhile.
    async fn check_rows(
        &self,
        visitor: &Pool,
        tenant: &Tenant,
        problem: Option<String>,
        depth: Depth,
    ) -> Result<Option<Option<String>>, Failure> {
        if problem.is_some() {
            // It may have been dropped since it was listed.
            let found = self.find(&tenant.id).await?;
            return Ok(found.filter(|(found, _)| found.generation == tenant.generation).map(|_| problem));
        }
        // The catalogs do not show the damage that a call has met.
        let suspect = self.suspects().contains(&tenant.id);
        if depth == Depth::Quick && !suspect {
            return Ok(Some(None));
        }
        match self.read_all(visitor, &tenant.id).await {
            Ok(()) => {
                self.suspects().remove(&tenant.id);
                Ok(Some(None))
            }
            Err(failure) => match self.answered::<()>(&tenant.id, Err(failure)).await {
                Err(Error::TenantUnhealthy { detail, .. }) => Ok(Some(Some(detail))),
                Err(Error::TenantNotFound { .. }) => Ok(None),
                Err(other) => Ok(Some(Some(other.to_string()))),
                Ok(()) => Ok(Some(None)),
            },
        }
    }

    /// Reads every context and every change of a tenant, to find those that cannot be read.
    async fn read_all(&self, visitor: &Pool, tenant: &TenantId) -> Result<(), Failure> {
        let sql = statements::of_tenant(&statements::ALL, tenant);
        let mut after: Option<ContextId> = None;
        loop {
            // Every id is greater than the empty text.
            let (last, limit) = (after.as_ref().map_or("", ContextId::as_str), rows::limit(ROWS_PER_PAGE));
            let params: [Param<'_>; 3] =
                [(&tenant.as_str(), Type::TEXT), (&last, Type::TEXT), (&limit, Type::INT8)];
            let page = visitor.query(None, StatementKind::Read, &sql, &params).await?;
            for row in &page {
                after = Some(rows::context(row, tenant)?.id);
            }
            if page.len() < ROWS_PER_PAGE {
                break;
            }
        }
        let mut query = ChangeQuery { context: None, before: None, limit: ROWS_PER_PAGE };
        loop {
            let page = self.page_of_changes(tenant, &query).await?;
            query.before = page.last().map(|change| (change.revision, change.context_id.clone()));
            if page.len() < ROWS_PER_PAGE {
                return Ok(());
            }
        }
    }
}

/// Returns how many global nodes each of these tenants has.
async fn count_globals(visitor: &Pool, tenants: &[TenantId]) -> Result<Vec<(String, i64)>, Failure> {
    if tenants.is_empty() {
        return Ok(Vec::new());
    }
    let sql = statements::count_globals(tenants);
    let names: Vec<_> = tenants.iter().map(TenantId::as_str).collect();
    let params: Vec<Param<'_>> = names.iter().map(|name| -> Param<'_> { (name, Type::TEXT) }).collect();
    let found = visitor.query(None, StatementKind::Read, &sql, &params).await?;
    let count = |row| {
        let name = || "a count of global nodes".to_owned();
        Ok((rows::column(row, 0, "tenant_id", name)?, rows::column(row, 1, "count", name)?))
    };
    found.iter().map(count).collect()
}

fn describe_global_nodes(counts: &[(String, i64)], tenant: &TenantId) -> Option<String> {
    let (_, count) = counts.iter().find(|(name, _)| name == tenant.as_str())?;
    (*count != 1).then(|| describe_missing(tenant, &["its global node".to_owned()]))
}

fn describe_old_revision(tenant: &TenantId, revision: i32) -> String {
    format!(
        "its schema has the revision {revision}, and this program needs {TENANT_REVISION}: run \
         `context-service bootstrap --tenant-id {tenant}`"
    )
}

fn check_of(name: String, result: Result<(), Error>) -> Check {
    Check { name, problem: result.err().map(|error| error.to_string()) }
}
