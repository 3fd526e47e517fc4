//! The record of every write: of one context, or of a whole tenant.

use std::sync::Arc;

use axum::response::Response;
use context_domain::change::Change;
use context_domain::service::Service;

use super::answer;
use super::call::Call;
use super::problem::{Kind, Problem};
use super::spec::{Answer, LIMIT, PAGE_TOKEN, Shape, Spec, Tag};

pub(super) const OF_TENANT: Spec = Spec {
    id: "list_changes",
    tag: Tag::Changes,
    summary: "List the tenant's writes, newest first",
    parameters: &[LIMIT, PAGE_TOKEN],
    answers: &[Answer::Ok(Shape::ChangePage)],
    ..Spec::READ
};

pub(super) const OF_CONTEXT: Spec = Spec {
    id: "list_context_changes",
    summary: "List the writes of one context, newest first",
    description: "What was written stays to be read after the context is deleted.",
    problems: &[Kind::NOT_FOUND],
    ..OF_TENANT
};

pub(super) async fn list(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let caller = call.in_tenant()?;
    let id = call.segment("id").map(|_| call.context_id()).transpose()?;
    let page = service.changes(&caller, id.as_ref(), &call.query().page()?).await?;
    Ok(answer::page(&page, Change::to_json))
}
