//! Health: whether the process lives, whether it can work, and what is wrong.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use context_domain::ports::Check;
use context_domain::service::Service;
use serde_json::{Value, json};

use super::answer;
use super::call::Call;
use super::problem::{Kind, Problem};
use super::spec::{Access, Answer, Shape, Spec, Tag};

pub(super) const LIVE: Spec = Spec {
    id: "live",
    tag: Tag::Health,
    access: Access::Public,
    summary: "Tell whether the process is up",
    answers: &[Answer::Ok(Shape::Probe)],
    ..Spec::READ
};

pub(super) const READY: Spec = Spec {
    id: "ready",
    summary: "Tell whether the service can work at all",
    description: "One tenant's troubles do not count.",
    problems: &[Kind::STORE_UNAVAILABLE],
    ..LIVE
};

pub(super) const HEALTH: Spec = Spec {
    id: "health",
    access: Access::Bearer,
    summary: "Look at everything, and tell what is wrong",
    description: "Sent with 200 where all is healthy, and with 503 where something is not. The findings name tenants: \
                  they are told to operators, and others learn the status alone.",
    problems: &[Kind::STORE_UNAVAILABLE],
    answers: &[Answer::Ok(Shape::Health), Answer::Unhealthy(Shape::Health)],
    ..LIVE
};

pub(super) async fn live(_: Arc<Service>, _: Call) -> Result<Response, Problem> {
    Ok(answer::json(StatusCode::OK, &json!({"status": "alive"})))
}

pub(super) async fn ready(service: Arc<Service>, _: Call) -> Result<Response, Problem> {
    service.ready().await?;
    Ok(answer::json(StatusCode::OK, &json!({"status": "ready"})))
}

pub(super) async fn health(service: Arc<Service>, call: Call) -> Result<Response, Problem> {
    let health = service.health().await;
    let (status, word) = if health.is_healthy() {
        (StatusCode::OK, HEALTHY)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, UNHEALTHY)
    };
    if call.in_installation()?.authorized_operator().is_err() {
        return Ok(answer::json(status, &json!({"status": word})));
    }
    let checks: Vec<Value> = health.checks.iter().map(check_json).collect();
    Ok(answer::json(status, &json!({"status": word, "checks": checks})))
}

const HEALTHY: &str = "healthy";
const UNHEALTHY: &str = "unhealthy";

fn check_json(check: &Check) -> Value {
    let word = if check.problem.is_none() { HEALTHY } else { UNHEALTHY };
    json!({"name": check.name, "status": word, "detail": check.problem})
}
