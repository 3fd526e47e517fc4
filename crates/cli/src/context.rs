//! `context put | get | resolve | explain`.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use context_domain::access::{Access, Caller, Principal};
use context_domain::change::RequestHash;
use context_domain::context::Context;
use context_domain::json;
use context_domain::resolve::Explain;
use context_domain::service::{Condition, Effect, Parents, Service, WriteOptions, Written};
use context_domain::tree::{Address, Scope};
use serde_json::{Map, Value};

use crate::args::{AddressArgs, ContextCommand, PutArgs};
use crate::failure::Failure;
use crate::output::Output;
use crate::tenant::tenant_id;
use crate::{explain, request_id};

pub(crate) async fn run(
    service: &Service,
    command: ContextCommand,
    output: &Output,
) -> Result<ExitCode, Failure> {
    match command {
        ContextCommand::Put(args) => put(service, &args, output).await?,
        ContextCommand::Get(args) => {
            let context = service.get(&caller(&args)?, &address(&args)?).await?;
            output.data(&context.to_json(), || describe(&context))?;
        }
        ContextCommand::Resolve(args) => {
            let resolved = service.resolve(&caller(&args)?, &address(&args)?, Explain::No).await?;
            output.data(&resolved.to_json(), || format!("{:#}", resolved.resolved_context))?;
        }
        ContextCommand::Explain(args) => {
            let resolved = service.resolve(&caller(&args)?, &address(&args)?, Explain::Yes).await?;
            output.data(&resolved.to_json(), || explain::tables(&resolved))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn put(service: &Service, args: &PutArgs, output: &Output) -> Result<(), Failure> {
    let body = body(args)?;
    let options = write_options(args, &body)?;
    let written = service.put(&caller(&args.address)?, &address(&args.address)?, body, options).await?;
    let json = written_json(&written);
    output.data(&json, || {
        let effect = match written.effect {
            Effect::Created => "created",
            Effect::Updated => "written",
            Effect::Deleted => "deleted",
        };
        format!("{effect} \"{}\"", written.etag)
    })
}

fn written_json(written: &Written) -> Value {
    serde_json::json!({"etag": written.etag.to_string(), "context": written.context, "replayed": written.replayed})
}

/// The command line's own principal may use the tenant that it names, and nothing else.
fn caller(args: &AddressArgs) -> Result<Caller, Failure> {
    let tenant = tenant_id(&args.tenant)?;
    let principal = Principal { name: "cli".to_owned(), access: Access::Tenant(tenant.clone()) };
    Ok(Caller::in_tenant(principal, tenant, request_id()))
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

/// The request that HTTP would have as its body: the same members, checked by the same code.
fn body(args: &PutArgs) -> Result<Map<String, Value>, Failure> {
    let text = |text: &Option<String>| text.clone().map(Value::String);
    let tags = (!args.tags.is_empty()).then(|| Value::from(args.tags.clone()));
    let inheritance =
        args.inheritance.as_deref().map(|text| read_json("--inheritance", text.as_bytes())).transpose()?;
    let members = [
        ("context_data", Some(document(args)?)),
        ("context_type", text(&args.context_type)),
        ("title", text(&args.title)),
        ("description", text(&args.description)),
        ("tags", tags),
        ("user_id", text(&args.user_id)),
        ("expires_at", text(&args.expires_at)),
        ("inheritance", inheritance),
    ];
    Ok(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

fn document(args: &PutArgs) -> Result<Value, Failure> {
    match (&args.data, &args.file) {
        (Some(text), _) => read_json("--data", text.as_bytes()),
        (None, Some(path)) => read_json(&path.display().to_string(), &read_input(path)?),
        (None, None) => Err(Failure::usage("name a file with the document, or give it with --data")),
    }
}

fn read_input(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut octets = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut octets)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut octets))
    };
    read.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    Ok(octets)
}

fn read_json(source: &str, text: &[u8]) -> Result<Value, Failure> {
    json::read(text).map_err(|error| match error {
        json::ReadError::Syntax { line, column, message } => {
            Failure::usage(format!("{source}, line {line}, column {column}: not JSON: {message}"))
        }
        json::ReadError::Rule(fault) => {
            Failure::usage(format!("{source}, at '{}': {}", fault.pointer, fault.message))
        }
    })
}

fn write_options(args: &PutArgs, body: &Map<String, Value>) -> Result<WriteOptions, Failure> {
    let condition = match args.if_match.as_deref() {
        None => Condition::Unconditional,
        Some("*") => Condition::Exists,
        Some(etag) => {
            let etag = etag.trim_matches('"').parse();
            Condition::IsOneOf(vec![
                etag.map_err(|rule: String| Failure::usage(format!("--if-match: {rule}")))?,
            ])
        }
    };
    let idempotency = args.idempotency_key.as_deref().map(|key| {
        let key = key.parse().map_err(|rule: String| Failure::usage(format!("--idempotency-key: {rule}")))?;
        let place = format!("{:?}", address(&args.address)?);
        let condition = format!("{condition:?} {}", args.no_create_parents);
        let body = Value::Object(body.clone()).to_string();
        Ok::<_, Failure>((
            key,
            RequestHash::of(&[b"put", place.as_bytes(), condition.as_bytes(), body.as_bytes()]),
        ))
    });
    let parents = if args.no_create_parents { Parents::MustExist } else { Parents::Create };
    Ok(WriteOptions { condition, parents, idempotency: idempotency.transpose()? })
}

/// A context for people: its members, then its document.
fn describe(context: &Context) -> String {
    let Value::Object(mut members) = context.to_json() else { return String::new() };
    let document = members.remove("context_data").unwrap_or_default();
    let mut table = crate::output::table(["member", "value"]);
    for (name, value) in &members {
        table.add_row([name.as_str(), &plain(value)]);
    }
    format!("{table}\n{document:#}")
}

/// A value as people write it: text without quotes, nothing where there is none.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
