//! What an import would do: each node compared with what is there, and checked against the tree as it would be.

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

use super::found::{Files, Node, Wanted, Wrong};

/// A node with what is to be done about it.
pub(super) struct Planned {
    pub(super) scope: Scope,
    pub(super) files: Files,
    /// What was there; none where nothing was, or nobody had written yet.
    pub(super) existing: Option<Arc<Context>>,
    pub(super) step: Result<Step, Vec<Wrong>>,
}

/// What is to be done about a node.
pub(super) enum Step {
    Write(Map<String, Value>),
    Nothing,
}

/// What was planned, and which nodes above the planned ones are missing.
pub(super) struct Plan {
    pub(super) nodes: Vec<Planned>,
    /// They are made, empty, when what stands below them is written.
    pub(super) missing_above: Vec<Scope>,
}

pub(super) async fn plan(service: &Service, caller: &Caller, nodes: Vec<Node>) -> Result<Plan, Error> {
    let mut tree = Tree { service, caller, nodes: HashMap::new(), missing: Vec::new() };
    let mut planned = Vec::new();
    for node in nodes {
        planned.push(tree.planned(node).await?);
    }
    let scopes: Vec<_> = planned.iter().map(|node| node.scope.clone()).collect();
    let missing_above = tree.missing.into_iter().filter(|scope| !scopes.contains(scope)).collect();
    Ok(Plan { nodes: planned, missing_above })
}

/// The tree as it would be with the nodes planned so far.
struct Tree<'a> {
    service: &'a Service,
    caller: &'a Caller,
    /// The content at each place that was looked at.
    nodes: HashMap<Scope, Option<Arc<Content>>>,
    missing: Vec<Scope>,
}

impl Tree<'_> {
    async fn planned(&mut self, node: Node) -> Result<Planned, Error> {
        let Node { scope, files, wanted } = node;
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(wrong) => return Ok(Planned { scope, files, existing: None, step: Err(wrong) }),
        };
        let existing = self.read(&scope).await?;
        let above = self.above(&scope).await?;
        let body = body(existing.as_deref(), wanted);
        let wrong = |faults: Vec<Fault>| faults.into_iter().map(|fault| files.wrong(fault)).collect();
        let checked = Content::from_json(&body, Some(scope.level()))
            .and_then(|content| check_locks(&above, existing.as_deref(), &content).map(|()| content));
        let step = match checked {
            Err(faults) => Err(wrong(faults)),
            Ok(content) => {
                let written = existing.as_deref().filter(|context| context.version > 0);
                let same = written.is_some_and(|context| context.content == content);
                self.nodes.insert(scope.clone(), Some(Arc::new(content)));
                Ok(if same { Step::Nothing } else { Step::Write(body) })
            }
        };
        Ok(Planned { scope, files, existing, step })
    }

    /// The contents above a place, global first, as they would be.
    async fn above(&mut self, scope: &Scope) -> Result<Vec<Arc<Content>>, Error> {
        let mut above = Vec::new();
        let mut at = scope.parent();
        while let Some(parent) = at {
            let content = match self.nodes.get(&parent) {
                Some(content) => content.clone(),
                None => self.read(&parent).await?.map(|context| Arc::new(context.content.clone())),
            };
            above.extend(content);
            at = parent.parent();
        }
        above.reverse();
        Ok(above)
    }

    async fn read(&mut self, scope: &Scope) -> Result<Option<Arc<Context>>, Error> {
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

/// The request that writes what is wanted: members that a source does not speak of stay as they are.
fn body(existing: Option<&Context>, wanted: Wanted) -> Map<String, Value> {
    let mut body = existing.map(|context| context.content.to_json()).unwrap_or_default();
    match wanted {
        Wanted::Whole { document, rules } => {
            body.insert("context_data".to_owned(), document);
            body.insert("inheritance".to_owned(), rules.unwrap_or_default());
        }
        Wanted::Member { name, value } => {
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
