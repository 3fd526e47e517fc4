//! What keeps the store in order: whether it works at all, and what is wrong with which tenant.
//!
//! To look at every tenant, a connection is opened and closed again: the server's process remembers the tables that it has
//! met, and those that serve are to stay small.

use async_trait::async_trait;
use context_domain::error::Error;
use context_domain::id::{ContextId, TenantId};
use context_domain::ports::{ChangeQuery, Check, Fact, Upkeep};
use context_domain::tenant::Tenant;
use tokio_postgres::types::Type;

use super::failure::Failure;
use super::pool::{Access, Pool};
use super::session::Mode;
use super::statement::Param;
use super::{CONTROL_REVISION, Store, TENANT_REVISION, missing, rows, schema_of, statements, unhealthy};

/// Tenants that are looked at by one statement. It locks each table and index that it names, for which the server has room
/// for some thousand.
const BATCH: usize = 50;
/// Rows that are read at a time where everything is read.
const READ: usize = 100;

/// What the service needs of the control schema, and the revision that it has.
const CONTROL: &str = "
    SELECT (SELECT max(revision) FROM public.migration_history WHERE tenant IS NULL AND status = 'applied'),
        (SELECT count(*) FROM (SELECT FROM public.tenants LIMIT 1) AS t),
        (SELECT count(*) FROM (SELECT FROM public.api_keys LIMIT 1) AS k)";
const TAKES_WRITES: &str = "SELECT current_setting('transaction_read_only') = 'off'";
const SERVER: &str = "SELECT current_setting('server_version'), current_user::text, current_database()::text";

#[async_trait]
impl Upkeep for Store {
    async fn checks(&self) -> Vec<Check> {
        self.look(Depth::Quick).await
    }

    async fn inspect(&self) -> Vec<Check> {
        self.look(Depth::Everything).await
    }

    async fn ready(&self) -> Result<(), Error> {
        self.control_schema_is_usable().await
    }

    async fn facts(&self) -> Result<Vec<Fact>, Error> {
        let found = self.pool.query(None, Access::Read, SERVER, &[]).await.map_err(Failure::in_store)?;
        let text = |index: usize| -> Result<String, Error> {
            let text =
                found.first().map(|row| rows::column(row, index, "setting", || "the server".to_owned()));
            text.transpose().map(Option::unwrap_or_default).map_err(Failure::in_store)
        };
        let mode = match self.pool.mode() {
            Some(Mode::Direct) => "direct: statements are prepared, and share connections",
            Some(Mode::Pooled) => "through a pooler: statements have no names, and share no connection",
            None => "none is open",
        };
        Ok(vec![
            ("server", format!("PostgreSQL {}", text(0)?)),
            ("database", text(2)?),
            ("role", text(1)?),
            ("connection mode", mode.to_owned()),
        ])
    }
}

/// How thoroughly tenants are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Quick,
    Everything,
}

/// A tenant with what was found wrong with it so far.
type Looked = (Tenant, Option<String>);

