//! Databases, roles and addresses of a private server.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::Server;

/// The role that may do everything.
pub const SUPERUSER: &str = "postgres";

/// The role that owns the databases: it may make more of them and is no superuser.
pub const OWNER: &str = "context_owner";

/// A role that may connect and nothing else.
pub const SERVER: &str = "context_server";

/// A role that must show [`PASSWORD`] where the others are trusted.
pub const PASSWORD_USER: &str = "context_password";

/// The password of [`PASSWORD_USER`].
pub const PASSWORD: &str = "right-8e1c90d7";

/// How often a template is tried while the last connection to it closes.
const CLONES: u32 = 200;

const PAUSE: Duration = Duration::from_millis(50);

impl Server {
    /// The address of a database for its owner.
    pub fn url(&self, database: &str) -> String {
        self.url_as(OWNER, database)
    }

    /// The address of a database for a role.
    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port())
    }

    /// The address of a database for [`PASSWORD_USER`], with the password that is given.
    pub fn url_with_password(&self, password: &str, database: &str) -> String {
        format!("postgres://{PASSWORD_USER}:{password}@127.0.0.1:{}/{database}", self.port())
    }

    /// A connection to a database as a role; it ends when the client is dropped.
    pub async fn connect(&self, role: &str, database: &str) -> Client {
        let url = self.url_as(role, database);
        let (client, connection) =
            tokio_postgres::connect(&url, NoTls).await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        // A broken connection is what the client's next call reports.
        tokio::spawn(connection);
        client
    }

    /// Runs statements as the superuser.
    pub async fn execute(&self, database: &str, statements: &str) {
        let client = self.connect(SUPERUSER, database).await;
        client.batch_execute(statements).await.unwrap_or_else(|error| panic!("{statements}: {error:?}"));
    }

    /// Makes an empty database that belongs to [`OWNER`]. Its name is what is returned: `purpose` and a number.
    pub async fn create_database(&self, purpose: &str) -> String {
        let name = unique(purpose);
        self.execute(SUPERUSER, &format!("CREATE DATABASE \"{name}\" OWNER {OWNER}")).await;
        name
    }

    /// Makes a copy of a database that nobody uses any more, and returns its name: `purpose` and a number.
    pub async fn clone_database(&self, template: &str, purpose: &str) -> String {
        let name = unique(purpose);
        let client = self.connect(SUPERUSER, SUPERUSER).await;
        let statement = format!("CREATE DATABASE \"{name}\" OWNER {OWNER} TEMPLATE \"{template}\"");
        for _ in 0..CLONES {
            match client.batch_execute(&statement).await {
                Ok(()) => return name,
                Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) => sleep(PAUSE).await,
                Err(error) => panic!("{statement}: {error:?}"),
            }
        }
        panic!("the database {template} cannot be cloned: it is still connected to");
    }

    /// Drops a database, also while it is connected to.
    pub async fn drop_database(&self, name: &str) {
        self.execute(SUPERUSER, &format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
    }

    /// For a server that was just made. Each database of it will be as PostgreSQL makes them since 15.
    pub(crate) fn make_roles(&self) {
        let roles = format!(
            "CREATE ROLE {OWNER} LOGIN CREATEDB; CREATE ROLE {SERVER} LOGIN; CREATE ROLE {PASSWORD_USER} LOGIN PASSWORD '{PASSWORD}'"
        );
        let template =
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC; ALTER SCHEMA public OWNER TO pg_database_owner";
        let made = async {
            self.execute(SUPERUSER, &roles).await;
            self.execute("template1", template).await;
        };
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made")
            .block_on(made);
    }
}

/// No two databases of a process are named alike.
fn unique(purpose: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{purpose}_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
