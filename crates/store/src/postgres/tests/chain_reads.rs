//! The columns and blocks that the statements for chains read, with and without known stamps.

use context_domain::id::TenantId;
use context_testing::{OWNER, postgres};
use serde_json::Value;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::search_buffers::make_empty;
use crate::postgres::pool::SETTINGS;
use crate::postgres::rows::CONTEXT_COLUMNS;
use crate::postgres::statements;

const PROJECT: &str = "ctx_01970000-0000-7000-8000-000000000002";

/// A global node and a project `p`, each with a document of ten blocks.
const ROWS: &str = "
    INSERT INTO {schema}.contexts
        (id, context_data, context_type, tenant_id, context_level, parent_id, node_key)
    SELECT 'ctx_01970000-0000-7000-8000-00000000000' || n,
        jsonb_build_object(
            'text', (SELECT string_agg(md5((n * 10000 + k)::text), '') FROM generate_series(1, 2500) AS k)),
        'note', 'known', level, parent, key
    FROM (VALUES (1, 'global', NULL, NULL), (2, 'project', 'ctx_01970000-0000-7000-8000-000000000001', 'p'))
        AS nodes (n, level, parent, key)";

#[tokio::test]
async fn a_row_whose_stamp_is_known_is_not_read() {
    let tenant: TenantId = "known".parse().unwrap();
    let server = postgres().await;
    let client = server.connect(OWNER, &server.create_database("chain").await).await;
    make_empty(&client, &tenant).await;
    client.batch_execute(SETTINGS).await.unwrap();
    client.batch_execute(&statements::of_tenant(ROWS, &tenant)).await.unwrap();
    let keys = vec!["p"];
    for (template, key, ty) in [
        (statements::CHAIN_BY_SCOPE.as_str(), &keys as _, Type::TEXT_ARRAY),
        (statements::CHAIN_BY_ID.as_str(), &PROJECT as _, Type::TEXT),
    ] {
        let sql = statements::of_tenant(template, &tenant);
        let read = async |known: &[String]| {
            let params = [(&"known" as _, Type::TEXT), (key, ty.clone()), (&known as _, Type::TEXT_ARRAY)];
            client.query_typed(&sql, &params).await.unwrap()
        };
        let rows = read(&[]).await;
        assert_eq!(ids(&rows), [true, true]);
        let stamps: Vec<String> = rows.iter().map(|row| row.get(CONTEXT_COLUMNS)).collect();
        let [global, project] = &stamps[..] else { panic!("{stamps:?}") };
        assert_eq!(ids(&read(std::slice::from_ref(global)).await), [false, true]);
        assert_eq!(ids(&read(std::slice::from_ref(project)).await), [true, false]);
        let known = read(&stamps).await;
        assert_eq!(ids(&known), [false, false]);
        assert_eq!(known.iter().map(|row| row.get(CONTEXT_COLUMNS)).collect::<Vec<String>>(), stamps);
        let (unknown, known) = (blocks(&client, &sql, &[]).await, blocks(&client, &sql, &stamps).await);
        assert!(known < 10 && unknown >= known + 20, "{known} of {unknown}");
    }
}

/// Returns for each row whether it has its columns.
fn ids(rows: &[Row]) -> Vec<bool> {
    rows.iter().map(|row| row.get::<_, Option<&str>>(0).is_some()).collect()
}

/// Returns how many blocks the statement reads. `length` makes it read the documents.
async fn blocks(client: &Client, sql: &str, known: &[String]) -> i64 {
    let key = if sql.contains("$2::text[]") { "'{p}'".to_owned() } else { format!("'{PROJECT}'") };
    let known: Vec<_> = known.iter().map(|stamp| format!("'{stamp}'")).collect();
    let explained = format!(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT length(context_data::text), stamp FROM ({}) AS chain",
        sql.replace("$1", "'known'")
            .replace("$2", &key)
            .replace("$3", &format!("ARRAY[{}]", known.join(", ")))
    );
    let answer: Value = client.query_one(&explained, &[]).await.unwrap().get(0);
    let number = |name: &str| answer[0]["Plan"][name].as_i64().unwrap();
    number("Shared Hit Blocks") + number("Shared Read Blocks")
}
