//! The database's time, so that all servers on one database agree on what has expired.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use context_domain::clock::{Clock, Timestamp};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::failure::Failure;
use super::pool::Pool;
use super::statement::StatementKind;

/// How often the offset to the database's clock is measured.
const PERIOD: Duration = Duration::from_mins(1);
/// How many samples a measurement takes: the one with the shortest round trip is the most exact.
const SAMPLES: usize = 3;
/// A sample with a longer round trip is less exact than the previous measurement, and is not used.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(1);
/// The database's time in microseconds since 1970.
const TIME: &str = "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint";

/// The database's clock, read without a round trip: this machine's monotonic clock with a measured offset.
///
/// **Life cycle.** Opening it measures the offset; a task measures again every minute until the clock is
/// dropped.
///
/// **Concurrency.** [`now`](Clock::now) takes a lock for a few instructions, and never waits for the
/// database. Time never goes back: if the database's clock is behind, it stands still until that has caught
/// up.
///
/// **Failure.** If a measurement fails or takes too long, a warning is logged and the clock goes on with the
/// previous offset.
pub(super) struct DatabaseClock {
    estimate: Arc<ClockEstimate>,
    measuring: AbortHandle,
}

impl DatabaseClock {
    /// Measures the database's time, and starts the task that measures it again.
    pub(super) async fn open(pool: Arc<Pool>) -> Result<Self, Failure> {
        // The first measurement may include connecting, which distorts it, and is thrown away.
        measure(&pool).await?;
        let estimate = Arc::new(ClockEstimate::new(measure(&pool).await?));
        let measuring = tokio::spawn(measure_periodically(Arc::clone(&estimate), pool)).abort_handle();
        Ok(Self { estimate, measuring })
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        self.estimate.at(Instant::now())
    }
}

impl Drop for DatabaseClock {
    fn drop(&mut self) {
        self.measuring.abort();
    }
}

/// The time that the database's clock showed at an instant of this machine's monotonic clock.
#[derive(Debug, Clone, Copy)]
struct ClockSample {
    at: Instant,
    time: Timestamp,
    round_trip: Duration,
}

/// The database's time, computed from the last sample. It never goes back.
struct ClockEstimate {
    sample: Mutex<ClockSample>,
    /// The latest time that was returned, in microseconds since 1970.
    latest: AtomicI64,
}

impl ClockEstimate {
    fn new(sample: ClockSample) -> Self {
        Self { sample: Mutex::new(sample), latest: AtomicI64::new(i64::MIN) }
    }

    /// Uses another sample from now on.
    fn correct(&self, sample: ClockSample) {
        *self.sample.lock().unwrap_or_else(PoisonError::into_inner) = sample;
    }

    fn at(&self, instant: Instant) -> Timestamp {
        let sample = *self.sample.lock().unwrap_or_else(PoisonError::into_inner);
        // The sample may have been taken after `instant`.
        let (later, earlier) =
            (instant.saturating_duration_since(sample.at), sample.at.saturating_duration_since(instant));
        let moved = micros(later).saturating_sub(micros(earlier));
        let now = sample.time.saturating_add_micros(moved).as_micros();
        let latest = self.latest.fetch_max(now, Ordering::Relaxed).max(now);
        sample.time.saturating_add_micros(latest.saturating_sub(sample.time.as_micros()))
    }
}

/// Measures every minute.
async fn measure_periodically(estimate: Arc<ClockEstimate>, pool: Arc<Pool>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is immediate, and the clock has just been measured.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match measure(&pool).await {
            Ok(sample) if sample.round_trip <= MAX_ROUND_TRIP => estimate.correct(sample),
            Ok(sample) => {
                tracing::warn!(
                    seconds = sample.round_trip.as_secs_f64(),
                    "the database's clock was not measured: the round trip took too long"
                );
            }
            Err(failure) => {
                let error = failure.in_store();
                tracing::warn!(%error, "the database's clock was not measured; the previous offset is used");
            }
        }
    }
}

/// Takes a few samples, and returns the one with the shortest round trip.
async fn measure(pool: &Pool) -> Result<ClockSample, Failure> {
    let mut best: Option<ClockSample> = None;
    for _ in 0..SAMPLES {
        let sample = take_sample(pool).await?;
        if best.is_none_or(|best| sample.round_trip < best.round_trip) {
            best = Some(sample);
        }
    }
    best.ok_or_else(|| Failure::Misuse("no time was measured".to_owned()))
}

async fn take_sample(pool: &Pool) -> Result<ClockSample, Failure> {
    let sent = Instant::now();
    let rows = pool.query(None, StatementKind::Read, TIME, &[]).await?;
    let round_trip = sent.elapsed();
    let unreadable = || Failure::damaged("the time of its clock cannot be read");
    let time = rows.first().ok_or_else(unreadable)?.try_get(0)?;
    let time = Timestamp::from_micros(time).ok_or_else(unreadable)?;
    // The server read its clock between the request and the response: assume half-way.
    Ok(ClockSample { at: sent + round_trip / 2, time, round_trip })
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: Instant, micros: i64) -> ClockSample {
        ClockSample { at, time: Timestamp::from_micros(micros).unwrap(), round_trip: Duration::ZERO }
    }

    #[test]
    fn time_goes_on_from_the_sample_and_never_back() {
        let begun = Instant::now();
        let second = |count| begun + Duration::from_secs(count);
        let estimate = ClockEstimate::new(sample(begun, 1_000_000));
        assert_eq!(estimate.at(second(5)).as_micros(), 6_000_000);
        assert_eq!(estimate.at(second(4)).as_micros(), 6_000_000, "a later time was returned before");
        estimate.correct(sample(second(6), 5_000_000));
        assert_eq!(estimate.at(second(6)).as_micros(), 6_000_000, "it stands still");
        assert_eq!(estimate.at(second(9)).as_micros(), 8_000_000, "until it has caught up");
        estimate.correct(sample(second(10), 90_000_000));
        assert_eq!(estimate.at(second(9)).as_micros(), 89_000_000, "it follows a clock that is ahead");
    }
}
