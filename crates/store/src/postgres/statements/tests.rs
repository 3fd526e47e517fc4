//! All statements, looked at one by one: none reaches a row without the tenant's id, and none stands
//! elsewhere.

use std::fs;
use std::path::Path;

use super::*;

const TABLES: [&str; 3] = ["contexts", "context_changes", "context_inheritance_cache"];

/// Every statement there is, with its name.
fn all() -> Vec<(String, String)> {
    let mut all: Vec<_> =
        STATEMENTS.iter().map(|(name, sql)| ((*name).to_owned(), (*sql).to_owned())).collect();
    for set in 1_u32..(1 << Condition::ALL.len()) {
        let of_set = Condition::ALL.into_iter().enumerate().filter(|(bit, _)| set & (1 << bit) != 0);
        let conditions: Vec<_> = of_set.map(|(_, condition)| condition).collect();
        all.push((format!("search {conditions:?}"), search(&conditions)));
    }
    all.push(("COUNT_GLOBAL".to_owned(), COUNT_GLOBAL.replace("{tenant}", "$1")));
    all
}

/// A mention of a table in a statement: what it is called there, and what stands before and behind it.
struct Mention<'a> {
    before: &'a str,
    table: &'a str,
    alias: &'a str,
    behind: &'a str,
}

fn mentions(sql: &str) -> Vec<Mention<'_>> {
    let mut found = Vec::new();
    for (at, _) in sql.match_indices("{schema}.") {
        let (before, rest) = sql.split_at(at);
        let rest = rest.trim_start_matches("{schema}.");
        let mut words = rest.split_ascii_whitespace();
        let (table, alias) = match (words.next(), words.next(), words.next()) {
            (Some(table), Some("AS"), Some(alias)) => (table, alias),
            other => panic!("{other:?}: a table has a name of its own in each statement\n{sql}"),
        };
        found.push(Mention {
            before: before.trim_end(),
            table,
            alias: alias.trim_end_matches(')'),
            behind: rest,
        });
    }
    found
}

/// What is wrong with a statement.
fn faults(sql: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mentions = mentions(sql);
    if mentions.is_empty() {
        faults.push("it mentions no table".to_owned());
    }
    for mention in &mentions {
        if !TABLES.contains(&mention.table) {
            faults.push(format!("{} is none of the tables", mention.table));
        }
        if mention.before.ends_with("INSERT INTO") {
            let columns = mention.behind.split_once('(').map_or("", |(_, columns)| columns.trim_start());
            let values = mention.behind.split_once("VALUES (").or(mention.behind.split_once("SELECT "));
            let values = values.map_or("", |(_, values)| values.trim_start());
            if !columns.starts_with("tenant_id,") || !values.starts_with("$1,") {
                faults.push(format!("what is inserted as {} is not the tenant's", mention.alias));
            }
            continue;
        }
        let same =
            |other: &&Mention<'_>| other.alias == mention.alias && !other.before.ends_with("INSERT INTO");
        let conditions = sql.matches(&format!("coalesce({}.tenant_id = $1, false)", mention.alias)).count();
        if conditions < mentions.iter().filter(same).count() {
            faults.push(format!("{} may be another tenant's", mention.alias));
        }
    }
    // Every mention is with its schema.
    for table in TABLES {
        let bare = sql.match_indices(table).filter(|(at, _)| {
            let (before, rest) = sql.split_at(*at);
            let (_, behind) = rest.split_at(table.len());
            let is_word = |next: Option<char>| next.is_some_and(|next| next.is_alphanumeric() || next == '_');
            !is_word(before.chars().last())
                && !is_word(behind.chars().next())
                && !before.ends_with("{schema}.")
        });
        faults.extend(bare.map(|_| format!("{table} is mentioned without its schema")));
    }
    faults
}

#[test]
fn every_mention_of_a_table_carries_the_schema_and_the_tenants_id() {
    let all = all();
    assert_eq!(all.len(), STATEMENTS.len() + 1_023 + 1);
    for (name, sql) in all {
        assert_eq!(faults(&sql), Vec::<String>::new(), "{name}: {sql}");
    }
}

#[test]
fn a_statement_that_breaks_a_rule_is_found() {
    for sql in [
        "SELECT FROM contexts AS c WHERE coalesce(c.tenant_id = $1, false)",
        "SELECT FROM {schema}.contexts AS c WHERE c.id = $2",
        "SELECT FROM {schema}.contexts AS c WHERE coalesce(d.tenant_id = $1, false)",
        "SELECT FROM {schema}.contexts AS c, {schema}.contexts AS c WHERE coalesce(c.tenant_id = $1, false)",
        "SELECT FROM {schema}.contexts AS c, {schema}.contexts AS d WHERE coalesce(c.tenant_id = $1, false)",
        "INSERT INTO {schema}.contexts AS c (id, tenant_id) VALUES ($1, $2)",
        "INSERT INTO {schema}.contexts AS c (tenant_id, id) VALUES ($2, $1)",
        "DELETE FROM {schema}.tenants AS c WHERE coalesce(c.tenant_id = $1, false)",
        "SELECT 1",
    ] {
        assert_ne!(faults(sql), Vec::<String>::new(), "{sql}");
    }
    assert_eq!(faults(LIVE), Vec::<String>::new());
}

#[test]
fn every_statement_is_among_those_that_are_looked_at() {
    let source = fs::read_to_string(folder().join("statements/mod.rs")).unwrap();
    let declared = source.lines().filter_map(|line| line.strip_prefix("pub(super) const "));
    let declared: Vec<_> =
        declared.filter_map(|line| line.split_once(": &str")).map(|(name, _)| name).collect();
    let listed: Vec<_> = STATEMENTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(declared, listed);
}

#[test]
fn no_statement_on_the_tenants_tables_stands_elsewhere() {
    let mut folders = vec![folder().to_owned()];
    let mut examined = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // This folder is where statements belong, and tests may send any.
            if path.is_dir() && !path.ends_with("statements") && !path.ends_with("tests") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                examined += 1;
                let found = reaches(&fs::read_to_string(&path).unwrap());
                assert_eq!(found, Vec::<String>::new(), "{}", path.display());
            }
        }
    }
    assert!(examined > 30, "{examined}");
    for statement in
        ["DELETE FROM {schema}.contexts", "UPDATE contexts SET", "INSERT INTO \"tenant_a\".contexts"]
    {
        assert_eq!(reaches(statement).len(), 1, "{statement}");
    }
}

/// The tables that the statements in a source reach (their verbs are in capitals), but for those of the
/// control schema and the catalogs.
fn reaches(source: &str) -> Vec<String> {
    let code: Vec<_> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join(" ");
    let words: Vec<_> = code.split_ascii_whitespace().collect();
    let verbs = ["FROM", "INTO", "UPDATE", "JOIN", "TABLE", "ONLY", "USING"];
    let targets = words.windows(2).filter(|pair| verbs.contains(&pair[0].trim_start_matches(['"', '('])));
    let tenants = |target: &&str| target.contains("context") || target.starts_with(['{', '\\', '"']);
    targets.map(|pair| pair[1]).filter(tenants).map(str::to_owned).collect()
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/postgres"))
}
