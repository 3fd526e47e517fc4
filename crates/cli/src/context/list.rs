//! `context list | search`: reads all pages of the contexts that match.

use context_domain::context::Context;
use context_domain::limits::MAX_PAGE_LIMIT;
use context_domain::page::PageRequest;
use context_domain::search::{Search, words_of};
use context_domain::service::Service;
use serde_json::{Value, json};

use super::input::parse_text;
use crate::args::FilterArgs;
use crate::caller::{tenant_caller, tenant_id};
use crate::document::Syntax;
use crate::failure::CommandFailure;
use crate::output::{Output, note, plain, table};

pub(super) async fn list_contexts(
    service: &Service,
    args: &FilterArgs,
    words: &[String],
    output: &Output,
) -> Result<(), CommandFailure> {
    let caller = tenant_caller(tenant_id(&args.tenant)?);
    let search = search_of_args(args, words)?;
    let mut found: Vec<Context> = Vec::new();
    let mut request = PageRequest::default();
    let more = loop {
        let wanted = args.limit.get() - found.len();
        request.limit = Some(wanted.min(MAX_PAGE_LIMIT));
        let page = service.list(&caller, &search, &request).await?;
        found.extend(page.items);
        request.token = page.next_page_token;
        if request.token.is_none() || found.len() >= args.limit.get() {
            break request.token.is_some();
        }
    };
    let json = json!({"items": found.iter().map(Context::to_json).collect::<Vec<_>>(), "more": more});
    output.data(&json, || context_table(&found))?;
    if more {
        note(&format!("More than {} contexts match: raise --limit, or add filters.", args.limit));
    }
    Ok(())
}

fn search_of_args(args: &FilterArgs, words: &[String]) -> Result<Search, CommandFailure> {
    let filter = match &args.filter {
        None => None,
        Some(text) => match parse_text("--filter", Syntax::Json, text.as_bytes())? {
            Value::Object(members) => Some(members),
            _ => {
                return Err(CommandFailure::usage(
                    "--filter: the filter must be a JSON object, as every document is",
                ));
            }
        },
    };
    let mut cut = std::collections::BTreeSet::new();
    for text in words {
        let found = words_of(text);
        if found.is_empty() {
            // Without words every context would match.
            return Err(CommandFailure::usage(format!("'{}' contains no word", text.escape_debug())));
        }
        cut.extend(found);
    }
    Ok(Search {
        context_type: args.context_type.clone(),
        tags: args.tags.clone(),
        user_id: args.user_id.clone(),
        context_level: args.level,
        created_after: args.created_after,
        created_before: args.created_before,
        updated_after: args.updated_after,
        words: cut,
        filter,
    })
}

fn context_table(contexts: &[Context]) -> String {
    let columns =
        ["id", "context_level", "node_key", "context_type", "version", "updated_at", "tags", "title"];
    let mut table = table(columns);
    for context in contexts {
        let members = context.to_json();
        table.add_row(columns.map(|column| match (column, members.get(column)) {
            ("tags", _) => context.content.tags.join(" "),
            (_, Some(value)) => plain(value),
            (_, None) => String::new(),
        }));
    }
    table.to_string()
}
