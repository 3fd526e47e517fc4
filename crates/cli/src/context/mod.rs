//! `context put | get | patch | delete | resolve | explain | list | search | import`.

mod import;
mod list;
mod put;
mod write;

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use context_domain::access::{Access, Caller, Permission, Principal};
use context_domain::context::Context;
use context_domain::error::Error;
use context_domain::id::TenantId;
use context_domain::resolve::{Explain, Resolved};
use context_domain::service::Service;
use context_domain::tree::{Address, Scope};
use serde_json::Value;

use crate::args::{AddressArgs, ContextCommand, DocumentArgs};
use crate::document::{self, Syntax};
use crate::failure::Failure;
use crate::output::{Output, plain, table};
use crate::tenant::tenant_id;
use crate::{explain, request_id};

pub(crate) async fn run(
    service: &Service,
    command: ContextCommand,
    output: &Output,
) -> Result<ExitCode, Failure> {
    match command {
        ContextCommand::Put(args) => put::put(service, &args, output).await?,
        ContextCommand::Patch(args) => write::patch(service, &args, output).await?,
        ContextCommand::Delete(args) => write::delete(service, &args, output).await?,
        ContextCommand::Get(args) => {
            let context = service.get(&caller(&args)?, &address(&args)?).await?;
            output.data(&context.to_json(), || describe(&context))?;
        }
        ContextCommand::Resolve(args) => {
            let (resolved, _) = service.resolve(&caller(&args)?, &address(&args)?, Explain::No).await?;
            let shown = shown(&resolved)?;
            output.data(&shown, || {
                shown.get("resolved_context").map_or_else(String::new, |document| format!("{document:#}"))
            })?;
        }
        ContextCommand::Explain(args) => {
            let (resolved, _) = service.resolve(&caller(&args)?, &address(&args)?, Explain::Yes).await?;
            let shown = shown(&resolved)?;
            output.data(&shown, || explain::tables(&resolved, &shown))?;
        }
        ContextCommand::List(filter) => list::run(service, &filter, &[], output).await?,
        ContextCommand::Search(args) => list::run(service, &args.filter, &args.words, output).await?,
        ContextCommand::Import(args) => return import::run(service, &args, output).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// A resolved context as the API shows it.
fn shown(resolved: &Resolved) -> Result<Value, Failure> {
    serde_json::from_slice(&resolved.text).map_err(|error| {
        let detail = format!("a resolved context cannot be read: {error}");
        Failure::from(Error::Internal { detail })
    })
}

fn caller(args: &AddressArgs) -> Result<Caller, Failure> {
    Ok(caller_in(tenant_id(&args.tenant)?))
}

/// The command line's own principal may use the contexts of the tenant that it names, and nothing else.
fn caller_in(tenant: TenantId) -> Caller {
    let access = Access::Tenant { tenant: tenant.clone(), permission: Permission::Write };
    Caller::in_tenant(Principal { name: "cli".to_owned(), access }, tenant, request_id())
}

fn address(args: &AddressArgs) -> Result<Address, Failure> {
    if let Some(id) = &args.id {
        return id.parse().map(Address::Id).map_err(|rule: String| Failure::usage(format!("--id: {rule}")));
    }
    let keys = [args.project.as_deref(), args.branch.as_deref(), args.task.as_deref()];
    Scope::from_keys(keys).map(Address::Scope).map_err(|faults| {
        let named = faults
            .iter()
            .map(|fault| format!("--{}: {}", fault.pointer.trim_start_matches('/'), fault.message));
        Failure::usage(named.collect::<Vec<_>>().join("; "))
    })
}

/// Reads what a command is to write, from where and in the syntax that its arguments say.
fn read_document(args: &DocumentArgs) -> Result<Value, Failure> {
    match (&args.data, &args.file) {
        (Some(text), _) => parse("--data", args.format.unwrap_or(Syntax::Json), text.as_bytes()),
        (None, Some(path)) if path == Path::new("-") => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|error| Failure::usage(format!("standard input: {error}")))?;
            parse("standard input", args.format.unwrap_or(Syntax::Json), &bytes)
        }
        (None, Some(path)) => {
            let syntax = args.format.or_else(|| Syntax::of(path)).ok_or_else(|| {
                let rule = "its name ends in none of .json, .yaml, .yml and .toml: say --format";
                Failure::usage(format!("{}: {rule}", path.display()))
            })?;
            let bytes = std::fs::read(path);
            let bytes = bytes.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
            parse(&path.display().to_string(), syntax, &bytes)
        }
        (None, None) => Err(Failure::usage("name a file with the document, or give it with --data")),
    }
}

fn parse(source: &str, syntax: Syntax, bytes: &[u8]) -> Result<Value, Failure> {
    document::read(syntax, bytes).map_err(|refusal| Failure::usage(format!("{source}, {refusal}")))
}

/// A context for people: its members, then its document.
fn describe(context: &Context) -> String {
    let Value::Object(mut members) = context.to_json() else { return String::new() };
    let document = members.remove("context_data").unwrap_or_default();
    let mut table = table(["member", "value"]);
    for (name, value) in &members {
        table.add_row([name.as_str(), &plain(value)]);
    }
    format!("{table}\n{document:#}")
}
