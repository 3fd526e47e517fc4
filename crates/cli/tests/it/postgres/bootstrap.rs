//! `bootstrap` and its health check, in all states of a database.

use std::time::{Duration, Instant};

use context_testing::SUPERUSER;
use serde_json::json;

use super::{Database, texts};

const TENANTS: &str = "default,demo,my-tenant";

/// Damages to an installation: what the report names, the statement that does the damage, and what is lost by
/// it.
const DAMAGES: [(&str, &str, Option<&str>); 10] = [
    ("contexts", "DROP TABLE tenant_demo.contexts CASCADE", Some("contexts")),
    ("context_changes", "DROP TABLE tenant_demo.context_changes", Some("context_changes")),
    ("tenant_demo", "DROP SCHEMA tenant_demo CASCADE", Some("demo")),
    ("idx_contexts_tags", "DROP INDEX tenant_demo.idx_contexts_tags", None),
    ("update_contexts_updated_at", "DROP TRIGGER update_contexts_updated_at ON tenant_demo.contexts", None),
    ("create_tenant_schema", "DROP FUNCTION public.create_tenant_schema(text)", None),
    ("cleanup_expired_contexts", "DROP FUNCTION public.cleanup_expired_contexts(text)", None),
    ("contexts_place_check", "ALTER TABLE tenant_demo.contexts DROP CONSTRAINT contexts_place_check", None),
    ("api_keys", "DROP TABLE public.api_keys", Some("api_keys")),
    ("demo", "DELETE FROM public.tenants WHERE id = 'demo'", Some("API key")),
];

#[test]
fn an_empty_database_becomes_an_installation() {
    let database = Database::new();
    let output = database.run(&["bootstrap", "--health-check"]);
    let (shown, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}{errors}");
    assert!(shown.contains("public.tenants") && shown.contains("tenant default"), "{shown}");
    let nothing = "SELECT count(*)::text FROM pg_namespace WHERE nspname LIKE 'tenant%'";
    assert_eq!(database.query(SUPERUSER, nothing), ["0"], "a health check created something");
    let (made, errors) = database.succeeds(&["bootstrap", "--tenant-ids", TENANTS]);
    assert!(made.contains("my-tenant") && errors.is_empty(), "{made}{errors}");
    database.succeeds(&["bootstrap", "--health-check", "--tenant-ids", TENANTS]);
    let begun = Instant::now();
    let (shown, errors) = database.succeeds(&["bootstrap", "--tenant-ids", TENANTS]);
    assert_eq!((shown.as_str(), errors.as_str()), ("nothing to do: 3 of 3 tenants are complete\n", ""));
    assert!(begun.elapsed() < Duration::from_secs(2), "it took {:?}", begun.elapsed());
}

#[test]
fn damage_is_named_and_repaired_and_losses_are_reported() {
    let database = Database::with(TENANTS);
    for tenant in ["default", "demo"] {
        database.json(&[
            "context",
            "put",
            "--tenant",
            tenant,
            "--project",
            "web",
            "--data",
            "{\"kept\": true}",
        ]);
    }
    for (says, damage, lost) in DAMAGES {
        database.execute(damage);
        let output = database.run(&["bootstrap", "--health-check", "--tenant-ids", TENANTS]);
        let (shown, errors) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{damage}: {shown}{errors}");
        assert!(shown.contains(says), "{damage}: {shown}");
        let (shown, errors) = database.succeeds(&["bootstrap", "--tenant-ids", TENANTS]);
        match lost {
            Some(lost) => {
                assert!(errors.contains("lost") && errors.contains(lost), "{damage}: {shown}{errors}");
            }
            None => assert!(!errors.contains("lost") && !shown.contains("lost"), "{damage}: {shown}{errors}"),
        }
        assert!(shown.contains(says), "{damage}: {shown}");
        let (_, errors) = database.succeeds(&["bootstrap", "--health-check", "--tenant-ids", TENANTS]);
        assert_eq!(errors, "", "{damage}");
        let kept = database.json(&["context", "get", "--project", "web"]);
        assert_eq!(kept["context_data"], json!({"kept": true}), "{damage}");
        database.json(&["context", "get", "--tenant", "demo"]);
    }
}

