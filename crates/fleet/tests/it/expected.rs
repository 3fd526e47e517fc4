//! What schemas are expected to hold is generated from a database that the SQL files made.
//!
//! The generated files are checked in, so that a change of the SQL shows in review what the health check
//! looks for from then on: `UPDATE_SNAPSHOT=1 cargo test -p context-fleet expected` writes them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Database, tenants};

/// Returns the lines that the query `parts` makes for one table, which it finds as `t`.
async fn query_parts(database: &Database, schema: &str, table: &str, parts: &str) -> Vec<String> {
    database
        .query_texts(&format!(
            "WITH t AS (SELECT oid FROM pg_class
                        WHERE relnamespace = '{schema}'::regnamespace AND relname = '{table}')
             {parts}"
        ))
        .await
}

const COLUMNS: &str = "SELECT format('(\"%s\", \"%s\")', attname, format_type(atttypid, atttypmod))
    FROM t JOIN pg_attribute ON attrelid = t.oid WHERE attnum > 0 AND NOT attisdropped ORDER BY attnum";
/// The index of a constraint comes and goes with it.
const INDEXES: &str = "SELECT '\"' || c.relname || '\"'
    FROM t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
    ORDER BY c.relname COLLATE \"C\"";
/// NOT NULL is a constraint of its own since PostgreSQL 18.
const CONSTRAINTS: &str = "SELECT '\"' || conname || '\"' FROM t JOIN pg_constraint ON conrelid = t.oid
    WHERE contype <> 'n' ORDER BY conname COLLATE \"C\"";
const TRIGGERS: &str = "SELECT '\"' || tgname || '\"' FROM t JOIN pg_trigger ON tgrelid = t.oid
    WHERE NOT tgisinternal ORDER BY tgname COLLATE \"C\"";

/// Writes the tables of `schema` as a Rust constant, after `head`.
async fn generate(database: &Database, schema: &str, head: &str) -> String {
    let tables = format!(
        "SELECT relname FROM (SELECT * FROM pg_class WHERE relnamespace = '{schema}'::regnamespace
                              AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY oid) AS tables"
    );
    let tables = database.query_texts(&tables).await;
    let mut text = head.replace("{count}", &tables.len().to_string());
    for table in tables {
        writeln!(text, "    ExpectedTable {{\n        name: \"{table}\",").unwrap();
        for (field, parts) in
            [("columns", COLUMNS), ("indexes", INDEXES), ("constraints", CONSTRAINTS), ("triggers", TRIGGERS)]
        {
            let parts = query_parts(database, schema, &table, parts).await;
            if parts.is_empty() {
                writeln!(text, "        {field}: &[],").unwrap();
                continue;
            }
            writeln!(text, "        {field}: &[").unwrap();
            for part in parts {
                writeln!(text, "            {part},").unwrap();
            }
            writeln!(text, "        ],").unwrap();
        }
        text.push_str("    },\n");
    }
    text.push_str("];\n");
    text
}

#[expect(clippy::disallowed_methods, reason = "the switch of a developer, not of the server")]
fn assert_generated(path: &Path, generated: &str) {
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        fs::write(path, generated).unwrap();
    }
    assert_eq!(
        fs::read_to_string(path).unwrap(),
        generated,
        "{} is not what the SQL files make: run `UPDATE_SNAPSHOT=1 cargo test -p context-fleet expected` \
         and review the difference",
        path.display()
    );
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[tokio::test]
async fn the_expected_tables_of_a_tenant_are_those_that_its_schema_file_makes() {
    let database = Database::with("expected", &["default"]).await;
    let head = "//! What the schema of every tenant holds: generated from `crates/fleet/schema/tenant.sql`.\n\
                //!\n\
                //! `UPDATE_SNAPSHOT=1 cargo test -p context-fleet expected` writes this file.\n\n\
                use super::expected::ExpectedTable;\n\n\
                /// The tables of a tenant's schema, in the order in which they are made.\n\
                #[rustfmt::skip]\n\
                pub const TABLES: [ExpectedTable; {count}] = [\n";
    let generated = generate(&database, "tenant_default", head).await;
    assert_generated(&crates().join("store/src/postgres/completeness/tenant_tables.rs"), &generated);
    assert_eq!(database.examine(&["default"]).await, []);
    assert_eq!(database.fleet().await.tenants().await.unwrap(), tenants(&["default"]));
}

#[tokio::test]
async fn the_expected_tables_of_the_control_schema_are_those_that_its_migrations_make() {
    let database = Database::with("expected_control", &["default"]).await;
    let head = "//! What the control schema holds: generated from `crates/fleet/migrations/control/`.\n\
                //!\n\
                //! `UPDATE_SNAPSHOT=1 cargo test -p context-fleet expected` writes this file.\n\n\
                use context_store::postgres::completeness::ExpectedTable;\n\n\
                /// The tables of the control schema, in the order in which they are made.\n\
                #[rustfmt::skip]\n\
                pub(crate) const CONTROL_TABLES: [ExpectedTable; {count}] = [\n";
    let generated = generate(&database, "public", head).await;
    assert_generated(&crates().join("fleet/src/control_tables.rs"), &generated);
}
