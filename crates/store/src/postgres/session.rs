//! One connection to PostgreSQL, and what is known of the way to it.

use context_domain::error::Error;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::cancel::Canceller;
use super::connect::{Connected, Driver, End, connect};
use super::failure::Failure;
use super::url::PostgresUrl;

/// What is believed of the way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionMode {
    /// What each connection shows.
    Auto,
    /// No pooler stands in between, whatever a connection shows.
    Direct,
    /// A pooler stands in between, whatever a connection shows.
    Pooled,
}

/// How statements are sent on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The server's own: statements are prepared under names.
    Direct,
    /// A pooler may stand in between: statements have no names, because another client's could answer to them.
    Pooled,
}

/// One connection. It closes when it is dropped.
pub struct Session {
    client: Client,
    mode: Mode,
    driver: Driver,
    canceller: Canceller,
}

impl Session {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Unavailable`], naming host, port, user and database, and what to do.
    pub async fn open(url: &PostgresUrl, mode: ConnectionMode) -> Result<Self, Error> {
        Self::connect(url, mode).await.map_err(Failure::in_store)
    }

    /// The connection itself.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The connection itself, to begin transactions on.
    pub fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// How statements are sent on it.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Connects.
    pub(super) async fn connect(url: &PostgresUrl, mode: ConnectionMode) -> Result<Self, Failure> {
        let mut connected = connect(url).await?;
        connected.driver.release();
        let mode = match mode {
            ConnectionMode::Auto if connected.is_direct => Mode::Direct,
            ConnectionMode::Direct => Mode::Direct,
            ConnectionMode::Auto | ConnectionMode::Pooled => Mode::Pooled,
        };
        tracing::debug!(?mode, hosts = url.hosts(), database = url.database(), "connected to PostgreSQL");
        let Connected { client, driver, canceller, .. } = connected;
        Ok(Self { client, mode, driver, canceller })
    }

    /// Asks the server to end the statement that it is at.
    pub(super) async fn cancel(&self) {
        self.canceller.cancel().await;
    }

    /// Its end, to be waited for; once.
    pub(super) fn take_end(&mut self) -> Option<JoinHandle<End>> {
        self.driver.take_end()
    }

    /// Closes it at once, whatever is unanswered.
    pub(super) fn abort(&self) {
        self.driver.abort();
    }
}
