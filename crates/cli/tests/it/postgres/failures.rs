//! Failures to connect: each names host, user and what to do, quickly, and never a password.

use std::time::{Duration, Instant};

use context_testing::{PASSWORD, PASSWORD_USER, SERVER, SUPERUSER};
use serde_json::json;

use super::{Database, texts};

/// Every command that opens the store.
const COMMANDS: [&[&str]; 6] = [
    &["bootstrap"],
    &["bootstrap", "--health-check"],
    &["serve", "--listen", "127.0.0.1:0"],
    &["doctor"],
    &["tenant", "list"],
    &["context", "get"],
];

/// Runs `command` on `url`, which must fail within five seconds, and returns standard error.
fn fails(database: &Database, url: &str, command: &[&str]) -> String {
    let begun = Instant::now();
    let output = database.command(command).env("DATABASE_URL", url).output().unwrap();
    let (shown, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{command:?}: {shown}{errors}");
    assert_eq!(shown, "", "{command:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{command:?} took {:?}: {errors}", begun.elapsed());
    errors
}

#[test]
fn a_failed_connection_names_host_user_database_and_cause() {
    let database = Database::new();
    let port = database.url().rsplit_once(':').unwrap().1.split('/').next().unwrap().to_owned();
    let here = format!("127.0.0.1:{port}");
    let wrong = "wrong-5f2d";
    for (url, says) in [
        (format!("postgres://ann:{wrong}@127.0.0.1:1/shop"), ["127.0.0.1:1", "ann", "shop", "refused"]),
        (
            format!("postgres://{PASSWORD_USER}:{wrong}@{here}/{SUPERUSER}"),
            [here.as_str(), PASSWORD_USER, SUPERUSER, "password authentication failed"],
        ),
        (database.url() + "_not", [&here, "context_owner", "_not", "createdb"]),
        (format!("postgres://nobody@{here}/{SUPERUSER}"), [&here, "nobody", SUPERUSER, "role"]),
        (
            "postgres://ann@no-such-host.invalid/shop".to_owned(),
            ["no-such-host.invalid", "ann", "shop", "host"],
        ),
    ] {
        for command in COMMANDS {
            let errors = fails(&database, &url, command);
            for word in says {
                assert!(errors.contains(word), "{command:?} does not name {word}: {errors}");
            }
            assert!(!errors.contains(wrong) && !errors.contains(PASSWORD), "{command:?}: {errors}");
        }
    }
}

#[test]
fn a_missing_privilege_is_named_with_its_grant() {
    let database = Database::new();
    let errors = fails(&database, &database.url_as(SERVER), &["bootstrap"]);
    for word in [SERVER, "GRANT", "CREATE"] {
        assert!(errors.contains(word), "{word}: {errors}");
    }
    let grant = errors.split('`').find(|part| part.starts_with("GRANT"));
    if let Some(grant) = grant {
        database.execute(grant);
    }
}

#[test]
fn in_an_empty_database_commands_name_bootstrap() {
    let database = Database::new();
    for command in COMMANDS.iter().filter(|command| command[0] != "bootstrap") {
        let errors = fails(&database, &database.url(), command);
        assert!(errors.contains("context-service bootstrap"), "{errors}");
    }
}

#[test]
fn requests_fail_while_the_database_is_down_and_recover_by_themselves() {
    let database = Database::alone("default");
    let served = database.serve(SERVER, &[]);
    let at = |path: &str| format!("/v1/tenants/default/tree/{path}");
    assert_eq!(served.put(&at("before"), &json!({"context_data": {"n": 1}})).status, 201);
    database.kill();
    for _ in 0..3 {
        let lost = served.get(&at("before"));
        assert_eq!(lost.problem(503), "store_unavailable");
        assert!(lost.head.contains("retry-after: "), "{lost:?}");
        let lost = served.put(&at("during"), &json!({"context_data": {}}));
        assert!(matches!(lost.problem(503), "store_unavailable" | "outcome_unknown"), "{lost:?}");
        assert_eq!(served.get("/readyz").status, 503);
        assert_eq!(served.get("/livez").status, 200);
        assert_eq!(served.get("/health").status, 503);
    }
    database.restart();
    let patience = Instant::now();
    while served.get(&at("before")).status != 200 {
        assert!(patience.elapsed() < Duration::from_secs(30), "it does not recover: {}", served.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(served.get(&at("before")).body["context_data"], json!({"n": 1}));
    assert_eq!(served.put(&at("after"), &json!({"context_data": {}})).status, 201);
    assert_eq!((served.get("/readyz").status, served.get("/health").status), (200, 200));
}

#[test]
fn what_needs_a_person_is_named_and_nothing_is_changed() {
    for (before, says) in [
        (
            "UPDATE public.migration_history SET checksum = 'x' WHERE tenant = 'demo' AND revision = 2",
            "by migration 2, whose text differs",
        ),
        (
            "INSERT INTO public.migration_history
             (tenant, schema, revision, migration_name, checksum, status, started, by)
             VALUES ('demo', 'tenant_demo', 99, 'later', 'x', 'applied', now(), 'x')",
            "revision 99",
        ),
        (
            "DROP TABLE public.api_keys; CREATE TABLE public.api_keys (colour text)",
            "public.api_keys is not this service's",
        ),
    ] {
        let database = Database::with("default,demo");
        database.execute(before);
        database.execute("DROP INDEX tenant_default.idx_contexts_tags");
        let checked = database.run(&["bootstrap", "--health-check", "--tenant-ids", "default,demo"]);
        assert_eq!(checked.status.code(), Some(1));
        assert!(texts(&checked).0.contains(says), "{says}: {}", texts(&checked).0);
        let refused = database.run(&["bootstrap", "--tenant-ids", "default,demo"]);
        assert_eq!(refused.status.code(), Some(1));
        let (_, errors) = texts(&refused);
        assert!(errors.contains(says) && errors.contains("nothing was changed"), "{says}: {errors}");
        let index = "SELECT indexname::text FROM pg_indexes
                     WHERE schemaname = 'tenant_default' AND indexname = 'idx_contexts_tags'";
        assert_eq!(database.query(SUPERUSER, index), [""; 0]);
    }
}

#[test]
fn an_older_systems_ledger_is_renamed_and_another_encoding_is_refused() {
    let database = Database::new();
    database.execute(
        "CREATE TABLE public.migration_history (version text PRIMARY KEY);
         INSERT INTO public.migration_history VALUES ('7');
         ALTER TABLE public.migration_history OWNER TO context_owner",
    );
    let (_, errors) = database.succeeds(&["bootstrap"]);
    assert!(errors.contains("notice") && errors.contains("migration_history_legacy"), "{errors}");
    assert_eq!(database.query(SUPERUSER, "SELECT version FROM public.migration_history_legacy"), ["7"]);
    database.succeeds(&["bootstrap", "--health-check"]);
    let latin = database.url() + "_latin";
    let name = latin.rsplit_once('/').unwrap().1;
    database.execute(&format!(
        "CREATE DATABASE {name} OWNER context_owner ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'
         TEMPLATE template0"
    ));
    for command in [&["bootstrap"][..], &["bootstrap", "--health-check"]] {
        let errors = fails(&database, &latin, command);
        assert!(errors.contains("LATIN1") && errors.contains("UTF"), "{errors}");
    }
}