impl Store {
    /// Whether the control schema is there and of a revision that this version works on.
    pub(super) async fn control_schema_is_usable(&self) -> Result<(), Error> {
        let bootstrap = |detail: &str, failure: Option<Failure>| Error::Unavailable {
            detail: format!("{detail}: run `context-service bootstrap` as the owner"),
            source: failure.and_then(Failure::into_source),
        };
        let rows = match self.pool.query(None, Access::Read, CONTROL, &[]).await {
            Ok(rows) => rows,
            Err(failure) if failure.is_undefined() => {
                return Err(bootstrap("the database holds no installation of this service", Some(failure)));
            }
            Err(failure) if failure.is_denied() => {
                let detail = format!(
                    "the role {} may not use the installation's tables; once it is named with --serving-role {0}",
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

    /// Looks at the store, and at every tenant.
    async fn look(&self, depth: Depth) -> Vec<Check> {
        let mut checks = vec![finding("store".to_owned(), self.check_store().await)];
        if checks.iter().any(|check| check.problem.is_some()) {
            return checks;
        }
        let visitor = self.pool.beside(1);
        let mut after = None;
        loop {
            match self.look_at_batch(&visitor, after.as_ref(), depth).await {
                Ok((_, found)) if found.is_empty() => return checks,
                Ok((last, found)) => {
                    checks.extend(found);
                    after = last;
                }
                Err(failure) => {
                    checks.push(finding("tenants".to_owned(), Err(failure.in_store())));
                    return checks;
                }
            }
        }
    }

    async fn check_store(&self) -> Result<(), Error> {
        self.control_schema_is_usable().await?;
        let rows = self.pool.query(None, Access::Read, TAKES_WRITES, &[]).await.map_err(Failure::in_store)?;
        let writable = rows.first().map(|row| rows::column(row, 0, "setting", || "the server".to_owned()));
        if writable.transpose().map_err(Failure::in_store)? == Some(true) {
            return Ok(());
        }
        Err(Error::Unavailable { detail: "the database takes no writes".to_owned(), source: None })
    }

    /// Looks at the tenants behind `after`; the last of them, and the findings.
    async fn look_at_batch(
        &self,
        visitor: &Pool,
        after: Option<&TenantId>,
        depth: Depth,
    ) -> Result<(Option<TenantId>, Vec<Check>), Failure> {
        let page = self.tenants(after, BATCH).await?;
        let last = page.last().map(|(tenant, _)| tenant.id.clone());
        let ids: Vec<_> = page.iter().map(|(tenant, _)| tenant.id.clone()).collect();
        let mut faults = self.faults(&ids).await?;
        let look = |(tenant, revision): (Tenant, i32)| {
            let problem = match faults.remove(&schema_of(&tenant.id)) {
                Some(faults) => Some(unhealthy(&tenant.id, &faults)),
                None => (revision < TENANT_REVISION).then(|| behind(&tenant.id, revision)),
            };
            (tenant, problem)
        };
        let looked: Vec<Looked> = page.into_iter().map(look).collect();
        let looked = self.look_for_globals(visitor, looked).await?;
        let mut checks = Vec::new();
        for (tenant, problem) in looked {
            let Some(problem) = self.settled(visitor, &tenant, problem, depth).await? else { continue };
            checks.push(Check { name: format!("tenant {}", tenant.id), problem });
        }
        Ok((last, checks))
    }

    /// Looks for the global nodes of those with which nothing is wrong so far.
    async fn look_for_globals(&self, visitor: &Pool, looked: Vec<Looked>) -> Result<Vec<Looked>, Failure> {
        let healthy: Vec<_> = looked.iter().filter(|(_, problem)| problem.is_none()).collect();
        let healthy: Vec<_> = healthy.into_iter().map(|(tenant, _)| tenant.id.clone()).collect();
        let Ok(counts) = count_globals(visitor, &healthy).await else {
            // One of them cannot be read: each is asked alone.
            let mut found = Vec::new();
            for (tenant, problem) in looked {
                let problem = match problem {
                    Some(problem) => Some(problem),
                    None => self.alone(visitor, &tenant.id).await?,
                };
                found.push((tenant, problem));
            }
            return Ok(found);
        };
        let judged = |(tenant, problem): Looked| {
            let problem = problem.or_else(|| lacks_global(&counts, &tenant.id));
            (tenant, problem)
        };
        Ok(looked.into_iter().map(judged).collect())
    }

    /// What is wrong with the global node of one tenant.
    async fn alone(&self, visitor: &Pool, tenant: &TenantId) -> Result<Option<String>, Failure> {
        match count_globals(visitor, std::slice::from_ref(tenant)).await {
            Ok(counts) => Ok(lacks_global(&counts, tenant)),
            Err(failure) => match self.answered::<()>(tenant, Err(failure)).await {
                Err(Error::TenantUnhealthy { detail, .. }) => Ok(Some(detail)),
                Err(Error::TenantNotFound { .. }) | Ok(()) => Ok(None),
                Err(other) => Ok(Some(other.to_string())),
            },
        }
    }

    /// What is wrong with a tenant after all; none if it is gone.
    async fn settled(
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
        // A quick look does not find the damage that a call has met.
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

    /// Reads everything that is stored of a tenant.
    async fn read_all(&self, visitor: &Pool, tenant: &TenantId) -> Result<(), Failure> {
        let sql = statements::of_tenant(&statements::ALL, tenant);
        let mut after: Option<ContextId> = None;
        loop {
            // Every id comes after the empty text.
            let (behind, limit) = (after.as_ref().map_or("", ContextId::as_str), rows::limit(READ));
            let params: [Param<'_>; 3] =
                [(&tenant.as_str(), Type::TEXT), (&behind, Type::TEXT), (&limit, Type::INT8)];
            let page = visitor.query(None, Access::Read, &sql, &params).await?;
            for row in &page {
                after = Some(rows::context(row, tenant)?.id);
            }
            if page.len() < READ {
                break;
            }
        }
        let mut query = ChangeQuery { context: None, before: None, limit: READ };
        loop {
            let page = self.page_of_changes(tenant, &query).await?;
            query.before = page.last().map(|change| (change.revision, change.context_id.clone()));
            if page.len() < READ {
                return Ok(());
            }
        }
    }
}

/// The tenants among these that have not just one global node, with how many they have.
async fn count_globals(visitor: &Pool, tenants: &[TenantId]) -> Result<Vec<(String, i64)>, Failure> {
    if tenants.is_empty() {
        return Ok(Vec::new());
    }
    let sql = statements::count_globals(tenants);
    let names: Vec<_> = tenants.iter().map(TenantId::as_str).collect();
    let params: Vec<Param<'_>> = names.iter().map(|name| -> Param<'_> { (name, Type::TEXT) }).collect();
    let found = visitor.query(None, Access::Read, &sql, &params).await?;
    let count = |row| {
        let name = || "a count of global nodes".to_owned();
        Ok((rows::column(row, 0, "tenant_id", name)?, rows::column(row, 1, "count", name)?))
    };
    found.iter().map(count).collect()
}

fn lacks_global(counts: &[(String, i64)], tenant: &TenantId) -> Option<String> {
    let (_, count) = counts.iter().find(|(name, _)| name == tenant.as_str())?;
    (*count != 1).then(|| missing(tenant, &["its global node".to_owned()]))
}

fn behind(tenant: &TenantId, revision: i32) -> String {
    format!(
        "its schema has the revision {revision}, and this program works on {TENANT_REVISION}: run \
         `context-service bootstrap --tenant-id {tenant}`"
    )
}

fn finding(name: String, verdict: Result<(), Error>) -> Check {
    Check { name, problem: verdict.err().map(|error| error.to_string()) }
}
