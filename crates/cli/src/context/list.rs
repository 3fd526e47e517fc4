//! `context list | search`: the contexts that match, page after page.

use context_domain::context::Context;
use context_domain::limits::MAX_PAGE_LIMIT;
use context_domain::page::PageRequest;
use context_domain::search::{Search, words_of};
use context_domain::service::Service;
use serde_json::{Value, json};

use super::{caller_in, parse};
use crate::args::FilterArgs;
use crate::document::Syntax;
use crate::failure::Failure;
use crate::output::{Output, note, plain, table};
use crate::tenant::tenant_id;

pub(super) async fn run(
    service: &Service,
    args: &FilterArgs,
    words: &[String],
    output: &Output,
) -> Result<(), Failure> {
    let caller = caller_in(tenant_id(&args.tenant)?);
    let search = search(args, words)?;
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
    output.data(&json, || listing(&found))?;
    if more {
        note(&format!("There are more than {}: raise --limit, or ask more narrowly.", args.limit));
    }
    Ok(())
}

fn search(args: &FilterArgs, words: &[String]) -> Result<Search, Failure> {
    let filter = match &args.filter {
        None => None,
        Some(text) => match parse("--filter", Syntax::Json, text.as_bytes())? {
            Value::Object(members) => Some(members),
            _ => return Err(Failure::usage("--filter: a document is an object, and so is what it contains")),
        },
    };
    let mut cut = std::collections::BTreeSet::new();
    for text in words {
        let found = words_of(text);
        if found.is_empty() {
            // It would narrow nothing down, and everything would look like a find.
            return Err(Failure::usage(format!("there is no word in '{}'", text.escape_debug())));
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

fn listing(contexts: &[Context]) -> String {
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
