//! `context put | get | patch | delete | resolve | explain | list | search | import`.

mod import;
mod input;
mod list;
mod put;
mod write;

use std::process::ExitCode;

use context_domain::context::Context;
use context_domain::error::Error;
use context_domain::resolve::{Explain, Resolved};
use context_domain::service::Service;
use serde_json::Value;

use crate::args::ContextCommand;
use crate::explain::explanation_tables;
use crate::failure::CommandFailure;
use crate::output::{Output, plain, table};
use input::{address, caller};

pub(crate) async fn run_context(
    service: &Service,
    command: ContextCommand,
    output: &Output,
) -> Result<ExitCode, CommandFailure> {
    match command {
        ContextCommand::Put(args) => put::put_context(service, &args, output).await?,
        ContextCommand::Patch(args) => write::patch_context(service, &args, output).await?,
        ContextCommand::Delete(args) => write::delete_context(service, &args, output).await?,
        ContextCommand::Get(args) => {
            let context = service.get(&caller(&args)?, &address(&args)?).await?;
            output.data(&context.to_json(), || describe(&context))?;
        }
        ContextCommand::Resolve(args) => {
            let (resolved, _) = service.resolve(&caller(&args)?, &address(&args)?, Explain::No).await?;
            let shown = resolved_json(&resolved)?;
            output.data(&shown, || {
                shown.get("resolved_context").map_or_else(String::new, |document| format!("{document:#}"))
            })?;
        }
        ContextCommand::Explain(args) => {
            let (resolved, _) = service.resolve(&caller(&args)?, &address(&args)?, Explain::Yes).await?;
            let shown = resolved_json(&resolved)?;
            output.data(&shown, || explanation_tables(&resolved, &shown))?;
        }
        ContextCommand::List(filter) => list::list_contexts(service, &filter, &[], output).await?,
        ContextCommand::Search(args) => {
            list::list_contexts(service, &args.filter, &args.words, output).await?;
        }
        ContextCommand::Import(args) => return import::run_import(service, &args, output).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// Parses the text of a resolved context, as the API returns it.
fn resolved_json(resolved: &Resolved) -> Result<Value, CommandFailure> {
    serde_json::from_slice(&resolved.text).map_err(|error| {
        let detail = format!("a resolved context cannot be parsed: {error}");
        CommandFailure::from(Error::Internal { detail })
    })
}

/// Formats a context for people: its members, then its document.
fn describe(context: &Context) -> String {
    let Value::Object(mut members) = context.to_json() else { return String::new() };
    let document = members.remove("context_data").unwrap_or_default();
    let mut table = table(["member", "value"]);
    for (name, value) in &members {
        table.add_row([name.as_str(), &plain(value)]);
    }
    format!("{table}\n{document:#}")
}
