//! What keeps the store in order: its checks, and drops that were cut short.

use std::fs;

use async_trait::async_trait;
use context_domain::error::Error;
use context_domain::id::TenantId;
use context_domain::ports::{Check, Fact, Upkeep};
use rusqlite::{Connection, TransactionBehavior};

use super::failure::Failure;
use super::files::Files;
use super::tenant_file::{Ending, TenantFile};
use super::{Store, control, rows};

/// Tenants read from `control.db` at a time.
const BATCH: usize = 500;

#[async_trait]
impl Upkeep for Store {
    async fn checks(&self) -> Vec<Check> {
        self.look(Files::check_tenant).await
    }

    async fn inspect(&self) -> Vec<Check> {
        self.look(Files::inspect_tenant).await
    }

    async fn ready(&self) -> Result<(), Error> {
        self.blocking(None, |files| {
            let answer =
                files.control.read(|connection| rows::number(connection, "SELECT count(*) FROM tenants", ()));
            answer.map(|_| ()).map_err(Failure::in_store)
        })
        .await
    }

    async fn facts(&self) -> Result<Vec<Fact>, Error> {
        Ok(vec![("connection mode", format!("embedded SQLite {}", rusqlite::version()))])
    }
}

/// How one tenant is looked at; none if it is gone.
type Look = fn(&Files, &TenantFile) -> Result<Option<()>, Failure>;

impl Store {
    /// Looks at the store, and at every tenant in the way given.
    async fn look(&self, look: Look) -> Vec<Check> {
        let mut checks = vec![finding("store".to_owned(), self.check_control().await)];
        let mut after = String::new();
        loop {
            match self.check_tenants(after, look).await {
                Ok((_, found)) if found.is_empty() => return checks,
                Ok((last, found)) => {
                    checks.extend(found);
                    after = last;
                }
                Err(error) => {
                    checks.push(finding("tenants".to_owned(), Err(error)));
                    return checks;
                }
            }
        }
    }

    async fn check_control(&self) -> Result<(), Error> {
        self.blocking(None, |files| {
            // A write transaction that writes nothing tells whether the file could be written.
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

    /// Checks the tenants behind `after`; the last of them, and the findings.
    async fn check_tenants(&self, after: String, look: Look) -> Result<(String, Vec<Check>), Error> {
        self.blocking(None, move |files| {
            let page = files.control.read(|connection| control::page(connection, &after, BATCH));
            let page = page.map_err(Failure::in_store)?;
            let last = page.last().map_or(after, |tenant| tenant.id.to_string());
            let checks = page.into_iter().filter_map(|tenant| {
                let file = TenantFile::of(&files.tenants, tenant.id, tenant.generation);
                // A quick look does not find the damage that a call has met.
                let look = if files.is_suspect(&file) { Files::inspect_tenant } else { look };
                let verdict =
                    look(files, &file).map_err(|failure| files.unhealthy(&file, failure)).transpose()?;
                if verdict.is_ok() {
                    files.trust(&file);
                }
                Some(finding(format!("tenant {}", file.id), verdict))
            });
            Ok((last, checks.collect()))
        })
        .await
    }
}

impl Files {
    /// Finishes drops whose program ended after the tenant's row was gone and before its file was.
    pub(super) fn finish_drops(&self) -> Result<(), Failure> {
        let unreadable = |error| Failure::unavailable("the folder of the tenants cannot be read", error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.tenants).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            found.extend(name.to_str().and_then(|name| TenantFile::named(&self.tenants, name)));
        }
        let nobodys = self.control.read(|connection| {
            let mut nobodys = Vec::new();
            for file in found {
                let known = control::find(connection, &file.id)?;
                if known.is_none_or(|tenant| tenant.generation != file.generation) {
                    nobodys.push(file);
                }
            }
            Ok(nobodys)
        })?;
        for file in nobodys {
            // A log without its file is what a drop left last. A file without a tombstone may be one that another
            // process is making.
            if !file.exists()? || matches!(file.is_tombstoned(), Ok(true)) {
                file.unlink()?;
            } else {
                tracing::warn!(
                    tenant = %file.id,
                    generation = file.generation.as_str(),
                    "a file that belongs to no tenant is left alone"
                );
            }
        }
        Ok(())
    }

    /// Looks at one tenant through a connection of its own, so that what is seen is the file that a restarted program
    /// would see; none if the tenant is gone.
    fn check_tenant(&self, file: &TenantFile) -> Result<Option<()>, Failure> {
        let met = file.transact(&self.control, TransactionBehavior::Deferred, |connection| {
            global_node_is_there(connection, &file.id)?;
            Ok((Ending::RollBack, ()))
        });
        self.leave_the_dead(file, met)
    }

    /// The same, reading every page of the file.
    fn inspect_tenant(&self, file: &TenantFile) -> Result<Option<()>, Failure> {
        let met = file.transact(&self.control, TransactionBehavior::Deferred, |connection| {
            global_node_is_there(connection, &file.id)?;
            let verdict: String = connection.query_row("PRAGMA integrity_check(1)", (), |row| row.get(0))?;
            if verdict != "ok" {
                return Err(Failure::damaged("its file is damaged: restore it from a backup"));
            }
            Ok((Ending::RollBack, ()))
        });
        self.leave_the_dead(file, met)
    }
}

fn global_node_is_there(connection: &Connection, tenant: &TenantId) -> Result<(), Failure> {
    let sql = "SELECT count(*) FROM contexts WHERE context_level = 'global' AND tenant_id = ?1";
    match rows::number(connection, sql, [tenant.as_str()])? {
        1 => Ok(()),
        _ => Err(Failure::damaged("its global node is missing")),
    }
}

fn finding(name: String, verdict: Result<(), Error>) -> Check {
    // An unhealthy tenant's name stands in the check's already.
    let problem = verdict.err().map(|error| match error {
        Error::TenantUnhealthy { detail, .. } => detail,
        other => other.to_string(),
    });
    Check { name, problem }
}
