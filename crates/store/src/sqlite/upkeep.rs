//! The port `Upkeep`: checks of the store and of each tenant.

use async_trait::async_trait;
use context_domain::error::Error;
use context_domain::id::TenantId;
use context_domain::ports::{Check, Fact, Upkeep};
use rusqlite::{Connection, TransactionBehavior};

use super::failure::Failure;
use super::files::StoreFiles;
use super::store::SqliteStore;
use super::tenant_file::{Ending, TenantFile};
use super::{control, rows};

/// How many tenants are read from `control.db` at a time.
const BATCH: usize = 500;

#[async_trait]
impl Upkeep for SqliteStore {
    async fn checks(&self) -> Vec<Check> {
        self.check_all(StoreFiles::check_tenant).await
    }

    async fn inspect(&self) -> Vec<Check> {
        self.check_all(StoreFiles::inspect_tenant).await
    }

    async fn ready(&self) -> Result<(), Error> {
        self.blocking(None, |files| {
            let answer = files
                .control
                .read(|connection| rows::query_number(connection, "SELECT count(*) FROM tenants", ()));
            answer.map(|_| ()).map_err(Failure::in_store)
        })
        .await
    }

    async fn facts(&self) -> Result<Vec<Fact>, Error> {
        Ok(vec![("connection mode", format!("embedded SQLite {}", rusqlite::version()))])
    }
}

/// A check of one tenant; it returns `None` if the tenant is gone.
type TenantCheck = fn(&StoreFiles, &TenantFile) -> Result<Option<()>, Failure>;

impl SqliteStore {
    /// Checks the store, and every tenant with `check`.
    async fn check_all(&self, check: TenantCheck) -> Vec<Check> {
        let mut checks = vec![check_of("store".to_owned(), self.check_control().await)];
        let mut after = String::new();
        loop {
            match self.check_tenants(after, check).await {
                Ok((_, found)) if found.is_empty() => return checks,
                Ok((last, found)) => {
                    checks.extend(found);
                    after = last;
                }
                Err(error) => {
                    checks.push(check_of("tenants".to_owned(), Err(error)));
                    return checks;
                }
            }
        }
    }

    async fn check_control(&self) -> Result<(), Error> {
        self.blocking(None, |files| {
            // A write transaction that writes nothing shows whether the file can be written.
            let verdict = files.control.write(|connection| {
                Ok(connection.query_row("PRAGMA quick_check(1)", (), |row| row.get::<_, String>(0))?)
            });
            match verdict {
                Ok(verdict) if verdict == "ok" => Ok(()),
                Ok(verdict) => Err(Failure::unavailable("control.db is damaged", verdict).in_store()),
                Err(failure) => Err(failure.in_store()),
            }
        })
        .await
    }

    /// Checks a page of the tenants with an id after `after`; returns the last id, and the results.
    async fn check_tenants(&self, after: String, check: TenantCheck) -> Result<(String, Vec<Check>), Error> {
        self.blocking(None, move |files| {
            let page = files.control.read(|connection| control::list_tenants(connection, &after, BATCH));
            let page = page.map_err(Failure::in_store)?;
            let last = page.last().map_or(after, |tenant| tenant.id.to_string());
            let checks = page.into_iter().filter_map(|tenant| {
                let file = TenantFile::new(&files.tenants, tenant.id, tenant.generation);
                // A quick check would not find the damage that a call has found.
                let check = if files.is_suspect(&file) { StoreFiles::inspect_tenant } else { check };
                let verdict =
                    check(files, &file).map_err(|failure| files.unhealthy(&file, failure)).transpose()?;
                if verdict.is_ok() {
                    files.clear_suspicion(&file);
                }
                Some(check_of(format!("tenant {}", file.id), verdict))
            });
            Ok((last, checks.collect()))
        })
        .await
    }
}

impl StoreFiles {
    /// Checks one tenant through a new connection, so that the file is read as a restarted program would read
    /// it; returns `None` if the tenant is gone.
    fn check_tenant(&self, file: &TenantFile) -> Result<Option<()>, Failure> {
        let transacted = file.transact(&self.control, TransactionBehavior::Deferred, |connection| {
            check_global_node(connection, &file.id)?;
            Ok((Ending::RollBack, ()))
        });
        self.settle_drop(file, transacted)
    }

    /// Checks one tenant as [`Self::check_tenant`] does, and reads every page of its file.
    fn inspect_tenant(&self, file: &TenantFile) -> Result<Option<()>, Failure> {
        let transacted = file.transact(&self.control, TransactionBehavior::Deferred, |connection| {
            check_global_node(connection, &file.id)?;
            let verdict: String = connection.query_row("PRAGMA integrity_check(1)", (), |row| row.get(0))?;
            if verdict != "ok" {
                return Err(Failure::damaged("its file is damaged: restore it from a backup"));
            }
            Ok((Ending::RollBack, ()))
        });
        self.settle_drop(file, transacted)
    }
}

fn check_global_node(connection: &Connection, tenant: &TenantId) -> Result<(), Failure> {
    let sql = "SELECT count(*) FROM contexts WHERE context_level = 'global' AND tenant_id = ?1";
    match rows::query_number(connection, sql, [tenant.as_str()])? {
        1 => Ok(()),
        _ => Err(Failure::damaged("its global node is missing")),
    }
}

fn check_of(name: String, verdict: Result<(), Error>) -> Check {
    // The name of the check already names the tenant.
    let problem = verdict.err().map(|error| match error {
        Error::TenantUnhealthy { detail, .. } => detail,
        other => other.to_string(),
    });
    Check { name, problem }
}
