//! The roles of a private server.

use tokio_postgres::NoTls;

/// The superuser.
pub const SUPERUSER: &str = "postgres";

/// The role that owns the databases: it may create databases and is not a superuser.
pub const OWNER: &str = "context_owner";

/// A role that may connect and nothing else.
pub const SERVER: &str = "context_server";

/// A role that must authenticate with [`PASSWORD`]; the others are trusted.
pub const PASSWORD_USER: &str = "context_password";

/// The password of [`PASSWORD_USER`].
pub const PASSWORD: &str = "right-8e1c90d7";

/// Creates the roles on a new server that listens on `port`, and gives databases created later the privileges
/// that they have since PostgreSQL 15.
pub(crate) fn create_roles(port: u16) {
    let roles = format!(
        "CREATE ROLE {OWNER} LOGIN CREATEDB;
         CREATE ROLE {SERVER} LOGIN;
         CREATE ROLE {PASSWORD_USER} LOGIN PASSWORD '{PASSWORD}'"
    );
    let template =
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC; ALTER SCHEMA public OWNER TO pg_database_owner";
    let created = async {
        execute_on(port, SUPERUSER, &roles).await;
        execute_on(port, "template1", template).await;
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be created")
        .block_on(created);
}

/// Runs statements in a database as the superuser.
pub(crate) async fn execute_on(port: u16, database: &str, statements: &str) {
    let url = url_of(port, SUPERUSER, database);
    let (client, connection) =
        tokio_postgres::connect(&url, NoTls).await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
    tokio::spawn(connection);
    client.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
}

/// Builds the URL of a database for a role.
pub(crate) fn url_of(port: u16, role: &str, database: &str) -> String {
    format!("postgres://{role}@127.0.0.1:{port}/{database}")
}
