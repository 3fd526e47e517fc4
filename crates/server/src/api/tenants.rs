//! Tenants: create, list, show, drop; for operators.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use context_domain::error::{Code, Error};
use context_domain::fault::Fault;
use context_domain::id::TenantId;
use context_domain::pointer::to_member;
use context_domain::service::Service;
use context_domain::tenant::Tenant;
use serde_json::{Map, Value, json};

use super::answer::{json_response, page_response, with_header};
use super::spec::{ApiTag, LIMIT, OperationSpec, PAGE_TOKEN, RequestShape, ResponseShape, Success, Verb};
use crate::auth::OperationAccess;
use crate::http::call::Call;
use crate::http::problem::Problem;

pub(super) const CREATE: OperationSpec = OperationSpec {
    verb: Verb::Post,
    id: "create_tenant",
    tag: ApiTag::Tenants,
    access: OperationAccess::Operator,
    summary: "Create a tenant",
    request: RequestShape::Tenant,
    successes: &[Success::Created(ResponseShape::Tenant)],
    problems: &[Code::TenantExists, Code::OwnerNeeded],
    ..OperationSpec::READ
};

pub(super) const LIST: OperationSpec = OperationSpec {
    id: "list_tenants",
    tag: ApiTag::Tenants,
    access: OperationAccess::Operator,
    summary: "List the tenants, by id",
    parameters: &[LIMIT, PAGE_TOKEN],
    successes: &[Success::Ok(ResponseShape::TenantPage)],
    ..OperationSpec::READ
};

pub(super) const SHOW: OperationSpec = OperationSpec {
    id: "get_tenant",
    tag: ApiTag::Tenants,
    access: OperationAccess::Operator,
    summary: "Read a tenant",
    successes: &[Success::Ok(ResponseShape::Tenant)],
    ..OperationSpec::READ
};

pub(super) const DROP: OperationSpec = OperationSpec {
    verb: Verb::Delete,
    id: "drop_tenant",
    tag: ApiTag::Tenants,
    access: OperationAccess::Operator,
    summary: "Drop a tenant and everything in it, permanently",
    successes: &[Success::NoContent],
    problems: &[Code::OwnerNeeded],
    ..OperationSpec::READ
};

pub(super) async fn create(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let id = parse_tenant_id(&call.object()?)?;
    let tenant = service.create_tenant(&call.in_installation()?, &id).await?;
    let response = json_response(StatusCode::CREATED, &json!(tenant));
    with_header(response, LOCATION, &format!("/v1/tenants/{id}"))
}

pub(super) async fn list(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let page = service.list_tenants(&call.in_installation()?, &call.query().page_request()?).await?;
    Ok(page_response(&page, |tenant: &Tenant| json!(tenant)))
}

pub(super) async fn show(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let tenant = service.get_tenant(&call.in_installation()?, &call.tenant()?).await?;
    Ok(json_response(StatusCode::OK, &json!(tenant)))
}

pub(super) async fn drop(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    service.drop_tenant(&call.in_installation()?, &call.tenant()?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn parse_tenant_id(body: &Map<String, Value>) -> Result<TenantId, Error> {
    let unknown = body.keys().filter(|name| *name != "id");
    let mut faults: Vec<_> = unknown
        .map(|name| {
            let pointer = to_member(name);
            Fault::new(pointer, "unknown member: only id is allowed")
        })
        .collect();
    let id = match body.get("id") {
        Some(Value::String(text)) => text.parse(),
        _ => Err("id is required and must be a string".to_owned()),
    };
    match id {
        Ok(id) if faults.is_empty() => return Ok(id),
        Ok(_) => {}
        Err(rule) => faults.push(Fault::new("/id", rule)),
    }
    Err(Error::Invalid(faults))
}
