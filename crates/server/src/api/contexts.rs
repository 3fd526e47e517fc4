//! Contexts by id: create, list, read, replace, patch, delete, resolve.

use std::sync::Arc;

use axum::response::Response;
use context_domain::access::Permission;
use context_domain::context::Context;
use context_domain::error::Code;
use context_domain::ports::Subtree;
use context_domain::resolve::Explain;
use context_domain::service::Service;

use super::answer::{CONTEXT_CACHE, page_response, tagged_response, with_header, written_response};
use super::search;
use super::spec::{
    ApiTag, CASCADE, CONSISTENCY, CREATE_PARENTS, ConditionHeaders, EXPLAIN, IdempotencySupport,
    OperationSpec, RequestShape, ResponseShape, Success, Verb,
};
use crate::auth::OperationAccess;
use crate::http::call::Call;
use crate::http::problem::Problem;

pub(super) const CREATE: OperationSpec = OperationSpec {
    verb: Verb::Post,
    id: "create_context",
    access: OperationAccess::Tenant(Permission::Write),
    tag: ApiTag::Contexts,
    summary: "Create a context",
    description: "Never overwrites: a node that was already written is a conflict. With a `scope` the \
                  context becomes the node at that place in the tree; without one it is outside the tree, \
                  where `context_type` is required.",
    parameters: &[CREATE_PARENTS],
    conditions: ConditionHeaders::None,
    idempotency: IdempotencySupport::Honoured,
    request: RequestShape::NewContext,
    successes: &[Success::Created(ResponseShape::Context)],
    problems: &[Code::AlreadyExists, Code::ParentMissing, Code::Locked],
};

pub(super) const LIST: OperationSpec = OperationSpec {
    id: "list_contexts",
    summary: "List the tenant's contexts that match, oldest first",
    description: "A context must match every parameter that is sent; without parameters, all match. A page \
                  token is valid only with the parameters of the page that returned it.",
    parameters: &search::PARAMETERS,
    successes: &[Success::Ok(ResponseShape::ContextPage)],
    ..OperationSpec::READ
};

pub(super) const GET: OperationSpec = OperationSpec {
    id: "get_context",
    summary: "Read a context",
    conditions: ConditionHeaders::IfNoneMatch,
    successes: &[Success::Ok(ResponseShape::Context), Success::NotModified],
    problems: &[Code::NotFound],
    ..OperationSpec::READ
};

pub(super) const PUT: OperationSpec = OperationSpec {
    verb: Verb::Put,
    id: "replace_context",
    access: OperationAccess::Tenant(Permission::Write),
    summary: "Replace a context",
    description: "Absent members are reset to their defaults. Requires `If-Match`: the entity tag that was \
                  read, or `*` for any version.",
    conditions: ConditionHeaders::IfMatchOrAbsent,
    idempotency: IdempotencySupport::Honoured,
    request: RequestShape::Content,
    successes: &[Success::Ok(ResponseShape::Context), Success::Created(ResponseShape::Context)],
    problems: &[Code::NotFound, Code::PreconditionFailed, Code::PreconditionRequired, Code::Locked],
    ..OperationSpec::READ
};

pub(super) const PATCH: OperationSpec = OperationSpec {
    verb: Verb::Patch,
    id: "patch_context",
    access: OperationAccess::Tenant(Permission::Write),
    summary: "Change some members of a context",
    description: "A merge patch (RFC 7396; `null` removes a member) or a JSON patch (RFC 6902; `test` is \
                  honoured), applied to the object of the writable members. Without `If-Match`, the changes \
                  of two clients that patch different members are both kept.",
    conditions: ConditionHeaders::IfMatch,
    idempotency: IdempotencySupport::Honoured,
    request: RequestShape::Patch,
    successes: &[Success::Ok(ResponseShape::Context)],
    problems: &[Code::NotFound, Code::PreconditionFailed, Code::PatchTestFailed, Code::Locked],
    ..OperationSpec::READ
};

pub(super) const DELETE: OperationSpec = OperationSpec {
    verb: Verb::Delete,
    id: "delete_context",
    access: OperationAccess::Tenant(Permission::Write),
    summary: "Delete a context",
    parameters: &[CASCADE],
    conditions: ConditionHeaders::IfMatch,
    idempotency: IdempotencySupport::Honoured,
    successes: &[Success::NoContent],
    problems: &[Code::NotFound, Code::PreconditionFailed, Code::HasChildren, Code::GlobalNode],
    ..OperationSpec::READ
};

pub(super) const RESOLVED: OperationSpec = OperationSpec {
    id: "resolve_context",
    summary: "Resolve a context: its document merged over everything above it",
    parameters: &[EXPLAIN, CONSISTENCY],
    successes: &[Success::Ok(ResponseShape::Resolved), Success::NotModified],
    ..GET
};

pub(super) async fn create(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let caller = call.in_tenant()?;
    let options = call.write_options()?;
    let written = service.create(&caller, call.object()?, options).await?;
    written_response(&call, &written)
}

pub(super) async fn list(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let (caller, query) = (call.in_tenant()?, call.query());
    let page = service.list(&caller, &search::parse_search(query)?, &query.page_request()?).await?;
    Ok(page_response(&page, Context::to_json))
}

pub(super) async fn get(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let context = service.get(&call.in_tenant()?, &call.address()?).await?;
    tagged_response(&call, &context.etag().to_string(), || context.to_json().to_string())
}

pub(super) async fn put(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let caller = call.in_tenant()?;
    let (address, options) = (call.address()?, call.write_options()?);
    let written = service.put(&caller, &address, call.object()?, options).await?;
    written_response(&call, &written)
}

pub(super) async fn patch(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let caller = call.in_tenant()?;
    let (address, options) = (call.address()?, call.write_options()?);
    let written = service.patch(&caller, &address, call.patch()?, options).await?;
    written_response(&call, &written)
}

pub(super) async fn delete(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let caller = call.in_tenant()?;
    let (address, options) = (call.address()?, call.write_options()?);
    let subtree = if call.query().flag(&CASCADE) { Subtree::Remove } else { Subtree::MustBeEmpty };
    let written = service.delete(&caller, &address, subtree, options).await?;
    written_response(&call, &written)
}

pub(super) async fn resolved(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let explain = if call.query().flag(&EXPLAIN) { Explain::Yes } else { Explain::No };
    let (resolved, cache) = service.resolve(&call.in_tenant()?, &call.address()?, explain).await?;
    let response = tagged_response(&call, &resolved.etag(), || resolved.text.clone())?;
    with_header(response, CONTEXT_CACHE, cache.as_str())
}
