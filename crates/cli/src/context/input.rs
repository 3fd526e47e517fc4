//! Reads the arguments that the commands on contexts share: address, caller and document.

use std::io::Read;
use std::path::Path;

use context_domain::access::Caller;
use context_domain::tree::{Address, Scope};
use serde_json::Value;

use crate::args::{AddressArgs, DocumentArgs};
use crate::caller::{tenant_caller, tenant_id};
use crate::document::{Syntax, read_document};
use crate::failure::CommandFailure;

/// Returns a caller for the tenant of the address.
pub(super) fn caller(args: &AddressArgs) -> Result<Caller, CommandFailure> {
    Ok(tenant_caller(tenant_id(&args.tenant)?))
}

pub(super) fn address(args: &AddressArgs) -> Result<Address, CommandFailure> {
    if let Some(id) = &args.id {
        let id = id.parse().map_err(|rule: String| CommandFailure::usage(format!("--id: {rule}")))?;
        return Ok(Address::Id(id));
    }
    let keys = [args.project.as_deref(), args.branch.as_deref(), args.task.as_deref()];
    Scope::from_keys(keys).map(Address::Scope).map_err(|faults| {
        let named = faults
            .iter()
            .map(|fault| format!("--{}: {}", fault.pointer.trim_start_matches('/'), fault.message));
        CommandFailure::usage(named.collect::<Vec<_>>().join("; "))
    })
}

/// Reads the document that a command writes, from `--data`, a file, or standard input.
pub(super) fn document(args: &DocumentArgs) -> Result<Value, CommandFailure> {
    match (&args.data, &args.file) {
        (Some(text), _) => parse_text("--data", args.format.unwrap_or(Syntax::Json), text.as_bytes()),
        (None, Some(path)) if path == Path::new("-") => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|error| CommandFailure::usage(format!("standard input: {error}")))?;
            parse_text("standard input", args.format.unwrap_or(Syntax::Json), &bytes)
        }
        (None, Some(path)) => {
            let syntax = args.format.or_else(|| Syntax::from_path(path)).ok_or_else(|| {
                let rule =
                    "its extension is none of .json, .yaml, .yml and .toml: name the syntax with --format";
                CommandFailure::usage(format!("{}: {rule}", path.display()))
            })?;
            let bytes = std::fs::read(path)
                .map_err(|error| CommandFailure::usage(format!("{}: {error}", path.display())))?;
            parse_text(&path.display().to_string(), syntax, &bytes)
        }
        (None, None) => Err(CommandFailure::usage("name a file with the document, or give it with --data")),
    }
}

/// Parses a text that comes from `source`, which errors name.
pub(super) fn parse_text(source: &str, syntax: Syntax, bytes: &[u8]) -> Result<Value, CommandFailure> {
    read_document(syntax, bytes).map_err(|refusal| CommandFailure::usage(format!("{source}, {refusal}")))
}
