//! Scalars of YAML and TOML by the rules of JSON.

use context_domain::json::{self, ReadError};
use serde_json::{Number, Value};

/// Reads a text, which must not contain U+0000.
pub(super) fn text_value(text: &str) -> Result<Value, String> {
    if text.contains('\0') {
        return Err("the text contains the character U+0000, which cannot be stored: leave it out".to_owned());
    }
    Ok(Value::from(text))
}

/// Reads a decimal number. Unlike in JSON, the digits before or after the point may be missing, and a leading
/// `+` is allowed. The number is passed on to the JSON reader, which decides whether it can be read back as
/// written.
pub(super) fn decimal_value(text: &str) -> Result<Value, String> {
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
            ReadError::Syntax { message, .. } => format!("'{text}' is not a number: {message}"),
        }
    })
}

/// Reads an integer in a base other than ten.
pub(super) fn integer_value(digits: &str, base: u32) -> Result<Value, String> {
    let number = u64::from_str_radix(digits, base).map_err(|_: std::num::ParseIntError| {
        "integers have at most 64 bits: write a longer one as a string".to_owned()
    })?;
    Ok(Value::Number(Number::from(number)))
}
