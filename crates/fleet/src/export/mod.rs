//! Everything that tenants hold, as files that psql loads back.
//!
//! An export is one snapshot of the database, whatever is written meanwhile: a transaction that is open from the beginning to
//! the end lends its snapshot to one short transaction a tenant, so that no more than a tenant's tables are locked at a time.

mod folder;
mod script;

use std::path::{Path, PathBuf};
use std::pin::pin;

use context_domain::error::Error;
use context_domain::id::TenantId;
use context_store::postgres::{Session, SessionMode, identifier, literal, schema_of};
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::failure::Failure;
use crate::fleet::Fleet;
use crate::rows::query;
use folder::Folder;

/// What was exported: the proof that it may be dropped.
#[derive(Debug, Clone)]
pub struct Export {
    /// The folder that holds it.
    pub folder: PathBuf,
    /// The script in it that loads all of it back.
    pub script: PathBuf,
    /// The rows in all files together.
    pub rows: u64,
    /// The tables of each tenant.
    pub(crate) tenants: Vec<(TenantId, Vec<Table>)>,
}

/// A table that was written to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    /// Its file, from the export's folder.
    pub(crate) file: String,
    pub(crate) content: Content,
}

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The hexadecimal SHA-256 of it.
    pub(crate) checksum: String,
}

impl Table {
    /// Its name in SQL.
    pub(crate) fn qualified(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.name))
    }

    /// The names of its columns in SQL, in brackets: nothing where there are none, as SQL wants it.
    pub(crate) fn column_list(&self) -> String {
        if self.columns.is_empty() {
            return String::new();
        }
        let names: Vec<String> = self.columns.iter().map(|column| identifier(column)).collect();
        format!("({})", names.join(", "))
    }

    fn copy_statement(&self) -> String {
        format!("COPY {} {} TO STDOUT", self.qualified(), self.column_list())
    }
}

impl Fleet {
    /// The tenants that the directory lists; none where there is no directory.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the database does not answer.
    pub async fn tenants(&self) -> Result<Vec<TenantId>, Error> {
        let failed = |error| self.place().failed("read the directory of the tenants", error);
        let there = "SELECT to_regclass('public.tenants') IS NOT NULL";
        if !self.client().query_typed_one(there, &[]).await.and_then(|row| row.try_get(0)).map_err(failed)? {
            return Ok(Vec::new());
        }
        let sql = "SELECT id::text FROM public.tenants ORDER BY id";
        let ids = query(self.client(), sql, &[], |row| row.try_get::<_, String>(0)).await.map_err(failed)?;
        Ok(ids.into_iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Writes every table of these tenants, and the control schema's, to files in `folder`, which must not exist yet, with
    /// a script that loads them. What is missing of a tenant is not there to be exported.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the folder cannot be made or written, the database does not answer, or a pooler may
    /// stand in between, through which tables cannot be copied reliably. What was written until then stays.
    pub async fn export(&mut self, tenants: &[TenantId], folder: &Path) -> Result<Export, Error> {
        if self.session.mode() == SessionMode::Pooled {
            return Err(self.place().refused(
                "tables cannot be copied reliably through a pooler: name the server's own address, or say that the \
                 connection is direct",
            ));
        }
        let reach = self.reach();
        let folder = Folder::make(folder).map_err(|failure| reach.place.not_done("export", failure))?;
        let mut copier = Session::open(&reach.url, reach.mode).await?;
        let exported = export(&mut self.session, &mut copier, tenants, &folder).await;
        exported.map_err(|failure| reach.place.not_done("export", failure))
    }
}

async fn export(
    keeper: &mut Session,
    copier: &mut Session,
    tenants: &[TenantId],
    folder: &Folder,
) -> Result<Export, Failure> {
    // Whatever ends this transaction, its commit included, changes nothing.
    let keeper = keeper.client_mut().transaction().await?;
    keeper.batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    let sql = "SELECT pg_export_snapshot(), current_database()::text, now()::text,
                      current_setting('server_version')";
    let facts = keeper.query_typed_one(sql, &[]).await?;
    let snapshot: String = facts.try_get(0)?;
    let origin =
        script::Origin { database: facts.try_get(1)?, taken: facts.try_get(2)?, server: facts.try_get(3)? };
    let control = export_schema(copier, &snapshot, "public", Some(&script::CONTROL), folder).await?;
    let mut exported = Vec::with_capacity(tenants.len());
    for tenant in tenants {
        let tables = export_schema(copier, &snapshot, &schema_of(tenant), None, folder).await?;
        exported.push((tenant.clone(), tables));
    }
    keeper.commit().await?;
    folder.write("manifest.json", &script::manifest(&origin, &control, &exported))?;
    let script = folder.write("load.sql", &script::load(&origin, &control, &exported))?;
    folder.finish()?;
    let of_tenants = exported.iter().flat_map(|(_, tables)| tables);
    let rows = control.iter().chain(of_tenants).map(|table| table.content.rows).sum();
    Ok(Export { folder: folder.path().to_owned(), script, rows, tenants: exported })
}

/// Writes the tables of a schema, or those of them that are `named`, as `snapshot` shows them.
async fn export_schema(
    copier: &mut Session,
    snapshot: &str,
    schema: &str,
    named: Option<&[&str]>,
    folder: &Folder,
) -> Result<Vec<Table>, Failure> {
    let transaction = copier.client_mut().transaction().await?;
    let borrow = format!(
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT {}; SET LOCAL DateStyle = ISO;",
        literal(snapshot)
    );
    transaction.batch_execute(&borrow).await?;
    let mut tables = tables_of(transaction.client(), schema).await?;
    tables.retain(|table| named.is_none_or(|named| named.contains(&table.name.as_str())));
    if !tables.is_empty() {
        folder.make_folder(schema)?;
    }
    for table in &mut tables {
        let mut file = folder.create(&table.file)?;
        table.content = copy(transaction.client(), table, |bytes| file.write(bytes)).await?;
        file.finish()?;
    }
    transaction.commit().await?;
    Ok(tables)
}

/// The tables that a schema has now, not yet with what they hold.
pub(crate) async fn tables_of(client: &Client, schema: &str) -> Result<Vec<Table>, tokio_postgres::Error> {
    let sql = "
        SELECT c.relname::text,
               ARRAY(SELECT a.attname::text FROM pg_attribute a
                     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                     ORDER BY a.attnum)
        FROM pg_class c
        WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relkind = 'r'
        ORDER BY 1";
    let read = |row: &Row| {
        let name: String = row.try_get(0)?;
        let file = format!("{schema}/{}.txt", folder::plain(&name));
        Ok(Table {
            schema: schema.to_owned(),
            name,
            columns: row.try_get(1)?,
            file,
            content: Content::default(),
        })
    };
    query(client, sql, &[(&schema, Type::TEXT)], read).await
}

/// Reads what a table holds, in the order in which it stands there.
pub(crate) async fn copy(
    client: &Client,
    table: &Table,
    mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<Content, Failure> {
    let mut rows = pin!(client.copy_out(table.copy_statement().as_str()).await?);
    let (mut content, mut hash) = (Content::default(), Sha256::new());
    while let Some(bytes) = rows.try_next().await? {
        // In COPY's text format a line is a row: a line break within a value is written as \n.
        content.rows += bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        content.bytes += bytes.len() as u64;
        hash.update(&bytes);
        take(&bytes)?;
    }
    content.checksum = hex::encode(hash.finalize());
    Ok(content)
}
