//! A server whose role owns nothing.

use context_testing::{OWNER, SERVER};
use serde_json::json;

use super::{Database, texts};
use crate::served::Served;

#[test]
fn the_serving_role_is_enough_for_everything_but_tenants() {
    let database = Database::served("default,demo");
    let served = database.serve(SERVER, &[]);
    let base = "/v1/tenants/default";
    let task = format!("{base}/tree/web/feature%2Flogin/42");
    assert_eq!(
        served.put(&format!("{base}/tree/web"), &json!({"context_data": {"a": 1, "b": 1}})).status,
        201
    );
    let put = served.put(&task, &json!({"context_data": {"b": 2, "say": "hello world"}, "tags": ["x"]}));
    assert_eq!(put.status, 201, "{put:?}");
    let resolved = served.get(&format!("{task}?view=resolved&explain=true")).body;
    assert_eq!(resolved["resolved_context"], json!({"a": 1, "b": 2, "say": "hello world"}));
    let patch = [("Content-Type", "application/merge-patch+json"), ("Idempotency-Key", "k")];
    for replayed in [false, true] {
        let patched = served.patch(&task, &patch, &json!({"title": "T"}));
        assert_eq!(
            (patched.status, patched.head.contains("idempotency-replayed")),
            (200, replayed),
            "{patched:?}"
        );
    }
    for query in ["q=hello", "tag=x", "filter=%7B%22b%22%3A2%7D", "context_level=task"] {
        let found = served.get(&format!("{base}/contexts?{query}")).body;
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{query}: {found}");
    }
    let changes = served.get(&format!("{base}/changes")).body;
    assert_eq!(changes["items"][0]["operation"], "update", "{changes}");
    assert_eq!(served.call("DELETE", &task, &[], None).status, 204);
    let tenants = served.get("/v1/tenants").body;
    assert_eq!(tenants["items"].as_array().unwrap().len(), 2, "{tenants}");
    assert_eq!(served.get("/v1/tenants/demo/tree/web").problem(404), "not_found");
    assert_eq!(served.get("/v1/tenants/demo_/tree").problem(404), "tenant_not_found");
    assert_eq!((served.get("/readyz").status, served.get("/health").status), (200, 200));
}

#[test]
fn a_cached_resolved_context_is_validated_and_never_stale() {
    let database = Database::served("default");
    let (served, other) = (database.serve(SERVER, &[]), database.serve(SERVER, &[]));
    let tree = "/v1/tenants/default/tree";
    let task = format!("{tree}/web/main/42");
    served.put(&task, &json!({"context_data": {"n": 1}}));
    let resolved = format!("{task}?view=resolved");
    for status in ["miss", "validated", "validated"] {
        let answer = served.get(&resolved);
        assert!(answer.head.contains(&format!("context-cache: {status}")), "{}", answer.head);
        assert_eq!(answer.body["resolved_context"], json!({"n": 1}));
    }
    // The next request sees what another server wrote.
    for n in 2..20 {
        let patch = [("Content-Type", "application/merge-patch+json")];
        assert_eq!(other.patch(tree, &patch, &json!({"context_data": {"of all": n}})).status, 200);
        let answer = served.get(&resolved);
        assert!(answer.head.contains("context-cache: miss"), "{}", answer.head);
        assert_eq!(answer.body["resolved_context"], json!({"n": 1, "of all": n}));
        assert_eq!(served.get(&resolved).body, answer.body);
    }
    assert!(served.get(&format!("{resolved}&explain=true")).head.contains("context-cache: miss"));
}

