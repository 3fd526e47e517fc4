//! Scalars of YAML and TOML by the rules of JSON.

use context_domain::json::{self, ReadError};
use serde_json::{Number, Value};

/// A text, which must not hold U+0000.
pub(super) fn text(text: &str) -> Result<Value, String> {
    if text.contains('\0') {
        return Err("the text holds the character U+0000, which cannot be kept: leave it out".to_owned());
    }
    Ok(Value::from(text))
}

/// A decimal number that differs from JSON's in what may be left out and in its sign. It goes through the reader of
/// JSON, because that is where the rule stands which numbers come back as they were written.
pub(super) fn decimal(text: &str) -> Result<Value, String> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => unsigned.split_at(at),
        None => (unsigned, ""),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    json::parse_strict(format!("{sign}{whole}{point}{fraction}{exponent}").as_bytes()).map_err(|error| {
        match error {
            ReadError::Rule(fault) => fault.message,
            ReadError::Syntax { message, .. } => format!("'{text}' is no number: {message}"),
        }
    })
}

/// An integer in another base than ten.
pub(super) fn integer(digits: &str, base: u32) -> Result<Value, String> {
    let number = u64::from_str_radix(digits, base).map_err(|_: std::num::ParseIntError| {
        "integers have 64 bits: send a longer one as a string".to_owned()
    })?;
    Ok(Value::Number(Number::from(number)))
}
