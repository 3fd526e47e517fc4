//! Tenants: create, list, show, drop; for operators.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use context_domain::error::Error;
use context_domain::fault::Fault;
use context_domain::id::TenantId;
use context_domain::service::Service;
use context_domain::tenant::Tenant;
use serde_json::{Map, Value, json};

use super::answer;
use super::call::Call;
use super::problem::{Kind, Problem};
use super::spec::{Access, Answer, Body, LIMIT, PAGE_TOKEN, Shape, Spec, Tag, Verb};

pub(super) const CREATE: Spec = Spec {
    verb: Verb::Post,
    id: "create_tenant",
    tag: Tag::Tenants,
    access: Access::Operator,
    summary: "Create a tenant",
    body: Body::Tenant,
    answers: &[Answer::Created(Shape::Tenant)],
    problems: &[Kind::TENANT_EXISTS, Kind::OWNER_NEEDED],
    ..Spec::READ
};

pub(super) const LIST: Spec = Spec {
    id: "list_tenants",
    tag: Tag::Tenants,
    access: Access::Operator,
    summary: "List the tenants, by id",
    parameters: &[LIMIT, PAGE_TOKEN],
    answers: &[Answer::Ok(Shape::TenantPage)],
    ..Spec::READ
};

pub(super) const SHOW: Spec = Spec {
    id: "get_tenant",
    tag: Tag::Tenants,
    access: Access::Operator,
    summary: "Read a tenant",
    answers: &[Answer::Ok(Shape::Tenant)],
    ..Spec::READ
};

pub(super) const DROP: Spec = Spec {
    verb: Verb::Delete,
    id: "drop_tenant",
    tag: Tag::Tenants,
    access: Access::Operator,
    summary: "Drop a tenant and everything in it, for good",
    answers: &[Answer::NoContent],
    problems: &[Kind::OWNER_NEEDED],
    ..Spec::READ
};

pub(super) async fn create(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let id = id_of(&call.object()?)?;
    let tenant = service.create_tenant(&call.in_installation()?, &id).await?;
    let response = answer::json(StatusCode::CREATED, &json!(tenant));
    answer::with_header(response, LOCATION, &format!("/v1/tenants/{id}"))
}

pub(super) async fn list(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let page = service.list_tenants(&call.in_installation()?, &call.query().page()?).await?;
    Ok(answer::page(&page, |tenant: &Tenant| json!(tenant)))
}

pub(super) async fn show(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let tenant = service.get_tenant(&call.in_installation()?, &call.tenant()?).await?;
    Ok(answer::json(StatusCode::OK, &json!(tenant)))
}

pub(super) async fn drop(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    service.drop_tenant(&call.in_installation()?, &call.tenant()?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn id_of(body: &Map<String, Value>) -> Result<TenantId, Error> {
    let unknown = body.keys().filter(|name| *name != "id");
    let mut faults: Vec<_> = unknown
        .map(|name| {
            let pointer = context_domain::pointer::to_member(name);
            Fault::new(pointer, "unknown member: a tenant is created from its id alone")
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
