//! Everything that tenants hold, as files that psql loads back.
//!
//! An export is one snapshot of the database, whatever is written meanwhile: a transaction that is open from
//! beginning to end exports its snapshot, and one short transaction per tenant imports it, so that no more
//! than one tenant's tables are locked at a time.

mod folder;
mod script;
pub(crate) mod table;

use std::path::{Path, PathBuf};

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_store::postgres::completeness::PUBLIC;
use context_store::postgres::{Session, SessionMode, literal, schema_of};

use crate::control_tables::CONTROL_TABLES;
use crate::failure::FleetFailure;
use crate::fleet::Fleet;
use crate::rows::query_rows;
use folder::ExportFolder;
use table::{ExportedTable, copy_table, query_tables};

/// The result of an export. [`Fleet::recreate`] drops a tenant only if it still holds exactly what was
/// exported.
#[derive(Debug, Clone)]
pub struct Export {
    /// The folder that holds the files.
    pub folder: PathBuf,
    /// The script in it that loads everything back.
    pub script: PathBuf,
    /// The rows in all files together.
    pub rows: u64,
    /// The tables of each tenant.
    pub(crate) tenants: Vec<(TenantId, Vec<ExportedTable>)>,
}

impl Fleet {
    /// Returns the tenants that the directory lists; none if there is no directory.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the database does not answer.
    pub async fn tenants(&self) -> Result<Vec<TenantId>, Error> {
        let failed = |error| self.installation().statement_failed("read the directory of tenants", error);
        let exists = "SELECT to_regclass('public.tenants') IS NOT NULL";
        let exists = self.client().query_typed_one(exists, &[]).await.and_then(|row| row.try_get(0));
        if !exists.map_err(failed)? {
            return Ok(Vec::new());
        }
        let sql = "SELECT id::text FROM public.tenants ORDER BY id";
        let ids = query_rows(self.client(), sql, &[], |row| row.try_get::<_, String>(0)).await;
        Ok(ids.map_err(failed)?.into_iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Writes every table of these tenants, and the control schema's, to files in `folder`, with a script
    /// that loads them. The folder must not exist yet. Tables that are missing are left out.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the folder cannot be made or written, the database does not answer, or the
    /// connection may go through a pooler, through which tables cannot be copied reliably. Files written
    /// until then stay.
    pub async fn export(&mut self, tenants: &[TenantId], folder: &Path) -> Result<Export, Error> {
        if self.session.mode() == SessionMode::Pooled {
            return Err(self.installation().refused(
                "tables cannot be copied reliably through a pooler: name the server's own address, or say \
                 that the connection is direct",
            ));
        }
        let connector = self.connector();
        let failed = |failure| connector.installation.step_failed("export", failure);
        let folder = ExportFolder::make(folder).map_err(failed)?;
        let mut copier = Session::open(&connector.url, connector.mode).await?;
        export_tenants(&mut self.session, &mut copier, tenants, &folder).await.map_err(failed)
    }
}

async fn export_tenants(
    keeper: &mut Session,
    copier: &mut Session,
    tenants: &[TenantId],
    folder: &ExportFolder,
) -> Result<Export, FleetFailure> {
    // This transaction only reads: however it ends, nothing is changed.
    let keeper = keeper.client_mut().transaction().await?;
    keeper.batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    let sql = "SELECT pg_export_snapshot(), current_database()::text, now()::text,
                      current_setting('server_version')";
    let facts = keeper.query_typed_one(sql, &[]).await?;
    let snapshot: String = facts.try_get(0)?;
    let origin = script::ExportOrigin {
        database: facts.try_get(1)?,
        taken: facts.try_get(2)?,
        server: facts.try_get(3)?,
    };
    let names = CONTROL_TABLES.each_ref().map(|table| table.name);
    let control = export_schema(copier, &snapshot, PUBLIC, Some(&names), folder).await?;
    let mut exported = Vec::with_capacity(tenants.len());
    for tenant in tenants {
        let tables = export_schema(copier, &snapshot, &schema_of(tenant), None, folder).await?;
        exported.push((tenant.clone(), tables));
    }
    keeper.commit().await?;
    folder.write("manifest.json", &script::manifest(&origin, &control, &exported))?;
    let script = folder.write("load.sql", &script::load_script(&origin, &control, &exported))?;
    folder.sync()?;
    let of_tenants = exported.iter().flat_map(|(_, tables)| tables);
    let rows = control.iter().chain(of_tenants).map(|table| table.content.rows).sum();
    Ok(Export { folder: folder.path().to_owned(), script, rows, tenants: exported })
}

/// Writes the tables of a schema, or only those in `names`, as `snapshot` shows them.
async fn export_schema(
    copier: &mut Session,
    snapshot: &str,
    schema: &str,
    names: Option<&[&str]>,
    folder: &ExportFolder,
) -> Result<Vec<ExportedTable>, FleetFailure> {
    let transaction = copier.client_mut().transaction().await?;
    let import = format!(
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT {}; \
         SET LOCAL DateStyle = ISO;",
        literal(snapshot)
    );
    transaction.batch_execute(&import).await?;
    let mut tables = query_tables(transaction.client(), schema).await?;
    tables.retain(|table| names.is_none_or(|names| names.contains(&table.name.as_str())));
    if !tables.is_empty() {
        folder.make_folder(schema)?;
    }
    for table in &mut tables {
        let mut file = folder.create(&table.file)?;
        table.content = copy_table(transaction.client(), table, |bytes| file.write(bytes)).await?;
        file.finish()?;
    }
    transaction.commit().await?;
    Ok(tables)
}
