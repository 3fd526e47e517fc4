//! Connections: accepted up to a limit, without Nagle's delay, and drained when the server stops.

use std::io;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::limits::{
    ACCEPT_PAUSE, DRAIN_TIMEOUT, HEAD_TIMEOUT, MAX_ACCEPT_FAILURES, MAX_CONNECTIONS, MAX_HEAD_BYTES,
};

/// Serves `router` over HTTP/1.1 on `listener` until the future `shutdown` completes.
///
/// **Life cycle.** Connections are accepted one after the other, each served by a task of its own. When
/// `shutdown` completes, the listener is closed at once, idle connections are closed, and requests in
/// progress get `DRAIN_TIMEOUT` to finish; what is left then is cut off and logged. The function returns
/// when all connections are closed or cut off.
///
/// **Concurrency.** At most `MAX_CONNECTIONS` connections are open: the next one is accepted when one of
/// them closes, until then it waits in the operating system's queue. How many requests are in progress is
/// limited by the router ([`crate::HttpConfig::max_concurrent_requests`]).
///
/// **Failure.** A connection that fails ends alone. A failed accept is a shortage of file descriptors or
/// memory: it is logged and tried again after `ACCEPT_PAUSE`.
///
/// # Errors
/// The listener's last error after `MAX_ACCEPT_FAILURES` failed accepts in a row: a process that accepts
/// nothing must not look alive.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            // The semaphore is never closed, so this returns a permit sooner or later.
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            accept(&listener).await.map(|stream| (stream, permit))
        };
        let (stream, permit) = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = accepted => accepted?,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(protocol().serve_connection(TokioIo::new(stream), service));
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    if timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests were cut off: they did not finish in time");
        connections.abort_all();
    }
    Ok(())
}

fn protocol() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    builder
}

/// Accepts the next connection. Skips connections that are already closed, and waits out shortages.
async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let mut failures = 0;
    loop {
        let error = match listener.accept().await {
            // A response is written whole: Nagle's algorithm would only delay it.
            Ok((stream, _)) => match stream.set_nodelay(true) {
                Ok(()) => return Ok(stream),
                Err(error) => {
                    tracing::debug!(%error, "a connection closed before it was served");
                    continue;
                }
            },
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => error,
        };
        failures += 1;
        if failures == MAX_ACCEPT_FAILURES {
            return Err(error);
        }
        tracing::warn!(%error, failures, "accepting a connection failed");
        sleep(ACCEPT_PAUSE).await;
    }
}
