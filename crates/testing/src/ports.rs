//! Finds free ports for servers.

use std::net::TcpListener;
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// The ports that are tried. They are below those that systems use for outgoing connections, so that a killed
/// server's port is still free when it is restarted.
const PORTS: Range<u16> = 18_000..32_000;

/// Returns a free port. Each process begins its search at another port, so that processes started at the same
/// time do not collide.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    let first = process::id().wrapping_mul(61);
    for _ in 0..count {
        let offset = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count;
        let port = PORTS.start + u16::try_from(offset).expect("a port has 16 bits");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port of {PORTS:?} is free");
}
