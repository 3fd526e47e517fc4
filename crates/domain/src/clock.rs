//! Time, passed in so that tests are deterministic.

use std::fmt;
use std::str::FromStr;

use jiff::fmt::temporal::DateTimePrinter;
use serde::{Serialize, Serializer};

/// A moment in UTC, cut to microseconds: the resolution that PostgreSQL's `timestamptz` keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 0001-01-01T00:00:00Z: RFC 3339 writes years with four digits, and PostgreSQL has no year 0.
    const FIRST: i64 = -62_135_596_800_000_000;
    /// 9999-12-30T22:00:00Z, so that the year has four digits in every time zone.
    const LAST: i64 = 253_402_207_200_000_000;

    /// The moment `micros` microseconds after 1970-01-01T00:00:00Z, or `None` where its year has not four digits.
    pub fn from_micros(micros: i64) -> Option<Self> {
        (Self::FIRST..=Self::LAST).contains(&micros).then_some(Self(micros))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// This moment moved by `micros` microseconds, held within what can be written.
    #[must_use]
    pub fn saturating_add_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros).clamp(Self::FIRST, Self::LAST))
    }
}

/// RFC 3339 in UTC with six digits of a second: `2026-11-21T21:12:43.000001Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_microsecond(self.0).map_err(|_: jiff::Error| fmt::Error)?;
        let mut text = String::new();
        DateTimePrinter::new()
            .precision(Some(6))
            .print_timestamp(&moment, &mut text)
            .map_err(|_: jiff::Error| fmt::Error)?;
        f.write_str(&text)
    }
}

/// Reads RFC 3339 with any offset; digits beyond microseconds are cut.
impl FromStr for Timestamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = || {
            format!("'{text}' is not a time: write RFC 3339 with an offset, for example 2030-01-31T12:00:00Z")
        };
        // jiff also reads time zone annotations and space separators, which RFC 3339 does not know.
        if text.contains('[') || text.contains(' ') {
            return Err(rule());
        }
        let moment: jiff::Timestamp = text.parse().map_err(|_: jiff::Error| rule())?;
        Self::from_micros(moment.as_nanosecond().div_euclid(1_000).try_into().unwrap_or(i64::MAX))
            .ok_or_else(rule)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_microsecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_and_written_in_utc_with_microseconds() {
        let read: Timestamp = "2030-01-31T12:00:00.1234567+02:00".parse().unwrap();
        assert_eq!(read.to_string(), "2030-01-31T10:00:00.123456Z");
        assert_eq!("1969-12-31T23:59:59.9999999Z".parse::<Timestamp>().unwrap().as_micros(), -1);
    }

    #[test]
    fn the_first_and_the_last_moment_can_be_written() {
        let now = Timestamp(0);
        let first = now.saturating_add_micros(i64::MIN);
        let last = now.saturating_add_micros(i64::MAX);
        assert_eq!(first.to_string(), "0001-01-01T00:00:00.000000Z");
        assert_eq!(last.to_string(), "9999-12-30T22:00:00.000000Z");
        assert_eq!([first.to_string().parse(), last.to_string().parse()], [Ok(first), Ok(last)]);
        assert_eq!(Timestamp::from_micros(last.as_micros() + 1), None);
    }

    #[test]
    fn what_is_not_rfc_3339_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2030-01-31",
            "2030-01-31T12:00:00",
            "2030-01-31T12:00:00Z[UTC]",
            "1e9",
            "-000001-01-01T00:00:00Z",
            "0000-12-31T23:59:59Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text} was taken");
        }
    }
}
