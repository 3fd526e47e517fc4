//! The database's time, so that all servers on one database agree on what has expired.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use context_domain::clock::{Clock, Timestamp};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::failure::Failure;
use super::pool::{Access, Pool};

/// How often the distance to the database's clock is measured.
const PERIOD: Duration = Duration::from_mins(1);
/// How many times it is asked each time: the quickest answer is the most exact one.
const SAMPLES: usize = 3;
/// An answer that took longer says less than the last measure.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(1);
/// The database's time in microseconds since 1970.
const TIME: &str = "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint";

/// A clock that goes as this machine's and shows what the database's shows.
pub(super) struct DatabaseClock {
    reckoning: Arc<Reckoning>,
    measuring: AbortHandle,
}

impl DatabaseClock {
    /// Measures the database's time, and again every minute for as long as the clock is there.
    pub(super) async fn open(pool: Arc<Pool>) -> Result<Self, Failure> {
        // The first call may have to connect, which says nothing about the way of an answer.
        measure(&pool).await?;
        let reckoning = Arc::new(Reckoning::new(measure(&pool).await?));
        let measuring = tokio::spawn(keep(Arc::clone(&reckoning), pool)).abort_handle();
        Ok(Self { reckoning, measuring })
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        self.reckoning.at(Instant::now())
    }
}

impl Drop for DatabaseClock {
    fn drop(&mut self) {
        self.measuring.abort();
    }
}

/// What the database's clock showed at a moment of this machine's.
#[derive(Debug, Clone, Copy)]
struct Measure {
    at: Instant,
    time: Timestamp,
    round_trip: Duration,
}

/// The database's time, reckoned from the last measure. It never goes back.
struct Reckoning {
    measure: Mutex<Measure>,
    /// The latest moment that was told, in microseconds.
    told: AtomicI64,
}

impl Reckoning {
    fn new(measure: Measure) -> Self {
        Self { measure: Mutex::new(measure), told: AtomicI64::new(i64::MIN) }
    }

    /// Goes by another measure from now on. Where it is behind, time stands until it has caught up.
    fn correct(&self, measure: Measure) {
        *self.measure.lock().unwrap_or_else(PoisonError::into_inner) = measure;
    }

    fn at(&self, instant: Instant) -> Timestamp {
        let measure = *self.measure.lock().unwrap_or_else(PoisonError::into_inner);
        // A measure may have been made after `instant` was read.
        let (later, earlier) =
            (instant.saturating_duration_since(measure.at), measure.at.saturating_duration_since(instant));
        let moved = micros(later).saturating_sub(micros(earlier));
        let now = measure.time.saturating_add_micros(moved).as_micros();
        let told = self.told.fetch_max(now, Ordering::Relaxed).max(now);
        measure.time.saturating_add_micros(told.saturating_sub(measure.time.as_micros()))
    }
}

/// Measures again and again.
async fn keep(reckoning: Arc<Reckoning>, pool: Arc<Pool>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, and the clock has just been measured.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match measure(&pool).await {
            Ok(measure) if measure.round_trip <= MAX_ROUND_TRIP => reckoning.correct(measure),
            Ok(measure) => {
                tracing::warn!(
                    seconds = measure.round_trip.as_secs_f64(),
                    "the database's time is not measured anew: its answer took too long"
                );
            }
            Err(failure) => {
                let error = failure.in_store();
                tracing::warn!(%error, "the database's time is not measured anew; the clock goes on as it went");
            }
        }
    }
}

/// Asks for the time, a few times, and takes the quickest answer.
async fn measure(pool: &Pool) -> Result<Measure, Failure> {
    let mut best: Option<Measure> = None;
    for _ in 0..SAMPLES {
        let sample = sample(pool).await?;
        if best.is_none_or(|best| sample.round_trip < best.round_trip) {
            best = Some(sample);
        }
    }
    best.ok_or_else(|| Failure::Misuse("no time was measured".to_owned()))
}

async fn sample(pool: &Pool) -> Result<Measure, Failure> {
    let asked = Instant::now();
    let rows = pool.query(None, Access::Read, TIME, &[]).await?;
    let round_trip = asked.elapsed();
    let unreadable = || Failure::damaged("its clock tells no time");
    let time = rows.first().ok_or_else(unreadable)?.try_get(0)?;
    let time = Timestamp::from_micros(time).ok_or_else(unreadable)?;
    // The clock was read somewhere between the question and the answer.
    Ok(Measure { at: asked + round_trip / 2, time, round_trip })
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(at: Instant, micros: i64) -> Measure {
        Measure { at, time: Timestamp::from_micros(micros).unwrap(), round_trip: Duration::ZERO }
    }

    #[test]
    fn time_goes_on_from_the_measure_and_never_back() {
        let begun = Instant::now();
        let second = |count| begun + Duration::from_secs(count);
        let reckoning = Reckoning::new(measure(begun, 1_000_000));
        assert_eq!(reckoning.at(second(5)).as_micros(), 6_000_000);
        assert_eq!(reckoning.at(second(4)).as_micros(), 6_000_000, "a later moment was told");
        reckoning.correct(measure(second(6), 5_000_000));
        assert_eq!(reckoning.at(second(6)).as_micros(), 6_000_000, "it stands");
        assert_eq!(reckoning.at(second(9)).as_micros(), 8_000_000, "until it has caught up");
        reckoning.correct(measure(second(10), 90_000_000));
        assert_eq!(reckoning.at(second(9)).as_micros(), 89_000_000, "it follows a clock that is ahead");
    }
}
