//! `context put`: create a context, or replace one.

use context_domain::service::{Parents, Service};
use serde_json::{Map, Value};

use super::input::{address, caller, document, parse_text};
use super::write::{WriteRequest, print_written};
use crate::args::PutArgs;
use crate::document::Syntax;
use crate::failure::CommandFailure;
use crate::output::Output;

pub(super) async fn put_context(
    service: &Service,
    args: &PutArgs,
    output: &Output,
) -> Result<(), CommandFailure> {
    let address = address(&args.address)?;
    let body = request_body(args)?;
    let parents = if args.no_create_parents { Parents::MustExist } else { Parents::Create };
    let whole = Value::Object(body.clone()).to_string();
    let request = WriteRequest { method: "put", address: &address, variant: "", body: &whole };
    let options = request.options(&args.condition, parents)?;
    let written = service.put(&caller(&args.address)?, &address, body, options).await?;
    print_written(output, &written)
}

/// Builds the body that the same request would have over HTTP, so that the same code checks it.
fn request_body(args: &PutArgs) -> Result<Map<String, Value>, CommandFailure> {
    let text = |text: &Option<String>| text.clone().map(Value::String);
    let tags = (!args.tags.is_empty()).then(|| Value::from(args.tags.clone()));
    let inheritance = args.inheritance.as_deref();
    let inheritance = inheritance.map(|text| parse_text("--inheritance", Syntax::Json, text.as_bytes()));
    let members = [
        ("context_data", Some(document(&args.document)?)),
        ("context_type", text(&args.context_type)),
        ("title", text(&args.title)),
        ("description", text(&args.description)),
        ("tags", tags),
        ("user_id", text(&args.user_id)),
        ("expires_at", text(&args.expires_at)),
        ("inheritance", inheritance.transpose()?),
    ];
    Ok(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}
