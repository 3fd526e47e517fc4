//! Asking the server to cancel the statement that a session runs.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use context_domain::error::Source;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long sending the request may take.
const LIMIT: Duration = Duration::from_secs(3);

/// Sends cancel requests for one session.
pub(super) struct Canceller {
    pub(super) token: CancelToken,
    pub(super) to: ServerAddress,
    /// The TLS connector and the server's name, if the session is encrypted.
    pub(super) tls: Option<(MakeRustlsConnect, String)>,
}

/// The address at which a session's server was reached.
pub(super) enum ServerAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Canceller {
    /// Sends the request, over a connection of its own. The protocol has no response to it: whether it
    /// cancelled a statement shows only in that statement's response.
    pub(super) async fn cancel(&self) {
        let sent = timeout(LIMIT, self.send()).await.unwrap_or_else(|elapsed| Err(Box::new(elapsed)));
        if let Err(error) = sent {
            tracing::debug!(%error, "a statement that took too long could not be cancelled");
        }
    }

    async fn send(&self) -> Result<(), Source> {
        match &self.to {
            ServerAddress::Unix(path) => {
                let mut stream = KeepOpen(UnixStream::connect(path).await?);
                self.token.cancel_query_raw(&mut stream, NoTls).await?;
                until_closed(stream.0).await?;
            }
            ServerAddress::Tcp(address) => {
                let stream = TcpStream::connect(address).await?.into_std()?;
                // TLS takes ownership of the stream and closes it: a second handle keeps the socket open.
                let held = TcpStream::from_std(stream.try_clone()?)?;
                let stream = KeepOpen(TcpStream::from_std(stream)?);
                match self.tls.clone() {
                    None => self.token.cancel_query_raw(stream, NoTls).await?,
                    Some((mut maker, name)) => {
                        let Ok(tls) =
                            MakeTlsConnect::<KeepOpen<TcpStream>>::make_tls_connect(&mut maker, &name);
                        self.token.cancel_query_raw(stream, tls).await?;
                    }
                }
                until_closed(held).await?;
            }
        }
        Ok(())
    }
}

/// Waits until the other side closes the connection: a server does so at once, a pooler after it has passed
/// on the request.
async fn until_closed(mut stream: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut nothing = [0];
    while stream.read(&mut nothing).await? > 0 {}
    Ok(())
}

/// A stream that ignores the driver's shutdown after the request: `PgBouncer` drops the request of a client
/// that has left.
struct KeepOpen<S>(S);

impl<S: AsyncRead + Unpin> AsyncRead for KeepOpen<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for KeepOpen<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}
