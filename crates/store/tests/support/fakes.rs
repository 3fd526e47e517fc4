//! A clock and a source of ids whose values tests know in advance.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use context_domain::clock::{Clock, Timestamp};
use context_domain::id::{IdSource, NoRandomness, SECRET_BYTES};
use uuid::Uuid;

/// A clock that stands still until a test moves it.
pub(crate) struct FakeClock(AtomicI64);

impl FakeClock {
    /// A clock that shows a moment in 2030.
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(1_893_456_000_000_000))
    }

    /// Moves the clock on.
    pub(crate) fn advance(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// Ids that count up.
pub(crate) struct CountedIds(AtomicU64);

impl CountedIds {
    /// Ids from 1 on.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(1))
    }
}

impl IdSource for CountedIds {
    fn uuid(&self) -> Uuid {
        Uuid::from_u64_pair(0x0197_0000_0000_7000, self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn secret(&self) -> Result<[u8; SECRET_BYTES], NoRandomness> {
        let mut secret = [0; SECRET_BYTES];
        secret[..8].copy_from_slice(&self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes());
        Ok(secret)
    }
}
