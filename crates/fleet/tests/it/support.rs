//! What these tests share.

use std::path::Path;
use std::process::Command;

use context_domain::id::TenantId;
use context_fleet::{Finding, Fleet, Plan, Report};
use context_store::postgres::ConnectionMode;
use context_testing::{OWNER, Server};
use tokio_postgres::Client;

/// A database of its own for one test, and the server that it is in.
pub(crate) struct Database {
    pub(crate) server: &'static Server,
    pub(crate) name: String,
}

impl Database {
    /// An empty database.
    pub(crate) async fn empty(purpose: &str) -> Self {
        let server = context_testing::postgres().await;
        Self { server, name: server.create_database(purpose).await }
    }

    /// A database with these tenants.
    pub(crate) async fn with(purpose: &str, ids: &[&str]) -> Self {
        let database = Self::empty(purpose).await;
        database.bootstrap(ids).await;
        database
    }

    /// A fleet that is connected as the owner.
    pub(crate) async fn fleet(&self) -> Fleet {
        self.fleet_as(OWNER).await
    }

    pub(crate) async fn fleet_as(&self, role: &str) -> Fleet {
        let url = self.server.url_as(role, &self.name).parse().unwrap();
        Fleet::connect(&url, ConnectionMode::Auto).await.unwrap()
    }

    pub(crate) async fn bootstrap(&self, ids: &[&str]) -> Report {
        self.fleet().await.bootstrap(&plan(ids), &mut |_| {}).await.unwrap()
    }

    /// Bootstraps and returns why that was refused.
    pub(crate) async fn refusal(&self, ids: &[&str]) -> String {
        self.fleet().await.bootstrap(&plan(ids), &mut |_| {}).await.unwrap_err().to_string()
    }

    pub(crate) async fn examine(&self, ids: &[&str]) -> Vec<Finding> {
        self.fleet().await.examine(&tenants(ids)).await.unwrap()
    }

    /// Returns the messages of what an examination finds.
    pub(crate) async fn words(&self, ids: &[&str]) -> Vec<String> {
        self.examine(ids).await.iter().map(ToString::to_string).collect()
    }

    /// A connection as the owner.
    pub(crate) async fn owner(&self) -> Client {
        self.server.connect(OWNER, &self.name).await
    }

    /// Runs statements as the owner.
    pub(crate) async fn execute(&self, statements: &str) {
        let done = self.owner().await.batch_execute(statements).await;
        assert!(done.is_ok(), "{statements}: {done:?}");
    }

    /// Returns the first column of a query's rows, as text.
    pub(crate) async fn query_texts(&self, query: &str) -> Vec<String> {
        let wrapped = format!("SELECT result.value::text FROM ({query}) AS result (value)");
        let rows = self.owner().await.query(&wrapped, &[]).await;
        rows.unwrap_or_else(|error| panic!("{query}: {error:?}")).iter().map(|row| row.get(0)).collect()
    }

    /// Returns the one value of a query, as text.
    pub(crate) async fn query_text(&self, query: &str) -> String {
        let texts = self.query_texts(query).await;
        assert_eq!(texts.len(), 1, "{query}");
        texts[0].clone()
    }

    /// Runs psql. Returns what it prints, or its errors.
    pub(crate) fn psql(&self, folder: &Path, arguments: &[&str]) -> Result<String, String> {
        let mut psql = Command::new("psql");
        psql.args(["-XqAt", &self.server.url(&self.name)]).args(arguments).current_dir(folder);
        let output = psql.output().unwrap();
        let (out, errors) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        if output.status.success() { Ok(out + &errors) } else { Err(errors) }
    }
}

pub(crate) fn tenants(ids: &[&str]) -> Vec<TenantId> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

pub(crate) fn plan(ids: &[&str]) -> Plan {
    Plan { tenants: tenants(ids), serving_roles: Vec::new(), workers: 2 }
}

/// A plan with a serving role.
pub(crate) fn serving(ids: &[&str], role: &str) -> Plan {
    Plan { serving_roles: vec![role.to_owned()], ..plan(ids) }
}

/// Returns SQLSTATE and message of a statement that the server refused.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, tokio_postgres::Error>) -> (String, String) {
    let error = result.unwrap_err();
    let error = error.as_db_error().unwrap_or_else(|| panic!("{error:?}"));
    (error.code().code().to_owned(), error.message().to_owned())
}
