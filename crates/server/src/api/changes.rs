//! The record of every write: of one context, or of a whole tenant.

use std::sync::Arc;

use axum::response::Response;
use context_domain::change::Change;
use context_domain::error::Code;
use context_domain::service::Service;

use super::answer::page_response;
use super::spec::{ApiTag, LIMIT, OperationSpec, PAGE_TOKEN, ResponseShape, Success};
use crate::http::call::Call;
use crate::http::problem::Problem;

pub(super) const OF_TENANT: OperationSpec = OperationSpec {
    id: "list_changes",
    tag: ApiTag::Changes,
    summary: "List the tenant's writes, newest first",
    parameters: &[LIMIT, PAGE_TOKEN],
    successes: &[Success::Ok(ResponseShape::ChangePage)],
    ..OperationSpec::READ
};

pub(super) const OF_CONTEXT: OperationSpec = OperationSpec {
    id: "list_context_changes",
    summary: "List the writes of one context, newest first",
    description: "The record remains after the context is deleted.",
    problems: &[Code::NotFound],
    ..OF_TENANT
};

pub(super) async fn list(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let caller = call.in_tenant()?;
    let id = call.segment("id").map(|_| call.context_id()).transpose()?;
    let page = service.changes(&caller, id.as_ref(), &call.query().page_request()?).await?;
    Ok(page_response(&page, Change::to_json))
}
