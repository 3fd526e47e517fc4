//! Numbers: one is accepted only if exactly the same number can be returned.

use serde_json::Number;

/// Reads the text of a JSON number: a 64-bit integer, or a decimal that equals the shortest decimal notation
/// of an IEEE 754 double.
///
/// # Errors
/// The rule, if a different number would be returned.
pub(super) fn parse_number(text: &str) -> Result<Number, String> {
    let decimal = Decimal::from_json_text(text);
    if let Some(integer) = decimal.integer() {
        return Ok(integer);
    }
    let rule = || {
        let shown: String = text.chars().take(40).collect();
        format!(
            "the number {shown} cannot be stored exactly: integers have 64 bits, other numbers the precision \
             of an IEEE 754 double; send it as a string"
        )
    };
    let double: f64 = text.parse().map_err(|_: std::num::ParseFloatError| rule())?;
    // The standard library prints the shortest decimal that is read as the same double.
    if !double.is_finite() || Decimal::from_json_text(&format!("{double:e}")) != decimal {
        return Err(rule());
    }
    Number::from_f64(double).ok_or_else(rule)
}

/// Returns the length in bytes of `number` as a plain decimal, without an exponent.
pub(super) fn plain_len(number: &Number) -> usize {
    if number.is_f64() {
        return Decimal::from_json_text(&number.to_string()).plain_len();
    }
    number.to_string().len()
}

/// A decimal number, `digits` × 10^`exponent`, in its unique shortest form: no zero at either end of the
/// digits.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads a text that follows the grammar of JSON numbers.
    fn from_json_text(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all: String = whole.chars().chain(fraction.chars()).filter(char::is_ascii_digit).collect();
        let significant = all.trim_end_matches('0');
        let dropped = all.len() - significant.len();
        let digits = significant.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Self { negative: false, digits, exponent: 0 };
        }
        let written = exponent.parse().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
        let shift =
            i64::try_from(dropped).unwrap_or(i64::MAX) - i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        Self { negative: text.starts_with('-'), digits, exponent: i64::saturating_add(written, shift) }
    }

    /// Returns the number as a 64-bit integer, if it is one.
    fn integer(&self) -> Option<Number> {
        const MOST_DIGITS: usize = 20;
        let zeros = usize::try_from(self.exponent).ok()?;
        if self.digits.len().saturating_add(zeros) > MOST_DIGITS {
            return None;
        }
        if self.digits.is_empty() {
            return Some(Number::from(0));
        }
        let text = format!("{}{}{}", if self.negative { "-" } else { "" }, self.digits, "0".repeat(zeros));
        let signed = text.parse::<i64>().ok().map(Number::from);
        signed.or_else(|| text.parse::<u64>().ok().map(Number::from))
    }

    fn plain_len(&self) -> usize {
        let digits = i64::try_from(self.digits.len()).unwrap_or(i64::MAX);
        let point = digits.saturating_add(self.exponent);
        let unsigned = if self.exponent >= 0 {
            point
        } else if point > 0 {
            digits + 1
        } else {
            // A zero and the point come first, then as many digits as the exponent shifts.
            2 - self.exponent
        };
        usize::from(self.negative) + usize::try_from(unsigned).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_would_change_are_refused() {
        for (text, printed) in [
            ("-0", "0"),
            ("-0.0e5", "0"),
            ("1.50", "1.5"),
            ("123e-2", "1.23"),
            ("1e20", "1e+20"),
            ("0.1", "0.1"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("18446744073709551615", "18446744073709551615"),
            ("1e-7", "1e-7"),
        ] {
            assert_eq!(parse_number(text).unwrap().to_string(), printed, "{text}");
        }
        for text in [
            "1e400",
            "-1e400",
            "1e-400",
            "18446744073709551616",
            "-9223372036854775809",
            "0.1234567890123456789",
            "9007199254740993.5",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "3.14159265358979323846",
        ] {
            assert!(parse_number(text).is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn every_double_is_returned_unchanged() {
        for bits in (0..200_000_u64).map(|step| step.wrapping_mul(0x9E37_79B9_7F4A_7C15)) {
            let double = f64::from_bits(bits);
            if !double.is_finite() {
                continue;
            }
            let number = parse_number(&format!("{double:?}")).unwrap();
            // Minus zero is zero: the same number.
            assert_eq!(number.as_f64().unwrap().to_bits(), (double + 0.0).to_bits());
        }
    }

    #[test]
    fn plain_lengths_are_those_of_the_expanded_text() {
        for text in ["1e300", "-1.5e300", "1e-7", "-2.5e-300", "0.1", "1.25", "123456789.125", "1e22"] {
            let number = parse_number(text).unwrap();
            // `Display` of a double is the plain decimal.
            assert_eq!(plain_len(&number), format!("{}", number.as_f64().unwrap()).len(), "{text}");
        }
    }
}
