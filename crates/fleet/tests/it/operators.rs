//! Errors for operators whose database is not ready for this service.

use context_fleet::{Fleet, Report};
use context_store::postgres::ConnectionMode;
use context_testing::{OWNER, SERVER, SUPERUSER};

use crate::support::{Database, plan};

/// Asserts that an error names the server, the database and these words.
fn assert_names(error: &str, database: &Database, words: &[&str]) {
    let place = [format!("127.0.0.1:{}", database.server.port()), database.name.clone()];
    for word in place.iter().map(String::as_str).chain(words.iter().copied()) {
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[tokio::test]
async fn a_role_that_may_not_create_gets_the_grants_to_run() {
    let database = Database::empty("privilege").await;
    let refusal = async |role: &str| {
        let mut fleet = database.fleet_as(role).await;
        fleet.bootstrap(&plan(&["default"]), &mut |_| {}).await.unwrap_err().to_string()
    };
    let error = refusal(SERVER).await;
    let schemas = format!("GRANT CREATE ON DATABASE \"{}\" TO \"{SERVER}\";", database.name);
    let public = format!("GRANT USAGE, CREATE ON SCHEMA public TO \"{SERVER}\";");
    assert_names(&error, &database, &[SERVER, &schemas, &public]);
    // The statements in the message are enough.
    database.server.execute(&database.name, &schemas).await;
    let error = refusal(SERVER).await;
    assert!(!error.contains(&schemas) && error.contains(&public), "{error}");
    database.server.execute(&database.name, &public).await;
    let mut fleet = database.fleet_as(SERVER).await;
    let report = fleet.bootstrap(&plan(&["default"]), &mut |_| {}).await.unwrap();
    assert_eq!((report.made.len(), report.wrong.len()), (1, 0));
    // Another role may not change what this role owns now.
    let mut other = database.fleet_as(OWNER).await;
    let error = other.bootstrap(&plan(&["more"]), &mut |_| {}).await.unwrap_err().to_string();
    assert_names(&error, &database, &[OWNER, &format!("the installation belongs to the role \"{SERVER}\"")]);
}

#[tokio::test]
async fn a_public_schema_that_is_open_to_all_is_reported() {
    let database = Database::empty("open").await;
    let superuser = async |statements: &str| database.server.execute(&database.name, statements).await;
    // As in databases that PostgreSQL 14 has made.
    superuser("ALTER SCHEMA public OWNER TO postgres; GRANT CREATE ON SCHEMA public TO PUBLIC").await;
    let report = database.bootstrap(&["default"]).await;
    let [notice] = &report.notices[..] else { panic!("{:?}", report.notices) };
    let (says, statements) = notice.split_once("a superuser repairs that with ").unwrap();
    assert!(says.starts_with("every role may create in the schema public"), "{notice}");
    superuser(statements).await;
    superuser("DROP FUNCTION public.cleanup_expired_contexts(text)").await;
    let report = database.bootstrap(&["default"]).await;
    assert_eq!((report.notices.len(), report.repaired.len(), report.wrong.len()), (0, 1, 0));
}

#[tokio::test]
async fn a_database_without_the_schema_public_is_refused_with_what_to_do() {
    let database = Database::empty("bare").await;
    database.server.execute(&database.name, "DROP SCHEMA public").await;
    let error = database.refusal(&["default"]).await;
    let advice = format!("CREATE SCHEMA public AUTHORIZATION \"{OWNER}\";");
    assert_names(&error, &database, &[&advice]);
    database.server.execute(&database.name, &advice).await;
    assert_eq!(database.bootstrap(&["default"]).await.wrong, []);
}

#[tokio::test]
async fn another_encoding_is_refused() {
    let server = context_testing::postgres().await;
    let name = "latin".to_owned();
    let make =
        format!("CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0 OWNER {OWNER}");
    server.execute(SUPERUSER, &make).await;
    let url = server.url(&name).parse().unwrap();
    let Err(error) = Fleet::connect(&url, ConnectionMode::Auto).await else { panic!("LATIN1 was taken") };
    assert_names(&error.to_string(), &Database { server, name }, &["LATIN1", "ENCODING 'UTF8'"]);
}

#[tokio::test]
async fn a_read_only_server_is_refused_before_anything_is_tried() {
    let database = Database::empty("standby").await;
    let read_only = format!("ALTER DATABASE \"{}\" SET default_transaction_read_only = on", database.name);
    database.server.execute(SUPERUSER, &read_only).await;
    let error = database.refusal(&["default"]).await;
    assert_names(&error, &database, &["takes no writes", "name the primary"]);
    // Examining it works all the same.
    assert!(!database.examine(&["default"]).await.is_empty());
}

#[tokio::test]
async fn a_complete_installation_needs_no_right_to_change_it() {
    let database = Database::with("whole", &["default"]).await;
    let read_only = format!("ALTER DATABASE \"{}\" SET default_transaction_read_only = on", database.name);
    database.server.execute(SUPERUSER, &read_only).await;
    assert_eq!(database.bootstrap(&["default"]).await, Report::default());
    // The server is at fault, and not the tenants that are missing.
    let error = database.refusal(&["default", "new"]).await;
    assert_names(&error, &database, &["takes no writes", "name the primary"]);
}