#[test]
fn creating_tenants_needs_the_owner() {
    let database = Database::served("default");
    let served = database.serve(SERVER, &[]);
    let new = json!({"id": "new"});
    let refused = served.call("POST", "/v1/tenants", &[], Some(&new));
    assert_eq!(refused.problem(403), "owner_needed");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(
        detail.contains("`context-service bootstrap --tenant-id new`")
            && detail.contains("DATABASE_ADMIN_URL"),
        "{detail}"
    );
    let refused = served.call("DELETE", "/v1/tenants/default", &[], None);
    assert_eq!(refused.problem(403), "owner_needed");
    assert!(refused.body["detail"].as_str().unwrap().contains("tenant drop default"), "{refused:?}");
    let owner = database.url_as(OWNER);
    let served = database.serve(SERVER, &[("DATABASE_ADMIN_URL", &owner)]);
    assert_eq!(served.call("POST", "/v1/tenants", &[], Some(&new)).status, 201);
    assert_eq!(served.call("POST", "/v1/tenants", &[], Some(&new)).problem(409), "tenant_exists");
    assert_eq!(served.put("/v1/tenants/new/tree/web", &json!({"context_data": {}})).status, 201);
    database.succeeds(&["bootstrap", "--health-check", "--tenant-ids", "default,new"]);
    assert_eq!(served.call("DELETE", "/v1/tenants/new", &[], None).status, 204);
    assert_eq!(served.get("/v1/tenants/new/tree").problem(404), "tenant_not_found");
}

#[test]
fn a_serving_role_without_grants_is_reported() {
    let database = Database::with("default");
    let bootstrap = |args: &[&str]| {
        let mut command = database.command(&[&["bootstrap"], args].concat());
        command.env("DATABASE_ADMIN_URL", database.url()).env("DATABASE_URL", database.url_as(SERVER));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, shown) = bootstrap(&["--health-check"]);
    assert!(code == Some(1) && shown.contains(SERVER), "{shown}");
    assert_eq!(bootstrap(&[]).0, Some(0));
    assert_eq!(bootstrap(&["--health-check"]).0, Some(0));
    let served = database.serve(SERVER, &[]);
    assert_eq!(served.put("/v1/tenants/default/tree/web", &json!({"context_data": {}})).status, 201);
}

#[test]
fn the_operators_commands_act_as_the_owner() {
    let database = Database::with("default");
    database.json(&["tenant", "create", "acme"]);
    database.json(&["context", "put", "--tenant", "acme", "--project", "web", "--data", "{\"a\": 1}"]);
    database.succeeds(&["bootstrap", "--health-check", "--tenant-id", "acme"]);
    let token =
        database.json(&["key", "create", "--tenant", "acme", "--scope", "read", "--name", "ci"])["token"]
            .clone();
    assert!(token.as_str().unwrap().starts_with("cs_"));
    database.succeeds(&["tenant", "drop", "acme", "--yes"]);
    assert_eq!(database.run(&["context", "get", "--tenant", "acme"]).status.code(), Some(1));
    assert_eq!(database.json(&["key", "list"])["items"], json!([]));
    let schemas = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'tenant\\_%'";
    assert_eq!(database.query(OWNER, schemas), ["tenant_default"]);
}

#[test]
fn a_damaged_tenant_is_unhealthy_and_the_others_work() {
    let database = Database::served("default,demo");
    let served = database.serve(SERVER, &[]);
    assert_eq!(served.put("/v1/tenants/demo/tree/web", &json!({"context_data": {}})).status, 201);
    database.execute("DROP TABLE tenant_demo.contexts CASCADE");
    let unhealthy = served.get("/v1/tenants/demo/tree/web");
    assert_eq!(unhealthy.problem(503), "tenant_unhealthy");
    assert!(unhealthy.head.contains("retry-after: "), "{unhealthy:?}");
    assert_eq!(served.put("/v1/tenants/default/tree/web", &json!({"context_data": {}})).status, 201);
    let health = served.get("/health");
    assert_eq!((health.status, served.get("/readyz").status), (503, 200));
    let checks = health.body["checks"].as_array().unwrap();
    let unhealthy: Vec<_> = checks.iter().filter(|check| check["status"] != "healthy").collect();
    assert_eq!(unhealthy.len(), 1, "{checks:?}");
    assert_eq!(unhealthy[0]["name"], "tenant demo");
    assert!(unhealthy[0]["detail"].as_str().unwrap().contains("contexts"), "{unhealthy:?}");
    let doctor = database.run(&["doctor"]);
    let shown = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.status.code() == Some(1) && shown.contains("tenant demo"), "{shown}");
    database.succeeds(&["bootstrap", "--tenant-ids", "default,demo"]);
    assert_eq!(served.get("/health").status, 200);
    assert_eq!(served.get("/v1/tenants/demo/tree/web").problem(404), "not_found");
}

