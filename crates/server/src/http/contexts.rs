//! Contexts by id: create, list, read, replace, patch, delete, resolve.

use std::sync::Arc;

use axum::response::Response;
use context_domain::access::Permission;
use context_domain::context::Context;
use context_domain::ports::Subtree;
use context_domain::resolve::Explain;
use context_domain::service::Service;

use super::answer;
use super::call::Call;
use super::problem::{Kind, Problem};
use super::search;
use super::spec::{
    Access, Answer, Body, CASCADE, CONSISTENCY, CREATE_PARENTS, Conditions, EXPLAIN, Idempotency, Shape,
    Spec, Tag, Verb,
};

pub(super) const CREATE: Spec = Spec {
    verb: Verb::Post,
    id: "create_context",
    access: Access::Tenant(Permission::Write),
    tag: Tag::Contexts,
    summary: "Create a context",
    description: "Never overwrites: a node that somebody wrote is a conflict. With a `scope` the context becomes the \
                  node at that place of the tree, else it stands outside the tree, where `context_type` is required.",
    parameters: &[CREATE_PARENTS],
    conditions: Conditions::None,
    idempotency: Idempotency::Honoured,
    body: Body::NewContext,
    answers: &[Answer::Created(Shape::Context)],
    problems: &[Kind::ALREADY_EXISTS, Kind::PARENT_MISSING, Kind::LOCKED],
};

pub(super) const LIST: Spec = Spec {
    id: "list_contexts",
    summary: "List the tenant's contexts that match, oldest first",
    description: "Every parameter that is given must hold; without one, everything matches. A page token goes with the \
                  parameters of the page that gave it.",
    parameters: &search::PARAMETERS,
    answers: &[Answer::Ok(Shape::ContextPage)],
    ..Spec::READ
};

pub(super) const GET: Spec = Spec {
    id: "get_context",
    summary: "Read a context",
    conditions: Conditions::IfNoneMatch,
    answers: &[Answer::Ok(Shape::Context), Answer::NotModified],
    problems: &[Kind::NOT_FOUND],
    ..Spec::READ
};

pub(super) const PUT: Spec = Spec {
    verb: Verb::Put,
    id: "replace_context",
    access: Access::Tenant(Permission::Write),
    summary: "Replace a context",
    description: "Absent members are reset. Needs `If-Match`: the entity tag that was read, or `*` for whatever is \
                  there.",
    conditions: Conditions::IfMatchOrAbsent,
    idempotency: Idempotency::Honoured,
    body: Body::Content,
    answers: &[Answer::Ok(Shape::Context), Answer::Created(Shape::Context)],
    problems: &[Kind::NOT_FOUND, Kind::PRECONDITION_FAILED, Kind::PRECONDITION_REQUIRED, Kind::LOCKED],
    ..Spec::READ
};

pub(super) const PATCH: Spec = Spec {
    verb: Verb::Patch,
    id: "patch_context",
    access: Access::Tenant(Permission::Write),
    summary: "Change some members of a context",
    description: "A merge patch (RFC 7396; a `null` removes) or a JSON patch (RFC 6902; `test` is honoured), applied to \
                  the object of the writable members. Without `If-Match`, two clients that patch different members \
                  both win.",
    conditions: Conditions::IfMatch,
    idempotency: Idempotency::Honoured,
    body: Body::Patch,
    answers: &[Answer::Ok(Shape::Context)],
    problems: &[Kind::NOT_FOUND, Kind::PRECONDITION_FAILED, Kind::PATCH_TEST_FAILED, Kind::LOCKED],
    ..Spec::READ
};

pub(super) const DELETE: Spec = Spec {
    verb: Verb::Delete,
    id: "delete_context",
    access: Access::Tenant(Permission::Write),
    summary: "Delete a context",
    parameters: &[CASCADE],
    conditions: Conditions::IfMatch,
    idempotency: Idempotency::Honoured,
    answers: &[Answer::NoContent],
    problems: &[Kind::NOT_FOUND, Kind::PRECONDITION_FAILED, Kind::HAS_CHILDREN, Kind::GLOBAL_NODE],
    ..Spec::READ
};

pub(super) const RESOLVED: Spec = Spec {
    id: "resolve_context",
    summary: "Resolve a context: its document merged over everything above it",
    parameters: &[EXPLAIN, CONSISTENCY],
    answers: &[Answer::Ok(Shape::Resolved), Answer::NotModified],
    ..GET
};

pub(super) async fn create(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let caller = call.in_tenant()?;
    let options = call.write_options()?;
    let written = service.create(&caller, call.object()?, options).await?;
    answer::written(&call, &written)
}

pub(super) async fn list(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let (caller, query) = (call.in_tenant()?, call.query());
    let page = service.list(&caller, &query.search()?, &query.page()?).await?;
    Ok(answer::page(&page, Context::to_json))
}

pub(super) async fn get(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let context = service.get(&call.in_tenant()?, &call.address()?).await?;
    answer::tagged(&call, &context.etag().to_string(), || context.to_json().to_string())
}

pub(super) async fn put(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let caller = call.in_tenant()?;
    let (address, options) = (call.address()?, call.write_options()?);
    let written = service.put(&caller, &address, call.object()?, options).await?;
    answer::written(&call, &written)
}

pub(super) async fn patch(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let caller = call.in_tenant()?;
    let (address, options) = (call.address()?, call.write_options()?);
    let written = service.patch(&caller, &address, call.patch()?, options).await?;
    answer::written(&call, &written)
}

pub(super) async fn delete(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let caller = call.in_tenant()?;
    let (address, options) = (call.address()?, call.write_options()?);
    let subtree = if call.query().flag(&CASCADE) { Subtree::Remove } else { Subtree::MustBeEmpty };
    let written = service.delete(&caller, &address, subtree, options).await?;
    answer::written(&call, &written)
}

pub(super) async fn resolved(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let explain = if call.query().flag(&EXPLAIN) { Explain::Yes } else { Explain::No };
    let (resolved, cache) = service.resolve(&call.in_tenant()?, &call.address()?, explain).await?;
    let response = answer::tagged(&call, &resolved.etag(), || resolved.text.clone())?;
    answer::with_header(response, answer::CONTEXT_CACHE, cache.as_str())
}
