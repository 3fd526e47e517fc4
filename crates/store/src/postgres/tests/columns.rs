//! Checks that the lists of columns name the columns of the tables that the fleet creates.

use context_domain::id::TenantId;
use context_testing::{OWNER, postgres};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::search_buffers::make_empty;
use crate::columns::Column;
use crate::postgres::columns::{ChangeColumn, ContextColumn};
use crate::postgres::names::schema_of;

const COLUMNS: &str = "
    SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute
    WHERE attrelid = format('%I.%I', $1, $2)::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname";

#[tokio::test]
async fn the_lists_of_columns_are_those_of_the_tables() {
    let tenant: TenantId = "columns".parse().unwrap();
    let server = postgres().await;
    let client = server.connect(OWNER, &server.create_database("columns").await).await;
    make_empty(&client, &tenant).await;
    let contexts = ContextColumn::ALL.iter().map(|column| (column.name(), column.column_type()));
    assert_eq!(listed(contexts), in_catalog(&client, &tenant, "contexts").await);
    let changes = ChangeColumn::ALL.iter().map(|column| (column.name(), column.column_type()));
    assert_eq!(listed(changes), in_catalog(&client, &tenant, "context_changes").await);
}

/// Returns the listed columns with their types as the catalog prints them, by name.
fn listed<'a>(columns: impl Iterator<Item = (&'a str, Type)>) -> Vec<(String, String)> {
    let in_words = |ty: &Type| match *ty {
        Type::TEXT => "text",
        Type::TEXT_ARRAY => "text[]",
        Type::JSONB => "jsonb",
        Type::TIMESTAMPTZ => "timestamp with time zone",
        Type::INT4 => "integer",
        Type::XID8 => "xid8",
        _ => panic!("{ty} is not a type of the catalog query"),
    };
    let mut listed: Vec<_> = columns.map(|(name, ty)| (name.to_owned(), in_words(&ty).to_owned())).collect();
    listed.sort();
    listed
}

/// Returns the columns of a table in the catalog, by name. A `varchar` is shown as `text`, because a
/// parameter of that type fills it too.
async fn in_catalog(client: &Client, tenant: &TenantId, table: &str) -> Vec<(String, String)> {
    let params = [(&schema_of(tenant) as _, Type::TEXT), (&table as _, Type::TEXT)];
    let rows = client.query_typed(COLUMNS, &params).await.unwrap();
    let mut found: Vec<(String, String)> = rows
        .iter()
        .map(|row| (row.get(0), row.get::<_, String>(1).replace("character varying", "text")))
        .collect();
    found.sort();
    found
}
