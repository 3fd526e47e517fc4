//! Connections: accepted within a bound, without Nagle's delay, and drained when the server stops.

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

use super::limits::{
    ACCEPT_PAUSE, DRAIN_TIMEOUT, HEAD_TIMEOUT, MAX_ACCEPT_FAILURES, MAX_CONNECTIONS, MAX_HEAD_BYTES,
};

/// Serves `router` on `listener` until `shutdown` is done; then lets requests under way finish, but for no longer than
/// a bound.
///
/// # Errors
/// Those of a listener that accepts no more.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            // The semaphore is never closed, so that a slot comes sooner or later.
            let slot = Arc::clone(&slots).acquire_owned().await.ok();
            accept(&listener).await.map(|stream| (stream, slot))
        };
        let (stream, slot) = tokio::select! {
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
            drop(slot);
        });
    }
    drop(listener);
    if timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests still under way are cut off");
        connections.abort_all();
    }
    Ok(())
}

fn protocol() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    builder
}

/// The next connection. A connection that is gone already is passed over; a shortage is waited out; a listener that
/// fails on and on is lost, and must not look alive.
async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let mut failures = 0;
    loop {
        let error = match listener.accept().await {
            // An answer is sent whole: waiting for more to send with it only delays it.
            Ok((stream, _)) => match stream.set_nodelay(true) {
                Ok(()) => return Ok(stream),
                Err(error) => {
                    tracing::debug!(%error, "a connection was gone before it was served");
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
        tracing::warn!(%error, failures, "no connection was accepted");
        sleep(ACCEPT_PAUSE).await;
    }
}
