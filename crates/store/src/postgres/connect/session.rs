//! One connection to PostgreSQL, and whether a pooler may be in between.

use context_domain::error::Error;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use super::super::failure::Failure;
use super::cancel::Canceller;
use super::driver::{ConnectionEnd, Driver};
use super::hosts::{Connected, connect};
use super::url::PostgresUrl;

/// Whether to assume a pooler between this program and the server: the setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionMode {
    /// Each connection is examined.
    Auto,
    /// No pooler is assumed, whatever a connection shows.
    Direct,
    /// A pooler is assumed, whatever a connection shows.
    Pooled,
}

/// How statements are sent on one connection: the result of the setting or of the examination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionMode {
    /// No pooler is in between: statements are prepared under names.
    Direct,
    /// A pooler may be in between: statements are unnamed, because another client's statement could have the
    /// same name.
    Pooled,
}

/// One connection to PostgreSQL, logged in.
///
/// **Life cycle.** [`Session::open`] tries the hosts of a URL until one gives an acceptable session. It
/// closes when it is dropped and what it has sent is answered. A lost session is not reconnected:
/// its user opens another.
///
/// **Concurrency.** [`client`](Self::client) can be used by several tasks, whose statements are pipelined.
///
/// **Failure.** Opening fails with a message that names hosts, user and database, and what to do. When the
/// connection is lost, every unanswered call on the client fails. The store's sessions are in its pool, whose
/// documentation describes what follows; the fleet uses sessions directly.
pub struct Session {
    client: Client,
    mode: SessionMode,
    driver: Driver,
    canceller: Canceller,
}

impl Session {
    /// Connects and logs in.
    ///
    /// # Errors
    /// [`Error::Unavailable`], naming host, port, user and database, and what to do.
    pub async fn open(url: &PostgresUrl, mode: ConnectionMode) -> Result<Self, Error> {
        Self::connect(url, mode).await.map_err(Failure::in_store)
    }

    /// Returns the driver's client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the driver's client, to begin transactions on.
    pub fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Returns how statements are sent on it.
    pub fn mode(&self) -> SessionMode {
        self.mode
    }

    /// Connects and logs in; the error is not yet that of a store or a tenant.
    pub(crate) async fn connect(url: &PostgresUrl, mode: ConnectionMode) -> Result<Self, Failure> {
        let mut connected = connect(url).await?;
        connected.driver.release();
        let mode = match mode {
            ConnectionMode::Auto if connected.is_direct => SessionMode::Direct,
            ConnectionMode::Direct => SessionMode::Direct,
            ConnectionMode::Auto | ConnectionMode::Pooled => SessionMode::Pooled,
        };
        tracing::debug!(?mode, hosts = url.hosts(), database = url.database(), "connected to PostgreSQL");
        let Connected { client, driver, canceller, .. } = connected;
        Ok(Self { client, mode, driver, canceller })
    }

    /// Asks the server to cancel the statement that it runs on this connection.
    pub(crate) async fn cancel(&self) {
        self.canceller.cancel().await;
    }

    /// Returns a handle to wait for the end of the connection; `None` the second time.
    pub(crate) fn take_end(&mut self) -> Option<JoinHandle<ConnectionEnd>> {
        self.driver.take_end()
    }

    /// Closes it at once: every unanswered call fails.
    pub(crate) fn abort(&self) {
        self.driver.abort();
    }
}
