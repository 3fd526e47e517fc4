//! Documents as people write them: JSON, YAML and TOML, each read as strictly as the API reads JSON.
//!
//! Whatever the syntax, the result is a JSON value: an object has each member once, text has no U+0000, every
//! number is read back as it was written, and names are strings. Dates, which JSON does not have, become
//! strings.

mod refusal;
mod scalar;
mod toml;
mod yaml;

use std::path::Path;

use clap::ValueEnum;
use context_domain::json::{self, ReadError};
use context_domain::limits::MAX_BODY_BYTES;
use serde_json::Value;

pub(crate) use refusal::DocumentRefusal;

use refusal::position_after;

/// The syntax of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Syntax {
    /// JSON (RFC 8259)
    Json,
    /// YAML 1.2; dates are strings
    Yaml,
    /// TOML 1.1; dates are strings
    Toml,
}

impl Syntax {
    /// Returns the syntax that a file's extension names.
    pub(crate) fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// Reads a document.
pub(crate) fn read_document(syntax: Syntax, bytes: &[u8]) -> Result<Value, DocumentRefusal> {
    if bytes.len() > MAX_BODY_BYTES {
        let rule = format!("the text has {} bytes, at most {MAX_BODY_BYTES} are allowed", bytes.len());
        return Err(DocumentRefusal::whole(rule));
    }
    match syntax {
        Syntax::Json => json::parse_strict(bytes).map_err(json_refusal),
        Syntax::Yaml => yaml::read_yaml(utf8(bytes)?),
        Syntax::Toml => toml::read_toml(utf8(bytes)?),
    }
}

fn json_refusal(error: ReadError) -> DocumentRefusal {
    match error {
        ReadError::Syntax { line, column, message } => {
            let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            DocumentRefusal::at((number(line), number(column)), format!("not JSON: {message}"))
        }
        ReadError::Rule(fault) => DocumentRefusal::from(fault),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, DocumentRefusal> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
        DocumentRefusal::at(position_after(&before), "the bytes are not UTF-8")
    })
}
