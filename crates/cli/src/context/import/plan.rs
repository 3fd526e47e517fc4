//! Plans an import: compares each node with the store, and checks it against the tree as it would be.

use std::collections::HashMap;
use std::sync::Arc;

use context_domain::access::Caller;
use context_domain::content::Content;
use context_domain::context::Context;
use context_domain::error::Error;
use context_domain::fault::Fault;
use context_domain::merge::{Link, newly_blocked};
use context_domain::service::Service;
use context_domain::tree::{Address, Scope};
use serde_json::{Map, Value};

use super::source::{FileRefusal, SourceFiles, SourceNode, WantedContent};

/// A node with the step that the import takes for it.
pub(super) struct PlannedNode {
    pub(super) scope: Scope,
    pub(super) files: SourceFiles,
    /// The context before the import; `None` if there was no node.
    pub(super) existing: Option<Arc<Context>>,
    pub(super) step: Result<ImportStep, Vec<FileRefusal>>,
}

/// The step that the import takes for a node.
pub(super) enum ImportStep {
    Write(Map<String, Value>),
    Nothing,
}

/// The planned nodes, and the missing nodes above them.
pub(super) struct ImportPlan {
    pub(super) nodes: Vec<PlannedNode>,
    /// These are created, empty, when a node below them is written.
    pub(super) missing_above: Vec<Scope>,
}

pub(super) async fn plan_import(
    service: &Service,
    caller: &Caller,
    nodes: Vec<SourceNode>,
) -> Result<ImportPlan, Error> {
    let mut tree = PlannedTree { service, caller, nodes: HashMap::new(), missing: Vec::new() };
    let mut planned = Vec::new();
    for node in nodes {
        planned.push(tree.plan_node(node).await?);
    }
    let scopes: Vec<_> = planned.iter().map(|node| node.scope.clone()).collect();
    let missing_above = tree.missing.into_iter().filter(|scope| !scopes.contains(scope)).collect();
    Ok(ImportPlan { nodes: planned, missing_above })
}

/// The tree as it would be with the nodes planned so far.
struct PlannedTree<'a> {
    service: &'a Service,
    caller: &'a Caller,
    /// The content at each scope that was read or planned.
    nodes: HashMap<Scope, Option<Arc<Content>>>,
    missing: Vec<Scope>,
}

impl PlannedTree<'_> {
    async fn plan_node(&mut self, node: SourceNode) -> Result<PlannedNode, Error> {
        let SourceNode { scope, files, wanted } = node;
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(wrong) => return Ok(PlannedNode { scope, files, existing: None, step: Err(wrong) }),
        };
        let existing = self.read_node(&scope).await?;
        let above = self.above(&scope).await?;
        let body = request_body(existing.as_deref(), wanted);
        let refusals = |faults: Vec<Fault>| faults.into_iter().map(|fault| files.refusal(fault)).collect();
        let checked = Content::from_json(&body, Some(scope.level()))
            .and_then(|content| check_locks(&above, existing.as_deref(), &content).map(|()| content));
        let step = match checked {
            Err(faults) => Err(refusals(faults)),
            Ok(content) => {
                let written = existing.as_deref().filter(|context| context.version > 0);
                let same = written.is_some_and(|context| context.content == content);
                self.nodes.insert(scope.clone(), Some(Arc::new(content)));
                Ok(if same { ImportStep::Nothing } else { ImportStep::Write(body) })
            }
        };
        Ok(PlannedNode { scope, files, existing, step })
    }

    /// Returns the contents above a scope as they would be, global first.
    async fn above(&mut self, scope: &Scope) -> Result<Vec<Arc<Content>>, Error> {
        let mut above = Vec::new();
        let mut at = scope.parent();
        while let Some(parent) = at {
            let content = match self.nodes.get(&parent) {
                Some(content) => content.clone(),
                None => self.read_node(&parent).await?.map(|context| Arc::new(context.content.clone())),
            };
            above.extend(content);
            at = parent.parent();
        }
        above.reverse();
        Ok(above)
    }

    async fn read_node(&mut self, scope: &Scope) -> Result<Option<Arc<Context>>, Error> {
        let found = match self.service.get(self.caller, &Address::Scope(scope.clone())).await {
            Ok(context) => Some(context),
            Err(Error::NotFound(_)) => {
                self.missing.push(scope.clone());
                None
            }
            Err(error) => return Err(error),
        };
        self.nodes.insert(scope.clone(), found.as_ref().map(|context| Arc::new(context.content.clone())));
        Ok(found)
    }
}

/// Builds the body of the request that writes the wanted content; members that the source does not have stay.
fn request_body(existing: Option<&Context>, wanted: WantedContent) -> Map<String, Value> {
    let mut body = existing.map(|context| context.content.to_json()).unwrap_or_default();
    match wanted {
        WantedContent::Whole { document, rules } => {
            body.insert("context_data".to_owned(), document);
            body.insert("inheritance".to_owned(), rules.unwrap_or_default());
        }
        WantedContent::Member { name, value } => {
            let document = body.entry("context_data").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(members) = document {
                members.insert(name.to_owned(), value);
            }
        }
    }
    body
}

fn check_locks<'a>(
    above: &'a [Arc<Content>],
    existing: Option<&'a Context>,
    content: &'a Content,
) -> Result<(), Vec<Fault>> {
    let link = |content: &'a Arc<Content>| Link {
        data: &content.context_data,
        inheritance: content.inheritance.as_ref(),
    };
    let links: Vec<_> = above.iter().map(link).collect();
    let blocked = newly_blocked(&links, existing.map(Context::data), &content.context_data);
    let faults: Vec<_> = blocked
        .into_iter()
        .map(|blocked| {
            let level = ["global node", "project", "branch"].get(blocked.locked_by).unwrap_or(&"node");
            let rule = format!("locked by the {level} above: leave it out, or change it there");
            Fault::new(blocked.pointer, rule).under("/context_data")
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}
