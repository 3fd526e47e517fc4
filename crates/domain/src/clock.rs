//! Timestamps, and the clock that is passed in so that tests are deterministic.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use serde::{Serialize, Serializer};

/// A moment in UTC in whole microseconds, the resolution of PostgreSQL's `timestamptz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 0001-01-01T00:00:00Z: RFC 3339 writes years with four digits, and PostgreSQL has no year 0.
    const FIRST: i64 = -62_135_596_800_000_000;
    /// 9999-12-31T23:59:59.999999Z
    const LAST: i64 = 253_402_300_799_999_999;

    /// Returns the moment `micros` microseconds after 1970-01-01T00:00:00Z; `None` if its year is outside 1
    /// to 9999.
    pub fn from_micros(micros: i64) -> Option<Self> {
        (Self::FIRST..=Self::LAST).contains(&micros).then_some(Self(micros))
    }

    /// Returns the microseconds since 1970-01-01T00:00:00Z.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns this moment moved by `micros` microseconds, limited to the years 1 to 9999.
    #[must_use]
    pub fn saturating_add_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros).clamp(Self::FIRST, Self::LAST))
    }
}

/// Writes RFC 3339 in UTC with six fractional digits: `2026-11-21T21:12:43.000001Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time =
            EPOCH.checked_add(SignedDuration::from_micros(self.0)).map_err(|_: jiff::Error| fmt::Error)?;
        write!(f, "{time:.6}Z")
    }
}

/// The moment from which microseconds are counted. It is a civil time because jiff's timestamps end before
/// the year 9999 does.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Reads RFC 3339 with any offset; digits beyond microseconds are cut off. A leap second is refused, because
/// it could not be written back.
impl FromStr for Timestamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_rfc3339(text).ok_or_else(|| {
            format!(
                "'{}' is not a time: use RFC 3339 with an offset, for example 2030-01-31T12:00:00Z",
                text.chars().take(64).collect::<String>().escape_debug()
            )
        })
    }
}

fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let (time, offset) = text.split_at_checked(text.find(['Z', 'z', '+']).or_else(|| text.rfind('-'))?)?;
    // jiff accepts more spellings than RFC 3339 allows.
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !has_form(seconds, "dddd-dd-ddTdd:dd:dd") || !digits(fraction) || seconds.ends_with("60") {
        return None;
    }
    let fraction: String = fraction.chars().take(9).collect();
    let local: DateTime = format!("{seconds}.{fraction}").parse().ok()?;
    let micros = local.duration_since(EPOCH).as_nanos().div_euclid(1_000);
    Timestamp::from_micros(i64::try_from(micros).ok()?.checked_sub(offset_micros(offset)?)?)
}

/// Returns how many microseconds an offset, `Z` or `±hh:mm`, is ahead of UTC.
fn offset_micros(offset: &str) -> Option<i64> {
    if offset.eq_ignore_ascii_case("Z") {
        return Some(0);
    }
    let (sign, rest) = offset.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':').filter(|_| has_form(rest, "dd:dd"))?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let ahead = (hours < 24 && minutes < 60).then_some((hours * 60 + minutes) * 60_000_000)?;
    Some(if sign == "-" { -ahead } else { ahead })
}

/// Whether `text` has a digit where `form` has `d`, and everywhere else the same character.
fn has_form(text: &str, form: &str) -> bool {
    let fits = |(found, wanted): (u8, u8)| match wanted {
        b'd' => found.is_ascii_digit(),
        _ => found.eq_ignore_ascii_case(&wanted),
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A source of the current time.
pub trait Clock: Send + Sync {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
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
    fn a_time_is_written_in_utc_with_microseconds() {
        let read: Timestamp = "2030-01-31T12:00:00.1234567+02:00".parse().unwrap();
        assert_eq!(read.to_string(), "2030-01-31T10:00:00.123456Z");
        assert_eq!("1969-12-31T23:59:59.9999999Z".parse::<Timestamp>().unwrap().as_micros(), -1);
        assert_eq!("1970-01-01t01:30:00-00:30".parse::<Timestamp>().unwrap().as_micros(), 7_200_000_000);
        let end = "9999-12-31T23:59:59Z".parse::<Timestamp>().unwrap();
        assert_eq!(end.to_string(), "9999-12-31T23:59:59.000000Z");
    }

    #[test]
    fn the_first_and_the_last_moment_can_be_written() {
        let now = Timestamp(0);
        let first = now.saturating_add_micros(i64::MIN);
        let last = now.saturating_add_micros(i64::MAX);
        assert_eq!(first.to_string(), "0001-01-01T00:00:00.000000Z");
        assert_eq!(last.to_string(), "9999-12-31T23:59:59.999999Z");
        assert_eq!([first.to_string().parse(), last.to_string().parse()], [Ok(first), Ok(last)]);
        assert_eq!(Timestamp::from_micros(last.as_micros() + 1), None);
    }

    #[test]
    fn text_that_is_not_rfc_3339_is_refused() {
        let texts = "|tomorrow|2030-01-31|2030-01-31T12:00:00|2030-01-31T12:00:00Z[UTC]|1e9|Z|-|é-|\
                     -000001-01-01T00:00:00Z|0000-12-31T23:59:59Z|+002027-01-01T00:00:00Z|2027-01-01T00:00Z|\
                     2027-01-01T00:00:00+01|2027-01-01T00:00:00,5Z|20270101T000000Z|2027-01-01 00:00:00Z|\
                     2027-06-30T23:59:60Z|2027-02-29T00:00:00Z|2027-01-01T24:00:00Z|2027-01-01T00:00:00.Z|\
                     2027-01-01T00:00:00+24:00|2027-01-01T00:00:00Z |9999-12-31T23:59:59-00:01";
        for text in texts.split('|') {
            assert!(text.parse::<Timestamp>().is_err(), "{text} was accepted");
        }
    }
}
