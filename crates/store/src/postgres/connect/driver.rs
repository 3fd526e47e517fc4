//! Logging in over a stream, and the task that carries messages between the client and its server.

use std::future::poll_fn;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinHandle};
use tokio_postgres::config::Config;
use tokio_postgres::tls::TlsConnect;
use tokio_postgres::{AsyncMessage, Client, Connection};

use super::refusal::ConnectRefusal;

/// The task that carries messages between a client and its server.
///
/// Until it is released, dropping this ends the task, and with it every unanswered call: an abandoned login
/// leaves nothing running. Once released, the task ends by itself when the client has been dropped and
/// everything that it sent is answered.
pub(super) struct Driver {
    task: AbortHandle,
    end: Option<JoinHandle<ConnectionEnd>>,
    is_released: bool,
}

/// Why a connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionEnd {
    /// Its client was dropped.
    Closed,
    /// The server or the network ended it.
    Lost,
}

impl Driver {
    /// Ends the task, and closes the connection, at once.
    pub(super) fn abort(&self) {
        self.task.abort();
    }

    /// Returns the handle of the task, to wait for the end of the connection; `None` the second time.
    pub(super) fn take_end(&mut self) -> Option<JoinHandle<ConnectionEnd>> {
        self.end.take()
    }

    /// Lets the task end by itself.
    pub(super) fn release(&mut self) {
        self.is_released = true;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !self.is_released {
            self.abort();
        }
    }
}

/// Logs in over `stream`, and spawns the task.
pub(super) async fn log_in<S, T>(
    config: &Config,
    stream: S,
    tls: T,
) -> Result<(Client, Driver), ConnectRefusal>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: TlsConnect<S>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect_raw(stream, tls).await.map_err(ConnectRefusal::Session)?;
    let end = tokio::spawn(drive(connection));
    Ok((client, Driver { task: end.abort_handle(), end: Some(end), is_released: false }))
}

/// Carries messages until the client was dropped or the connection is lost.
async fn drive<S, T>(mut connection: Connection<S, T>) -> ConnectionEnd
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        match message {
            Ok(AsyncMessage::Notice(notice)) => {
                tracing::debug!(code = notice.code().code(), "PostgreSQL says: {}", notice.message());
            }
            Ok(_) => {}
            // The driver gives the error to every unanswered call too.
            Err(error) => {
                tracing::debug!(%error, "a connection to PostgreSQL has ended");
                return ConnectionEnd::Lost;
            }
        }
    }
    ConnectionEnd::Closed
}
