//! A way to the server that can be made slow, deaf or dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// Passes on what it is sent, as long as it is told to.
pub(super) struct Proxy {
    pub(super) port: u16,
    way: Arc<Way>,
    cut: watch::Sender<u64>,
}

#[derive(Default)]
struct Way {
    swallows_answers: AtomicBool,
    delay_millis: AtomicU64,
}

impl Proxy {
    pub(super) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let way = Arc::new(Way::default());
        let cut = watch::Sender::new(0);
        let (passed, cuts) = (Arc::clone(&way), cut.subscribe());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
                tokio::spawn(pass(near_read, far_write, None, cuts.clone()));
                tokio::spawn(pass(far_read, near_write, Some(Arc::clone(&passed)), cuts.clone()));
            }
        });
        Self { port, way, cut }
    }

    /// Lets no answer through any more, and all requests.
    pub(super) fn swallow_answers(&self) {
        self.way.swallows_answers.store(true, Ordering::Relaxed);
    }

    /// Lets answers through again on connections that come.
    pub(super) fn pass_answers(&self) {
        self.way.swallows_answers.store(false, Ordering::Relaxed);
    }

    /// Keeps each answer for so long.
    pub(super) fn delay(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap();
        self.way.delay_millis.store(millis, Ordering::Relaxed);
    }

    /// Closes every connection that there is.
    pub(super) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Option<Arc<Way>>,
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
        if let Some(way) = &way {
            if way.swallows_answers.load(Ordering::Relaxed) {
                continue;
            }
            sleep(Duration::from_millis(way.delay_millis.load(Ordering::Relaxed))).await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
