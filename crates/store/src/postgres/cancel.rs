//! Asking the server to end a statement whose answer nobody waits for any longer.

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

/// How long the asking may take.
const LIMIT: Duration = Duration::from_secs(3);

/// The way to a server, for as long as a session of it is there.
pub(super) struct Canceller {
    pub(super) token: CancelToken,
    pub(super) to: Address,
    /// What encrypts the way, and the name by which the server is known.
    pub(super) tls: Option<(MakeRustlsConnect, String)>,
}

/// Where a server was reached.
pub(super) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Canceller {
    /// Asks. Whether the statement ends by it, nobody says.
    pub(super) async fn cancel(&self) {
        let sent = timeout(LIMIT, self.send()).await.unwrap_or_else(|elapsed| Err(Box::new(elapsed)));
        if let Err(error) = sent {
            tracing::debug!(%error, "a statement that took too long could not be cancelled");
        }
    }

    async fn send(&self) -> Result<(), Source> {
        match &self.to {
            Address::Unix(path) => {
                let mut stream = Open(UnixStream::connect(path).await?);
                self.token.cancel_query_raw(&mut stream, NoTls).await?;
                until_closed(stream.0).await?;
            }
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?.into_std()?;
                // What encrypts the stream takes it, and would close it.
                let held = TcpStream::from_std(stream.try_clone()?)?;
                let stream = Open(TcpStream::from_std(stream)?);
                match self.tls.clone() {
                    None => self.token.cancel_query_raw(stream, NoTls).await?,
                    Some((mut maker, name)) => {
                        let Ok(tls) = MakeTlsConnect::<Open<TcpStream>>::make_tls_connect(&mut maker, &name);
                        self.token.cancel_query_raw(stream, tls).await?;
                    }
                }
                until_closed(held).await?;
            }
        }
        Ok(())
    }
}

/// A server closes the connection at once, a pooler when it has passed on what it was asked.
async fn until_closed(mut stream: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut nothing = [0];
    while stream.read(&mut nothing).await? > 0 {}
    Ok(())
}

/// A stream that the driver cannot shut down when it has asked: `PgBouncer` forgets what it was asked by who has gone.
struct Open<S>(S);

impl<S: AsyncRead + Unpin> AsyncRead for Open<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Open<S> {
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
