//! A table that is exported: its name, its columns, and the size and checksum of what it holds.

use std::pin::pin;

use context_store::postgres::identifier;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::folder::file_name;
use crate::failure::FleetFailure;
use crate::rows::query_rows;

/// A table that was written to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExportedTable {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    /// The path of its file, relative to the export's folder.
    pub(crate) file: String,
    pub(crate) content: TableContent,
}

/// The size and checksum of what a table held when it was copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TableContent {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// The hexadecimal SHA-256 of its bytes.
    pub(crate) checksum: String,
}

impl ExportedTable {
    /// Returns its name in SQL, with its schema.
    pub(crate) fn qualified_name(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.name))
    }

    /// Returns the names of its columns in SQL, in parentheses; nothing if it has none, because SQL accepts
    /// no empty list.
    pub(super) fn column_list(&self) -> String {
        if self.columns.is_empty() {
            return String::new();
        }
        let names: Vec<String> = self.columns.iter().map(|column| identifier(column)).collect();
        format!("({})", names.join(", "))
    }

    fn copy_statement(&self) -> String {
        format!("COPY {} {} TO STDOUT", self.qualified_name(), self.column_list())
    }
}

/// Returns the tables of a schema, with empty `content`.
pub(crate) async fn query_tables(
    client: &Client,
    schema: &str,
) -> Result<Vec<ExportedTable>, tokio_postgres::Error> {
    let sql = "
        SELECT c.relname::text,
               ARRAY(SELECT a.attname::text FROM pg_attribute a
                     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                     ORDER BY a.attnum)
        FROM pg_class c
        WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relkind = 'r'
        ORDER BY 1";
    let convert = |row: &Row| {
        let name: String = row.try_get(0)?;
        let file = format!("{schema}/{}.txt", file_name(&name));
        Ok(ExportedTable {
            schema: schema.to_owned(),
            name,
            columns: row.try_get(1)?,
            file,
            content: TableContent::default(),
        })
    };
    query_rows(client, sql, &[(&schema, Type::TEXT)], convert).await
}

/// Copies what a table holds to `take`, in the order in which the table stores it.
pub(crate) async fn copy_table(
    client: &Client,
    table: &ExportedTable,
    mut take: impl FnMut(&[u8]) -> Result<(), FleetFailure>,
) -> Result<TableContent, FleetFailure> {
    let mut rows = pin!(client.copy_out(table.copy_statement().as_str()).await?);
    let (mut content, mut hash) = (TableContent::default(), Sha256::new());
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
