//! What a search reads, of 20,000 documents of 3.6 KB, whatever share of them matches and whatever the planner knows.

use std::fs;
use std::path::Path;

use context_domain::id::TenantId;
use context_testing::{OWNER, postgres};
use serde_json::Value;
use tokio_postgres::Client;

use crate::postgres::connection::SETTINGS;
use crate::postgres::names::literal;
use crate::postgres::search::Bounds;
use crate::postgres::statements::{self, SearchCondition};

/// Blocks that a search may read, of the 500 that the rows have and the 40,000 of their documents.
///
/// Measured: 7 to 20 where nothing matches and 65 to 160 where one in a thousand does; 63 (a tag), 700 (a word) and 1,000 (a
/// filter) where one in twenty does; 20 to 410 where every other one does.
const SOME: i64 = 300;
const MANY: i64 = 1_500;
/// What is added where the indexes have not been tidied up since the rows came: each keeps so many unsorted blocks.
const UNTIDY: i64 = 600;

const ROWS: &str = "
    INSERT INTO {schema}.contexts (id, context_data, context_type, tags, tenant_id, terms)
    SELECT 'ctx_01970000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'),
        jsonb_build_object('share', shares, 'text', texts), 'note', shares, 'shares',
        shares || texts
    FROM generate_series(1, 20000) AS n,
        LATERAL (SELECT array_remove(ARRAY[
            'all', CASE WHEN n % 2 = 0 THEN 'half' END, CASE WHEN n % 20 = 0 THEN 'twentieth' END,
            CASE WHEN n % 1000 = 0 THEN 'thousandth' END], NULL) AS shares) AS s,
        LATERAL (SELECT array_agg(md5(((n * 7 + k) % 3000)::text)) AS texts FROM generate_series(1, 95) AS k) AS t";

/// The statement of a search for one thing, as the service has it prepared; the thing asked for stands in `{}`.
struct Asked {
    name: &'static str,
    condition: SearchCondition,
    value: &'static str,
    ty: &'static str,
}

const ASKED: [Asked; 3] = [
    Asked { name: "filter", condition: SearchCondition::Filter, value: r#"{"share": ["{}"]}"#, ty: "jsonb" },
    Asked { name: "tag", condition: SearchCondition::Tags, value: r#"{"{}"}"#, ty: "text[]" },
    Asked { name: "word", condition: SearchCondition::Words, value: r#"{"{}"}"#, ty: "text[]" },
];

#[tokio::test]
async fn a_search_reads_little_whatever_matches_and_whatever_the_planner_knows() {
    let tenant: TenantId = "shares".parse().unwrap();
    let server = postgres().await;
    let client = server.connect(OWNER, &server.create_database("search").await).await;
    make_empty(&client, &tenant).await;
    let run =
        async |template: &str| client.batch_execute(&statements::of_tenant(template, &tenant)).await.unwrap();
    // A plan that was made for an empty table is kept until somebody has counted the table.
    run(SETTINGS).await;
    run("SET statement_timeout = 0").await;
    run("VACUUM ANALYZE {schema}.contexts").await;
    prepare(&client, &tenant).await;
    for asked in &ASKED {
        read(&client, asked, "all").await;
    }
    run(ROWS).await;
    within_bounds(&client, "planned for an empty table", UNTIDY).await;
    // Nobody has counted the rows, and the planner may read the table from end to end.
    run("RESET enable_seqscan").await;
    prepare(&client, &tenant).await;
    within_bounds(&client, "uncounted and untidy", UNTIDY).await;
    for index in ["idx_contexts_data", "idx_contexts_tags", "idx_contexts_terms"] {
        run(&format!("SELECT gin_clean_pending_list('{{schema}}.{index}'::regclass)")).await;
    }
    prepare(&client, &tenant).await;
    within_bounds(&client, "uncounted", 0).await;
    run("ANALYZE {schema}.contexts").await;
    prepare(&client, &tenant).await;
    within_bounds(&client, "counted", 0).await;
    // Where statements have no names, each is planned for what it asks for.
    run("SET plan_cache_mode = force_custom_plan").await;
    within_bounds(&client, "counted, each planned", 0).await;
}

async fn within_bounds(client: &Client, when: &str, more: i64) {
    for asked in &ASKED {
        for (share, found, bound) in [
            ("none", 0, SOME),
            ("thousandth", 10, SOME),
            ("twentieth", 10, MANY),
            ("half", 10, MANY),
            ("all", 10, MANY),
        ] {
            let (rows, blocks) = read(client, asked, share).await;
            println!("{when}: {} {share}: {blocks} blocks", asked.name);
            assert_eq!(rows, found.max(1), "{when}: {} {share}", asked.name);
            assert!(blocks <= bound + more, "{when}: {} {share}: {blocks} blocks", asked.name);
        }
    }
}

/// Searches for ten; how many rows came, and of how many blocks.
async fn read(client: &Client, asked: &Asked, share: &str) -> (i64, i64) {
    let value = literal(&asked.value.replace("{}", share));
    let Bounds { candidates, walk } = Bounds::FIRST;
    let explained = format!(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) \
         EXECUTE {} ('shares', '2030-01-01', '', 10, {candidates}, {walk}, {value})",
        asked.name
    );
    let answer: Value = client.query_one(&explained, &[]).await.unwrap().get(0);
    let plan = &answer[0]["Plan"];
    // From 18 on, rows have fractions.
    let number = |name: &str| plan[name].to_string().split('.').next().unwrap().parse::<i64>().unwrap();
    (number("Actual Rows"), number("Shared Hit Blocks") + number("Shared Read Blocks"))
}

async fn prepare(client: &Client, tenant: &TenantId) {
    client.batch_execute("DEALLOCATE ALL").await.unwrap();
    for asked in &ASKED {
        let sql = statements::of_tenant(&statements::search_statement(&[asked.condition]), tenant);
        let (name, ty) = (asked.name, asked.ty);
        let prepared = format!("PREPARE {name} (text, timestamptz, text, int8, int8, int8, {ty}) AS {sql}");
        client.batch_execute(&prepared).await.unwrap();
    }
}

/// Makes the tenant's tables, which nobody counts unasked.
pub(super) async fn make_empty(client: &Client, tenant: &TenantId) {
    let fleet = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fleet");
    let function = fs::read_to_string(fleet.join("functions/update_updated_at_column.sql")).unwrap();
    client.batch_execute(&function).await.unwrap();
    let tables = fs::read_to_string(fleet.join("schema/tenant.sql")).unwrap();
    let tables = tables.replace("{tenant}", &literal(tenant.as_str()));
    let uncounted = "ALTER TABLE {schema}.contexts SET (autovacuum_enabled = off)";
    let all = format!("CREATE SCHEMA {{schema}};\n{tables}\n{uncounted}");
    client.batch_execute(&statements::of_tenant(&all, tenant)).await.unwrap();
}
