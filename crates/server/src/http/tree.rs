//! Contexts by their place in the tree, with each key a segment of the path, or all of them in the query.

use std::sync::Arc;

use axum::response::Response;
use context_domain::context::Context;
use context_domain::service::Service;

use super::answer;
use super::call::Call;
use super::contexts;
use super::problem::{Kind, Problem};
use super::spec::{
    Answer, CONSISTENCY, CREATE_PARENTS, EXPLAIN, LIMIT, PAGE_TOKEN, Parameter, Shape, Spec, Tag, Values,
};

/// The paths of the tree, and what each takes in its query beside the parameters of the operation.
pub(super) const PATHS: [(&str, &[Parameter]); 4] = [
    ("/v1/tenants/{tenant}/tree", &SCOPE),
    ("/v1/tenants/{tenant}/tree/{project}", &[]),
    ("/v1/tenants/{tenant}/tree/{project}/{branch}", &[]),
    ("/v1/tenants/{tenant}/tree/{project}/{branch}/{task}", &[]),
];

/// A place in the query, for where a proxy decodes `%2F` in paths.
pub(super) const SCOPE: [Parameter; 3] = [
    scope_key("project", "The key of the project; without it, the global node is meant."),
    scope_key("branch", "The key of the branch."),
    scope_key("task", "The key of the task."),
];

const VIEW: Parameter = Parameter {
    name: "view",
    about: "own: the node's own document; resolved: merged over everything above it; children: the nodes directly \
            below it, by key.",
    values: Values::OneOf(&["own", "resolved", "children"]),
};

pub(super) const GET: Spec = Spec {
    id: "get_node",
    tag: Tag::Tree,
    summary: "Read a node of the tree, resolve it, or list its children",
    description: "`explain` and `consistency` go with view=resolved, `limit` and `page_token` with view=children.",
    parameters: &[VIEW, EXPLAIN, CONSISTENCY, LIMIT, PAGE_TOKEN],
    answers: &[Answer::Ok(Shape::View), Answer::NotModified],
    ..contexts::GET
};

pub(super) const PUT: Spec = Spec {
    id: "put_node",
    tag: Tag::Tree,
    summary: "Create or replace a node of the tree",
    description: "Creates what is absent; absent members are reset in what exists, which needs `If-Match`: the entity \
                  tag that was read, or `*` for whatever is there. With `If-None-Match: *` it creates only.",
    parameters: &[CREATE_PARENTS],
    problems: &[Kind::PARENT_MISSING, Kind::PRECONDITION_FAILED, Kind::PRECONDITION_REQUIRED, Kind::LOCKED],
    ..contexts::PUT
};

pub(super) const PATCH: Spec = Spec {
    id: "patch_node",
    tag: Tag::Tree,
    summary: "Change some members of a node of the tree",
    ..contexts::PATCH
};

pub(super) const DELETE: Spec =
    Spec { id: "delete_node", tag: Tag::Tree, summary: "Delete a node of the tree", ..contexts::DELETE };

pub(super) async fn get(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let of_resolved = "goes with view=resolved";
    let of_children = "goes with view=children";
    let query = call.query();
    match query.get(&VIEW) {
        Some("children") => {
            query.refuse(&EXPLAIN, of_resolved)?;
            query.refuse(&CONSISTENCY, of_resolved)?;
            call.refuse_if_none_match("a list of children has no entity tag: leave the header out")?;
            let page = service.children(&call.in_tenant()?, &call.scope()?, &query.page()?).await?;
            Ok(answer::page(&page, Context::to_json))
        }
        Some("resolved") => {
            query.refuse(&LIMIT, of_children)?;
            query.refuse(&PAGE_TOKEN, of_children)?;
            contexts::resolved(service, call).await
        }
        // The reader of the query let no other value through.
        _ => {
            query.refuse(&EXPLAIN, of_resolved)?;
            query.refuse(&CONSISTENCY, of_resolved)?;
            query.refuse(&LIMIT, of_children)?;
            query.refuse(&PAGE_TOKEN, of_children)?;
            contexts::get(service, call).await
        }
    }
}

const fn scope_key(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, about, values: Values::NodeKey }
}
