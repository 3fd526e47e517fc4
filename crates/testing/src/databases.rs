//! The databases of a private server.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::roles::{OWNER, PASSWORD_USER, SUPERUSER, execute_on, url_of};
use crate::server::Server;

/// How often cloning is tried while the last connection to the template closes.
const CLONE_ATTEMPTS: u32 = 200;

const PAUSE: Duration = Duration::from_millis(50);

impl Server {
    /// Returns the URL of a database for its owner.
    pub fn url(&self, database: &str) -> String {
        self.url_as(OWNER, database)
    }

    /// Returns the URL of a database for a role.
    pub fn url_as(&self, role: &str, database: &str) -> String {
        url_of(self.port(), role, database)
    }

    /// Returns the URL of a database for [`PASSWORD_USER`] with this password.
    pub fn url_with_password(&self, password: &str, database: &str) -> String {
        self.url_as(&format!("{PASSWORD_USER}:{password}"), database)
    }

    /// Connects to a database as a role. The connection ends when the client is dropped.
    pub async fn connect(&self, role: &str, database: &str) -> Client {
        let url = self.url_as(role, database);
        let (client, connection) =
            tokio_postgres::connect(&url, NoTls).await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        // If the connection breaks, the client's next call reports it.
        tokio::spawn(connection);
        client
    }

    /// Runs statements as the superuser.
    pub async fn execute(&self, database: &str, statements: &str) {
        execute_on(self.port(), database, statements).await;
    }

    /// Creates an empty database that belongs to [`OWNER`], and returns its name: `purpose` and a number.
    pub async fn create_database(&self, purpose: &str) -> String {
        let name = unique_name(purpose);
        self.execute(SUPERUSER, &format!("CREATE DATABASE \"{name}\" OWNER {OWNER}")).await;
        name
    }

    /// Clones a database that is no longer used, and returns the clone's name: `purpose` and a number.
    pub async fn clone_database(&self, template: &str, purpose: &str) -> String {
        let name = unique_name(purpose);
        let client = self.connect(SUPERUSER, SUPERUSER).await;
        let statement = format!("CREATE DATABASE \"{name}\" OWNER {OWNER} TEMPLATE \"{template}\"");
        for _ in 0..CLONE_ATTEMPTS {
            match client.batch_execute(&statement).await {
                Ok(()) => return name,
                Err(error) if error.code() == Some(&SqlState::OBJECT_IN_USE) => sleep(PAUSE).await,
                Err(error) => panic!("{statement}: {error:?}"),
            }
        }
        panic!("the database {template} cannot be cloned: connections to it are still open");
    }

    /// Drops a database, and ends the connections to it.
    pub async fn drop_database(&self, name: &str) {
        self.execute(SUPERUSER, &format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
    }
}

/// Returns a name that no other database of this process has.
fn unique_name(purpose: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{purpose}_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
