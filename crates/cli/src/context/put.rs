//! `context put`: create a context, or replace one.

use context_domain::service::{Parents, Service};
use serde_json::{Map, Value};

use super::write::{Request, print};
use super::{address, caller, parse, read_document};
use crate::args::PutArgs;
use crate::document::Syntax;
use crate::failure::Failure;
use crate::output::Output;

pub(super) async fn put(service: &Service, args: &PutArgs, output: &Output) -> Result<(), Failure> {
    let address = address(&args.address)?;
    let body = body(args)?;
    let parents = if args.no_create_parents { Parents::MustExist } else { Parents::Create };
    let whole = Value::Object(body.clone()).to_string();
    let request = Request { method: "put", address: &address, variant: "", body: &whole };
    let options = request.options(&args.condition, parents)?;
    let written = service.put(&caller(&args.address)?, &address, body, options).await?;
    print(output, &written)
}

/// The request that HTTP would have as its body: the same members, checked by the same code.
fn body(args: &PutArgs) -> Result<Map<String, Value>, Failure> {
    let text = |text: &Option<String>| text.clone().map(Value::String);
    let tags = (!args.tags.is_empty()).then(|| Value::from(args.tags.clone()));
    let inheritance = args.inheritance.as_deref();
    let inheritance = inheritance.map(|text| parse("--inheritance", Syntax::Json, text.as_bytes()));
    let members = [
        ("context_data", Some(read_document(&args.document)?)),
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
