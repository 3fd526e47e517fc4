//! What a command prints: data on standard output, the rest on standard error.

use std::error::Error as _;
use std::io::{self, Write};
use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::args::OutputFormat;
use crate::failure::CommandFailure;

/// The printer of a command's results, in the format that the user chose.
pub(crate) struct Output {
    format: OutputFormat,
}

impl Output {
    pub(crate) fn new(format: OutputFormat) -> Self {
        Self { format }
    }

    /// Prints a result: `json`, or for people the text that `table` returns.
    pub(crate) fn data(&self, json: &Value, table: impl FnOnce() -> String) -> Result<(), CommandFailure> {
        let text = match self.format {
            OutputFormat::Json => format!("{json:#}"),
            OutputFormat::Table => table(),
        };
        print(text.trim_end())
    }

    /// Reports the success of a command that has no result: as `json`, or for people as a line on standard
    /// error.
    pub(crate) fn done(&self, json: &Value, line: impl FnOnce() -> String) -> Result<(), CommandFailure> {
        match self.format {
            OutputFormat::Json => print(&format!("{json:#}")),
            OutputFormat::Table => {
                note(&line());
                Ok(())
            }
        }
    }

    /// Whether results are printed as JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.format == OutputFormat::Json
    }

    /// Prints a failure on standard error, and returns the exit code.
    pub(crate) fn failure(&self, failure: &CommandFailure) -> ExitCode {
        let text = match (failure, self.format) {
            (CommandFailure::Service(error), OutputFormat::Json) => format!("{:#}", error.to_json()),
            (CommandFailure::Other { message, .. }, OutputFormat::Json) => {
                format!("{:#}", json!({"detail": message}))
            }
            (CommandFailure::Other { message, .. }, OutputFormat::Table) => format!("error: {message}"),
            (CommandFailure::Service(error), OutputFormat::Table) => {
                let mut lines = vec![format!("error: {error}")];
                if error.faults().len() > 1 {
                    lines.extend(
                        error.faults().iter().map(|fault| format!("  {}: {}", fault.pointer, fault.message)),
                    );
                }
                if let Some(current) = error.current() {
                    lines.push(format!("  the current version is \"{}\"", current.etag()));
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

/// Prints a text and a line end on standard output.
fn print(text: &str) -> Result<(), CommandFailure> {
    let mut stdout = io::stdout().lock();
    let printed = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    match printed {
        // The reader of the pipe has read all that it wanted: `… | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(CommandFailure::new(format!("standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Prints a line for people on standard error.
pub(crate) fn note(text: &str) {
    // There is nowhere to report that standard error is closed.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Creates a table in the style that all commands share.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table
}

/// Formats `value` as one line, cut to the width of a table's cell.
pub(crate) fn cell(value: &Value) -> String {
    const MAX_CHARS: usize = 48;
    let text = value.to_string();
    if text.chars().count() <= MAX_CHARS {
        return text;
    }
    let start: String = text.chars().take(MAX_CHARS - 1).collect();
    format!("{start}…")
}

/// Formats a value for people: text without quotes, null as the empty text.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
