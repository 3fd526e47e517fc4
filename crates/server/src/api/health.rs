//! Health: whether the process is alive, whether it can work, and the result of every check.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use context_domain::error::Code;
use context_domain::ports::Check;
use context_domain::service::Service;
use serde_json::{Value, json};

use super::answer::json_response;
use super::spec::{ApiTag, OperationSpec, ResponseShape, Success};
use crate::auth::OperationAccess;
use crate::http::call::Call;
use crate::http::problem::Problem;

pub(super) const LIVE: OperationSpec = OperationSpec {
    id: "live",
    tag: ApiTag::Health,
    access: OperationAccess::Public,
    summary: "Check that the process is up",
    successes: &[Success::Ok(ResponseShape::Probe)],
    ..OperationSpec::READ
};

pub(super) const READY: OperationSpec = OperationSpec {
    id: "ready",
    summary: "Check that the service can work",
    description: "A single unhealthy tenant does not make the service unready.",
    problems: &[Code::StoreUnavailable],
    ..LIVE
};

pub(super) const HEALTH: OperationSpec = OperationSpec {
    id: "health",
    access: OperationAccess::AnyKey,
    summary: "Check everything, and report what is unhealthy",
    description: "200 if every check is healthy, otherwise 503. The checks name tenants, so only operators \
                  see them; other callers see the overall status.",
    problems: &[Code::StoreUnavailable],
    successes: &[Success::Ok(ResponseShape::Health), Success::Unhealthy(ResponseShape::Health)],
    ..LIVE
};

/// The status of a check without a problem.
pub(super) const HEALTHY: &str = "healthy";
/// The status of a check with a problem.
pub(super) const UNHEALTHY: &str = "unhealthy";
/// The status of a process that is up.
pub(super) const ALIVE: &str = "alive";
/// The status of a service that can work.
pub(super) const READY_STATUS: &str = "ready";

pub(super) async fn live(_: Arc<Service>, _: Call) -> Result<Response, Problem> {
    Ok(json_response(StatusCode::OK, &json!({"status": ALIVE})))
}

pub(super) async fn ready(service: Arc<Service>, _: Call) -> Result<Response, Problem> {
    service.ready().await?;
    Ok(json_response(StatusCode::OK, &json!({"status": READY_STATUS})))
}

pub(super) async fn health(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let health = service.health().await;
    let (status, word) = if health.is_healthy() {
        (StatusCode::OK, HEALTHY)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, UNHEALTHY)
    };
    if call.in_installation()?.authorized_operator().is_err() {
        return Ok(json_response(status, &json!({"status": word})));
    }
    let checks: Vec<Value> = health.checks.iter().map(check_to_json).collect();
    Ok(json_response(status, &json!({"status": word, "checks": checks})))
}

fn check_to_json(check: &Check) -> Value {
    let word = if check.problem.is_none() { HEALTHY } else { UNHEALTHY };
    json!({"name": check.name, "status": word, "detail": check.problem})
}
