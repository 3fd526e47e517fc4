//! What a command prints: data on standard output, the rest on standard error.

use std::error::Error as _;
use std::io::{self, Write};
use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::args::Format;
use crate::failure::Failure;

/// Where and how a command prints.
pub(crate) struct Output {
    format: Format,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Prints a result: `json` as it is, or for people what `table` makes of it.
    pub(crate) fn data(&self, json: &Value, table: impl FnOnce() -> String) -> Result<(), Failure> {
        let text = match self.format {
            Format::Json => format!("{json:#}"),
            Format::Table => table(),
        };
        print(text.trim_end())
    }

    /// Tells that a command without a result did its work: programs read `json`, people a line on standard error.
    pub(crate) fn done(&self, json: &Value, line: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Json => print(&format!("{json:#}")),
            Format::Table => {
                note(&line());
                Ok(())
            }
        }
    }

    /// Whether programs read what is printed.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints what went wrong, and answers the exit code.
    pub(crate) fn failure(&self, failure: &Failure) -> ExitCode {
        let text = match (failure, self.format) {
            (Failure::Service(error), Format::Json) => format!("{:#}", error.to_json()),
            (Failure::Other { message, .. }, Format::Json) => format!("{:#}", json!({"detail": message})),
            (Failure::Other { message, .. }, Format::Table) => format!("error: {message}"),
            (Failure::Service(error), Format::Table) => {
                let mut lines = vec![format!("error: {error}")];
                if error.faults().len() > 1 {
                    lines.extend(
                        error.faults().iter().map(|fault| format!("  {}: {}", fault.pointer, fault.message)),
                    );
                }
                if let Some(current) = error.current() {
                    lines.push(format!("  it is \"{}\" now", current.etag()));
                }
                let mut causes = Vec::new();
                let mut next = error.source();
                while let Some(cause) = next {
                    causes.push(cause.to_string());
                    next = cause.source();
                }
                if !causes.is_empty() {
                    lines.push(format!("  cause: {}", causes.join(": ")));
                }
                lines.join("\n")
            }
        };
        note(&text);
        ExitCode::from(failure.code())
    }
}

/// Prints a text and ends its line on standard output.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let printed = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    match printed {
        // Whoever closed the pipe has read what they wanted: `… | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(format!("standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Prints a line for people on standard error.
pub(crate) fn note(text: &str) {
    // There is nobody left to tell when standard error is closed.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// A table in the style of all tables here.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table
}

/// `value` on one line, cut to what a table's cell can hold.
pub(crate) fn cell(value: &Value) -> String {
    const MOST_CHARS: usize = 48;
    let text = value.to_string();
    if text.chars().count() <= MOST_CHARS {
        return text;
    }
    let start: String = text.chars().take(MOST_CHARS - 1).collect();
    format!("{start}…")
}

/// A value as people write it: text without quotes, nothing where there is none.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
