//! Contexts by their place in the tree: each key is a segment of the path, or all of them are in the query.

use std::sync::Arc;

use axum::response::Response;
use context_domain::context::Context;
use context_domain::error::Code;
use context_domain::service::Service;

use super::answer::page_response;
use super::contexts;
use super::spec::{
    ApiTag, CONSISTENCY, CREATE_PARENTS, EXPLAIN, LIMIT, OperationSpec, PAGE_TOKEN, ParameterValues,
    QueryParameter, ResponseShape, SCOPE, Success,
};
use crate::http::call::Call;
use crate::http::problem::Problem;

/// The paths of the tree, and the query parameters of each in addition to those of the operation.
pub(super) const PATHS: [(&str, &[QueryParameter]); 4] = [
    ("/v1/tenants/{tenant}/tree", &SCOPE),
    ("/v1/tenants/{tenant}/tree/{project}", &[]),
    ("/v1/tenants/{tenant}/tree/{project}/{branch}", &[]),
    ("/v1/tenants/{tenant}/tree/{project}/{branch}/{task}", &[]),
];

const VIEW: QueryParameter = QueryParameter {
    name: "view",
    about: "own: the node's own document; resolved: its document merged over everything above it; children: \
            the nodes directly below it, by key.",
    values: ParameterValues::OneOf(&["own", "resolved", "children"]),
};

pub(super) const GET: OperationSpec = OperationSpec {
    id: "get_node",
    tag: ApiTag::Tree,
    summary: "Read a node of the tree, resolve it, or list its children",
    description: "`explain` and `consistency` are allowed with view=resolved only, `limit` and `page_token` \
                  with view=children only.",
    parameters: &[VIEW, EXPLAIN, CONSISTENCY, LIMIT, PAGE_TOKEN],
    successes: &[Success::Ok(ResponseShape::View), Success::NotModified],
    ..contexts::GET
};

pub(super) const PUT: OperationSpec = OperationSpec {
    id: "put_node",
    tag: ApiTag::Tree,
    summary: "Create or replace a node of the tree",
    description: "Creates a node that does not exist. Replacing one that exists requires `If-Match`, with \
                  the entity tag that was read or `*` for any version, and resets absent members to their \
                  defaults. With `If-None-Match: *` it only creates.",
    parameters: &[CREATE_PARENTS],
    problems: &[Code::ParentMissing, Code::PreconditionFailed, Code::PreconditionRequired, Code::Locked],
    ..contexts::PUT
};

pub(super) const PATCH: OperationSpec = OperationSpec {
    id: "patch_node",
    tag: ApiTag::Tree,
    summary: "Change some members of a node of the tree",
    ..contexts::PATCH
};

pub(super) const DELETE: OperationSpec = OperationSpec {
    id: "delete_node",
    tag: ApiTag::Tree,
    summary: "Delete a node of the tree",
    ..contexts::DELETE
};

pub(super) async fn get(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let of_resolved = "send it with view=resolved only";
    let of_children = "send it with view=children only";
    let query = call.query();
    match query.get(&VIEW) {
        Some("children") => {
            query.refuse(&EXPLAIN, of_resolved)?;
            query.refuse(&CONSISTENCY, of_resolved)?;
            call.refuse_if_none_match("a list of children has no entity tag: leave the header out")?;
            let page = service.children(&call.in_tenant()?, &call.scope()?, &query.page_request()?).await?;
            Ok(page_response(&page, Context::to_json))
        }
        Some("resolved") => {
            query.refuse(&LIMIT, of_children)?;
            query.refuse(&PAGE_TOKEN, of_children)?;
            contexts::resolved(service, call).await
        }
        // Any other value was refused when the query was parsed.
        _ => {
            query.refuse(&EXPLAIN, of_resolved)?;
            query.refuse(&CONSISTENCY, of_resolved)?;
            query.refuse(&LIMIT, of_children)?;
            query.refuse(&PAGE_TOKEN, of_children)?;
            contexts::get(service, call).await
        }
    }
}