#[test]
fn health_names_what_somebody_has_changed_by_hand() {
    let database = Database::served("default,demo");
    let served = database.serve(SERVER, &[]);
    for (change, says, undo) in [
        (
            "ALTER TABLE tenant_demo.contexts ENABLE ROW LEVEL SECURITY",
            "the table contexts has row-level security",
            "ALTER TABLE tenant_demo.contexts DISABLE ROW LEVEL SECURITY",
        ),
        (
            "CREATE RULE quiet AS ON DELETE TO tenant_demo.context_changes DO INSTEAD NOTHING",
            "the table context_changes has the rule quiet",
            "DROP RULE quiet ON tenant_demo.context_changes",
        ),
        (
            "ALTER TABLE tenant_demo.contexts ALTER COLUMN title TYPE text",
            "the column title of contexts is text, not character varying(255)",
            "ALTER TABLE tenant_demo.contexts ALTER COLUMN title TYPE varchar(255)",
        ),
    ] {
        database.execute(change);
        let health = served.get("/health");
        assert_eq!(
            (health.status, &health.body["status"]),
            (503, &json!("unhealthy")),
            "{change}: {health:?}"
        );
        let checks = health.body["checks"].as_array().unwrap();
        let unhealthy: Vec<_> = checks.iter().filter(|check| check["status"] != "healthy").collect();
        assert_eq!(
            (unhealthy.len(), &unhealthy[0]["name"]),
            (1, &json!("tenant demo")),
            "{change}: {checks:?}"
        );
        let detail = unhealthy[0]["detail"].as_str().unwrap();
        assert!(detail.starts_with(says) && detail.contains("by hand"), "{change}: {detail}");
        assert_eq!(served.get("/readyz").status, 200);
        database.execute(undo);
        let health = served.get("/health");
        assert_eq!((health.status, &health.body["status"]), (200, &json!("healthy")), "{undo}: {health:?}");
    }
}

#[test]
fn doctor_shows_how_the_database_is_reached_and_no_password() {
    let database = Database::with("default");
    let url = database.url().replace("context_owner@", "context_owner:secret@");
    let mut doctor = database.command(&["doctor", "--output", "json"]);
    let output = doctor.env("DATABASE_URL", &url).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}");
    let facts = serde_json::from_str::<serde_json::Value>(&shown).unwrap()["facts"].clone();
    assert!(facts["store"].as_str().unwrap().starts_with("postgres://context_owner@127.0.0.1:"), "{facts}");
    assert!(facts["connection mode"].as_str().unwrap().contains("direct"), "{facts}");
    assert!(facts.to_string().contains("PostgreSQL"), "{facts}");
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn everything_works_through_a_pooler_which_is_noticed() {
    let database = Database::new();
    let pooler = database.pooler();
    let url = database.url_through(&pooler, OWNER);
    let run = |args: &[&str]| {
        let output = database.command(args).env("DATABASE_URL", &url).output().unwrap();
        let (shown, errors) = texts(&output);
        assert!(output.status.success(), "{args:?}: {shown}{errors}");
        shown
    };
    run(&["bootstrap", "--tenant-ids", "default,demo", "--serving-role", SERVER]);
    run(&["bootstrap", "--health-check", "--tenant-ids", "default,demo"]);
    run(&["tenant", "create", "acme"]);
    assert!(run(&["doctor"]).contains("through a pooler"));
    let mut command = database.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("DATABASE_URL", database.url_through(&pooler, SERVER));
    let served = Served::start(command);
    for tenant in ["default", "demo", "acme"] {
        let put =
            served.put(&format!("/v1/tenants/{tenant}/tree/web"), &json!({"context_data": {"of": tenant}}));
        assert_eq!(put.status, 201, "{put:?}");
    }
    for _ in 0..20 {
        for tenant in ["default", "demo", "acme"] {
            let got = served.get(&format!("/v1/tenants/{tenant}/tree/web?view=resolved"));
            assert_eq!(got.body["resolved_context"], json!({"of": tenant}));
        }
    }
    let errors = database
        .command(&["bootstrap", "--force-recreate", "--yes"])
        .env("DATABASE_URL", &url)
        .output()
        .unwrap();
    assert!(texts(&errors).1.contains("pooler") && errors.status.code() == Some(1), "{}", texts(&errors).1);
}