#[test]
fn a_column_of_another_type_is_named_and_not_changed() {
    let database = Database::with(TENANTS);
    let of_type = |name: &str| format!("ALTER TABLE tenant_demo.contexts ALTER COLUMN title TYPE {name}");
    database.execute(&of_type("text"));
    let says = "the column title of contexts is text, not character varying(255)";
    let refused = |args: &[&str]| {
        let output = database.run(&[&["bootstrap", "--tenant-ids", TENANTS], args].concat());
        let (shown, errors) = texts(&output);
        assert_eq!((output.status.code(), errors.as_str()), (Some(1), ""), "{args:?}: {shown}");
        shown
    };
    for (args, says) in [(&["--health-check"][..], says.to_owned()), (&[], format!("still wrong: {says}"))] {
        let shown = refused(args);
        let lines: Vec<_> = shown.lines().filter(|line| line.contains("the column")).collect();
        assert_eq!(lines.len(), 1, "{shown}");
        assert!(lines[0].contains("tenant demo") && lines[0].contains(&says), "{shown}");
    }
    let report = refused(&["--output", "json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let wrong = json!([{"name": "tenant demo", "problem": says}]);
    assert_eq!((&report["healthy"], &report["wrong"], &report["done"]), (&json!(false), &wrong, &json!([])));
    // Bootstrap has not changed it, and is content once the type is restored by hand.
    let found = "SELECT data_type::text FROM information_schema.columns
                 WHERE table_schema = 'tenant_demo' AND table_name = 'contexts' AND column_name = 'title'";
    assert_eq!(database.query(SUPERUSER, found), ["text"]);
    database.execute(&of_type("varchar(255)"));
    database.succeeds(&["bootstrap", "--health-check", "--tenant-ids", TENANTS]);
}

#[test]
fn functions_alone_are_not_an_installation() {
    let database = Database::with(TENANTS);
    database.execute(
        "DROP SCHEMA tenant_default, tenant_demo, \"tenant_my-tenant\" CASCADE;
         DROP TABLE public.tenants, public.api_keys, public.migration_history, public.serving_roles CASCADE",
    );
    assert_eq!(database.run(&["bootstrap", "--health-check"]).status.code(), Some(1));
    database.succeeds(&["bootstrap"]);
    database.succeeds(&["bootstrap", "--health-check"]);
}

#[test]
fn the_tenants_come_from_the_environment_and_a_health_check_covers_all() {
    let database = Database::new();
    let bootstrap = |args: &[&str]| {
        let mut command = database.command(&[&["bootstrap"], args].concat());
        command.env("TENANT_IDS", "default,acme").output().unwrap()
    };
    assert!(bootstrap(&["--tenant-id", "default"]).status.success());
    let (shown, _) = texts(&bootstrap(&["--health-check"]));
    assert!(shown.contains("tenant acme") && !shown.contains("tenant default: "), "{shown}");
    assert!(bootstrap(&[]).status.success());
    assert!(bootstrap(&["--health-check"]).status.success());
    let checks = database.json(&["bootstrap", "--health-check", "--tenant-id", "acme"]);
    assert_eq!(checks["healthy"], true);
    assert!(checks["checks"].to_string().contains("tenant acme"), "{checks}");
}

#[test]
fn simultaneous_bootstraps_succeed_and_duplicate_nothing() {
    let database = Database::new();
    let tenants: Vec<_> = (0..12).map(|number| format!("t-{number}")).collect();
    let tenants = tenants.join(",");
    let start = || database.command(&["bootstrap", "--tenant-ids", &tenants]).spawn().unwrap();
    let both = [start(), start(), start()];
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", texts(&output).1);
    }
    database.succeeds(&["bootstrap", "--health-check", "--tenant-ids", &tenants]);
    let count = |sql: &str| database.query(SUPERUSER, sql);
    assert_eq!(count("SELECT count(*)::text FROM public.tenants"), ["12"]);
    let doubled = "SELECT concat_ws(' ', tenant, revision) FROM public.migration_history
                   GROUP BY tenant, revision HAVING count(*) > 1";
    assert_eq!(count(doubled), [""; 0]);
}

#[test]
fn psql_shows_the_documented_functions_schemas_and_tables() {
    let database = Database::with(TENANTS);
    let seen = |sql: &str| database.query(context_testing::OWNER, sql);
    let routines = seen(
        "SELECT routine_name::text FROM information_schema.routines
         WHERE routine_schema = 'public' ORDER BY 1",
    );
    for name in ["cleanup_expired_contexts", "create_tenant_schema", "update_updated_at_column"] {
        assert!(routines.iter().any(|routine| routine == name), "{name}: {routines:?}");
    }
    let schemas = "SELECT schema_name::text FROM information_schema.schemata
                   WHERE schema_name LIKE 'tenant_%' ORDER BY 1";
    assert_eq!(seen(schemas), ["tenant_default", "tenant_demo", "tenant_my-tenant"]);
    let tables = "SELECT table_name::text FROM information_schema.tables
                  WHERE table_schema = 'tenant_default' ORDER BY 1";
    assert_eq!(seen(tables), ["context_changes", "context_inheritance_cache", "contexts"]);
    // A tenant created in psql is served.
    database.query(context_testing::OWNER, "SELECT public.create_tenant_schema('from-psql')::text");
    database.json(&["context", "get", "--tenant", "from-psql"]);
    database.succeeds(&["bootstrap", "--health-check", "--tenant-id", "from-psql"]);
}
