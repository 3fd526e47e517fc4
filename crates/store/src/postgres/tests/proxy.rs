//! A proxy to the server that can delay or drop responses, or close its connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// A proxy that forwards in both directions.
pub(super) struct Proxy {
    pub(super) port: u16,
    controls: Arc<ProxyControls>,
    cut: watch::Sender<u64>,
}

#[derive(Default)]
struct ProxyControls {
    drops_responses: AtomicBool,
    delay_millis: AtomicU64,
}

impl Proxy {
    pub(super) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let controls = Arc::new(ProxyControls::default());
        let cut = watch::Sender::new(0);
        let (forwarding, cuts) = (Arc::clone(&controls), cut.subscribe());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
                tokio::spawn(forward(near_read, far_write, None, cuts.clone()));
                tokio::spawn(forward(far_read, near_write, Some(Arc::clone(&forwarding)), cuts.clone()));
            }
        });
        Self { port, controls, cut }
    }

    /// Drops every response from now on, and forwards requests.
    pub(super) fn drop_responses(&self) {
        self.controls.drops_responses.store(true, Ordering::Relaxed);
    }

    /// Forwards responses again.
    pub(super) fn forward_responses(&self) {
        self.controls.drops_responses.store(false, Ordering::Relaxed);
    }

    /// Delays each response.
    pub(super) fn delay(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap();
        self.controls.delay_millis.store(millis, Ordering::Relaxed);
    }

    /// Closes every open connection.
    pub(super) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    controls: Option<Arc<ProxyControls>>,
    mut cuts: watch::Receiver<u64>,
) {
    cuts.mark_unchanged();
    let mut buffer = vec![0; 65_536];
    loop {
        let count = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            _ = cuts.changed() => 0,
        };
        if count == 0 {
            return;
        }
        if let Some(controls) = &controls {
            if controls.drops_responses.load(Ordering::Relaxed) {
                continue;
            }
            sleep(Duration::from_millis(controls.delay_millis.load(Ordering::Relaxed))).await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
