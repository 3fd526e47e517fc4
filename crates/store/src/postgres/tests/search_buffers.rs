//! How many blocks a search reads: 20,000 documents of 3.6 KB, any match rate, with and without statistics.

use std::fs;
use std::path::Path;

use context_domain::id::TenantId;
use context_testing::{OWNER, postgres};
use serde_json::Value;
use tokio_postgres::Client;

use crate::postgres::names::literal;
use crate::postgres::pool::SETTINGS;
use crate::postgres::search::Bounds;
use crate::postgres::statements::{self, SearchCondition};

/// Blocks that a search may read. The rows take 500, their documents 40,000.
///
/// Measured: 7 to 20 if nothing matches; 65 to 160 if one in a thousand does; 63 (a tag), 700 (a word) and
/// 1,000 (a filter) if one in twenty does; 20 to 410 if one in two does.
const SOME: i64 = 300;
const MANY: i64 = 1_500;
/// Added while the pending lists of the GIN indexes have not been merged: an index may keep about that many
/// unsorted blocks.
const PENDING: i64 = 600;

const ROWS: &str = "
    INSERT INTO {schema}.contexts (id, context_data, context_type, tags, tenant_id, terms)
    SELECT 'ctx_01970000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'),
        jsonb_build_object('share', shares, 'text', texts), 'note', shares, 'shares',
        shares || texts
    FROM generate_series(1, 20000) AS n,
        LATERAL (SELECT array_remove(ARRAY[
            'all', CASE WHEN n % 2 = 0 THEN 'half' END, CASE WHEN n % 20 = 0 THEN 'twentieth' END,
            CASE WHEN n % 1000 = 0 THEN 'thousandth' END], NULL) AS shares) AS s,
        LATERAL (
            SELECT array_agg(md5(((n * 7 + k) % 3000)::text)) AS texts FROM generate_series(1, 95) AS k
        ) AS t";

/// A search by one condition, as the service prepares it; `{}` in `value` is what is searched for.
struct SearchCase {
    name: &'static str,
    condition: SearchCondition,
    value: &'static str,
    ty: &'static str,
}

const CASES: [SearchCase; 3] = [
    SearchCase {
        name: "filter",
        condition: SearchCondition::Filter,
        value: r#"{"share": ["{}"]}"#,
        ty: "jsonb",
    },
    SearchCase { name: "tag", condition: SearchCondition::Tags, value: r#"{"{}"}"#, ty: "text[]" },
    SearchCase { name: "word", condition: SearchCondition::Words, value: r#"{"{}"}"#, ty: "text[]" },
];

#[tokio::test]
async fn a_search_reads_few_blocks_at_any_match_rate_with_and_without_statistics() {
    let tenant: TenantId = "shares".parse().unwrap();
    let server = postgres().await;
    let client = server.connect(OWNER, &server.create_database("search").await).await;
    make_empty(&client, &tenant).await;
    let run =
        async |template: &str| client.batch_execute(&statements::of_tenant(template, &tenant)).await.unwrap();
    // A generic plan that was made for an empty table is kept until the table is analyzed.
    run(SETTINGS).await;
    run("SET statement_timeout = 0").await;
    run("VACUUM ANALYZE {schema}.contexts").await;
    prepare(&client, &tenant).await;
    for case in &CASES {
        explain_search(&client, case, "all").await;
    }
    run(ROWS).await;
    within_bounds(&client, "planned for an empty table", PENDING).await;
    // The table is not analyzed, and the planner may scan it sequentially.
    run("RESET enable_seqscan").await;
    prepare(&client, &tenant).await;
    within_bounds(&client, "not analyzed, pending lists not merged", PENDING).await;
    for index in ["idx_contexts_data", "idx_contexts_tags", "idx_contexts_terms"] {
        run(&format!("SELECT gin_clean_pending_list('{{schema}}.{index}'::regclass)")).await;
    }
    prepare(&client, &tenant).await;
    within_bounds(&client, "not analyzed", 0).await;
    run("ANALYZE {schema}.contexts").await;
    prepare(&client, &tenant).await;
    within_bounds(&client, "analyzed", 0).await;
    // Unnamed statements are planned for their parameters.
    run("SET plan_cache_mode = force_custom_plan").await;
    within_bounds(&client, "analyzed, custom plans", 0).await;
}

async fn within_bounds(client: &Client, when: &str, more: i64) {
    for case in &CASES {
        for (share, found, bound) in [
            ("none", 0, SOME),
            ("thousandth", 10, SOME),
            ("twentieth", 10, MANY),
            ("half", 10, MANY),
            ("all", 10, MANY),
        ] {
            let (rows, blocks) = explain_search(client, case, share).await;
            println!("{when}: {} {share}: {blocks} blocks", case.name);
            assert_eq!(rows, found.max(1), "{when}: {} {share}", case.name);
            assert!(blocks <= bound + more, "{when}: {} {share}: {blocks} blocks", case.name);
        }
    }
}

/// Searches for ten contexts, and returns the numbers of rows and of blocks that were read.
async fn explain_search(client: &Client, case: &SearchCase, share: &str) -> (i64, i64) {
    let value = literal(&case.value.replace("{}", share));
    let Bounds { candidates, walk } = Bounds::FIRST;
    let explained = format!(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) \
         EXECUTE {} ('shares', '2030-01-01', '', 10, {candidates}, {walk}, {value})",
        case.name
    );
    let answer: Value = client.query_one(&explained, &[]).await.unwrap().get(0);
    let plan = &answer[0]["Plan"];
    // Since version 18, numbers of rows have fractions.
    let number = |name: &str| plan[name].to_string().split('.').next().unwrap().parse::<i64>().unwrap();
    (number("Actual Rows"), number("Shared Hit Blocks") + number("Shared Read Blocks"))
}

async fn prepare(client: &Client, tenant: &TenantId) {
    client.batch_execute("DEALLOCATE ALL").await.unwrap();
    for case in &CASES {
        let sql = statements::of_tenant(&statements::search_statement(&[case.condition]), tenant);
        let (name, ty) = (case.name, case.ty);
        let prepared = format!("PREPARE {name} (text, timestamptz, text, int8, int8, int8, {ty}) AS {sql}");
        client.batch_execute(&prepared).await.unwrap();
    }
}

/// Creates the tenant's tables, with autovacuum and its analyzing turned off.
pub(super) async fn make_empty(client: &Client, tenant: &TenantId) {
    let fleet = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fleet");
    let function = fs::read_to_string(fleet.join("functions/update_updated_at_column.sql")).unwrap();
    client.batch_execute(&function).await.unwrap();
    let tables = fs::read_to_string(fleet.join("schema/tenant.sql")).unwrap();
    let tables = tables.replace("{tenant}", &literal(tenant.as_str()));
    let no_autovacuum = "ALTER TABLE {schema}.contexts SET (autovacuum_enabled = off)";
    let all = format!("CREATE SCHEMA {{schema}};\n{tables}\n{no_autovacuum}");
    client.batch_execute(&statements::of_tenant(&all, tenant)).await.unwrap();
}
