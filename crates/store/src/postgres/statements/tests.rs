//! Checks that each statement carries the tenant's id, and that no other folder mentions the tables.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::list::COUNT_GLOBAL;
use super::*;

/// Returns all statements except those that are built for a set of conditions or of tenants.
fn statements() -> [(&'static str, &'static str); 22] {
    [
        ("CHAIN_BY_SCOPE", &CHAIN_BY_SCOPE),
        ("CHAIN_BY_ID", &CHAIN_BY_ID),
        ("LIVE", &LIVE),
        ("CHILDREN", &CHILDREN),
        ("EVERY", &EVERY),
        ("ALL", &ALL),
        ("REPLACE", &REPLACE),
        ("KEEP", &KEEP),
        ("INSERT_FREE", &INSERT_FREE),
        ("INSERT_NODE", &INSERT_NODE),
        ("PATH_NODES", &PATH_NODES),
        ("INSERT_EMPTY", &INSERT_EMPTY),
        ("LOCK", &LOCK),
        ("LOCK_EXPIRED", &LOCK_EXPIRED),
        ("COUNT_CHILDREN", &COUNT_CHILDREN),
        ("LOCK_BELOW", &LOCK_BELOW),
        ("REMOVE", &REMOVE),
        ("REMOVE_LEAF", &REMOVE_LEAF),
        ("CHANGE_ON_KEY", &CHANGE_ON_KEY),
        ("FREE_KEY", &FREE_KEY),
        ("CHANGES", &CHANGES),
        ("CHANGES_OF_ONE", &CHANGES_OF_ONE),
    ]
}

const TABLES: [&str; 3] = ["contexts", "context_changes", "context_inheritance_cache"];

/// Returns every statement, with its name.
fn all_statements() -> Vec<(String, String)> {
    let named = |(name, sql): (&str, &str)| (name.to_owned(), sql.to_owned());
    let mut all: Vec<_> = statements().map(named).to_vec();
    for set in 1_u32..(1 << SearchCondition::ALL.len()) {
        let of_set = SearchCondition::ALL.into_iter().enumerate().filter(|(bit, _)| set & (1 << bit) != 0);
        let conditions: Vec<_> = of_set.map(|(_, condition)| condition).collect();
        all.push((format!("search {conditions:?}"), search_statement(&conditions)));
    }
    all.push(("COUNT_GLOBAL".to_owned(), COUNT_GLOBAL.replace("{tenant}", "$1")));
    all
}

/// A mention of a table in a statement: its alias, and the text before and after it.
struct Mention<'a> {
    before: &'a str,
    table: &'a str,
    alias: &'a str,
    after: &'a str,
}

fn mentions(sql: &str) -> Vec<Mention<'_>> {
    let mut found = Vec::new();
    for (at, _) in sql.match_indices("{schema}.") {
        let (before, rest) = sql.split_at(at);
        let rest = rest.trim_start_matches("{schema}.");
        let mut words = rest.split_ascii_whitespace();
        let (table, alias) = match (words.next(), words.next(), words.next()) {
            (Some(table), Some("AS"), Some(alias)) => (table, alias),
            other => panic!("{other:?}: a table has an alias in each statement\n{sql}"),
        };
        found.push(Mention {
            before: before.trim_end(),
            table,
            alias: alias.trim_end_matches(')'),
            after: rest,
        });
    }
    found
}

/// Returns what is wrong with a statement.
fn faults(sql: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mentions = mentions(sql);
    if mentions.is_empty() {
        faults.push("it mentions no table".to_owned());
    }
    for mention in &mentions {
        if !TABLES.contains(&mention.table) {
            faults.push(format!("{} is not one of the tables", mention.table));
        }
        if mention.before.ends_with("INSERT INTO") {
            let columns = mention.after.split_once('(').map_or("", |(_, columns)| columns.trim_start());
            let values = mention.after.split_once("VALUES (").or(mention.after.split_once("SELECT "));
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
    // Every mention names the schema.
    for table in TABLES {
        let bare = sql.match_indices(table).filter(|(at, _)| {
            let (before, rest) = sql.split_at(*at);
            let (_, after) = rest.split_at(table.len());
            let is_word = |next: Option<char>| next.is_some_and(|next| next.is_alphanumeric() || next == '_');
            !is_word(before.chars().last())
                && !is_word(after.chars().next())
                && !before.ends_with("{schema}.")
        });
        faults.extend(bare.map(|_| format!("{table} is mentioned without its schema")));
    }
    faults
}

#[test]
fn every_mention_of_a_table_carries_the_schema_and_the_tenants_id() {
    let all = all_statements();
    assert_eq!(all.len(), statements().len() + 1_023 + 1);
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
    assert_eq!(faults(&LIVE), Vec::<String>::new());
}

#[test]
fn every_statement_is_among_those_that_are_looked_at() {
    let sources = sources().into_iter().filter(|path| path.starts_with(folder().join("statements")));
    let mut declared = BTreeSet::new();
    for path in sources.filter(|path| !path.ends_with("tests.rs")) {
        let source = fs::read_to_string(&path).unwrap();
        let statics = source.lines().filter_map(|line| line.strip_prefix("pub(crate) static "));
        let names = statics.map(|line| line.split_once(": Statement").unwrap().0.to_owned());
        declared.extend(names);
    }
    let listed: BTreeSet<_> = statements().iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(declared, listed);
    assert_eq!(listed.len(), statements().len());
    let texts: BTreeSet<_> = statements().iter().map(|(_, sql)| *sql).collect();
    assert_eq!(texts.len(), listed.len(), "two names are listed with the same statement");
}

#[test]
fn no_statement_on_the_tenants_tables_stands_elsewhere() {
    let elsewhere = sources().into_iter().filter(|path| !path.starts_with(folder().join("statements")));
    // Tests make rows of their own.
    let elsewhere: Vec<_> = elsewhere.filter(|path| !path.starts_with(folder().join("tests"))).collect();
    assert!(elsewhere.len() > 30, "{}", elsewhere.len());
    for path in elsewhere {
        let source = fs::read_to_string(&path).unwrap();
        assert_eq!(reaches(&source), Vec::<String>::new(), "{}", path.display());
    }
    for statement in
        ["DELETE FROM {schema}.contexts", "UPDATE contexts SET", "INSERT INTO \"tenant_a\".contexts"]
    {
        assert_eq!(reaches(statement).len(), 1, "{statement}");
    }
}

/// Returns the tables that the statements in a source use (their keywords are in capitals), except those of
/// the control schema and the catalogs.
fn reaches(source: &str) -> Vec<String> {
    let code: Vec<_> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join(" ");
    let words: Vec<_> = code.split_ascii_whitespace().collect();
    let verbs = ["FROM", "INTO", "UPDATE", "JOIN", "TABLE", "ONLY", "USING"];
    let targets = words.windows(2).filter(|pair| verbs.contains(&pair[0].trim_start_matches(['"', '('])));
    let tenants = |target: &&str| target.contains("context") || target.starts_with(['{', '\\', '"']);
    targets.map(|pair| pair[1]).filter(tenants).map(str::to_owned).collect()
}

/// Returns the source files of the store's PostgreSQL side, those in subfolders included.
fn sources() -> Vec<PathBuf> {
    let (mut folders, mut sources) = (vec![folder().to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(path);
            }
        }
    }
    sources
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/postgres"))
}
