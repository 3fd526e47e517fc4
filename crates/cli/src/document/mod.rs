//! Documents as people write them: JSON, YAML and TOML, each read as strictly as the API reads JSON.
//!
//! Whatever the syntax, the result is a JSON value: a member stands once, text holds no U+0000, a number comes back as
//! the number that was written, and a name is a string. Dates, which JSON does not know, become strings.

mod scalar;
mod toml;
mod yaml;

use std::fmt;
use std::path::Path;

use clap::ValueEnum;
use context_domain::fault::Fault;
use context_domain::json::{self, ReadError};
use context_domain::limits::{MAX_BODY_BYTES, MAX_DOCUMENT_DEPTH};
use serde_json::Value;

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
    /// The syntax that a file's extension names.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// Why a document was not read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The line and the character in it, both from 1, where they are known.
    pub(crate) place: Option<(usize, usize)>,
    /// RFC 6901 pointer to the value at fault; empty for the whole document.
    pub(crate) pointer: String,
    /// The rule, and what to do.
    pub(crate) message: String,
}

impl Refusal {
    /// A refusal of the whole document.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self { place: None, pointer: String::new(), message: message.into() }
    }

    fn at(place: (usize, usize), message: impl Into<String>) -> Self {
        Self { place: Some(place), pointer: String::new(), message: message.into() }
    }

    /// The same refusal, seen from the container in which the value stands at `pointer`.
    fn under(mut self, pointer: &str) -> Self {
        self.pointer.insert_str(0, pointer);
        self
    }
}

/// `line 3, column 5, at '/a/b': …`, as far as it is known.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.place.map(|(line, column)| format!("line {line}, column {column}"));
        let pointer = (!self.pointer.is_empty()).then(|| format!("at '{}'", self.pointer));
        let place: Vec<_> = line.into_iter().chain(pointer).collect();
        if !place.is_empty() {
            write!(f, "{}: ", place.join(", "))?;
        }
        f.write_str(&self.message)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { place: None, pointer: fault.pointer, message: fault.message }
    }
}

/// Reads a document.
pub(crate) fn read(syntax: Syntax, bytes: &[u8]) -> Result<Value, Refusal> {
    if bytes.len() > MAX_BODY_BYTES {
        let rule = format!("{} bytes; {MAX_BODY_BYTES} are the limit of a text", bytes.len());
        return Err(Refusal::whole(rule));
    }
    match syntax {
        Syntax::Json => json::parse_strict(bytes).map_err(json_refusal),
        Syntax::Yaml => yaml::read(utf8(bytes)?),
        Syntax::Toml => toml::read(utf8(bytes)?),
    }
}

fn json_refusal(error: ReadError) -> Refusal {
    match error {
        ReadError::Syntax { line, column, message } => {
            let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            Refusal::at((number(line), number(column)), format!("not JSON: {message}"))
        }
        ReadError::Rule(fault) => Refusal::from(fault),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
        Refusal::at(place_behind(&before), "the bytes are not UTF-8")
    })
}

/// The line and the column of what follows `before`.
fn place_behind(before: &str) -> (usize, usize) {
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

fn too_deep() -> String {
    format!("more than {MAX_DOCUMENT_DEPTH} containers stand inside each other: flatten the document")
}
