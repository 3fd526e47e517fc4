//! The OpenAPI document, and a page that shows it. The page is our own: it loads nothing from elsewhere, and the whole
//! of it is smaller than a viewer's logo.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use context_domain::error::Error;
use context_domain::service::Service;
use serde_json::Value;

use super::answer::{self, with_header};
use super::call::Call;
use super::problem::{Kind, Problem};
use super::spec::{Access, Answer, Shape, Spec, Tag};

pub(super) const OPENAPI: Spec = Spec {
    id: "openapi",
    tag: Tag::Documentation,
    access: Access::Public,
    summary: "Read this description",
    answers: &[Answer::Ok(Shape::OpenApi)],
    ..Spec::READ
};

pub(super) const PAGE: Spec = Spec {
    id: "docs",
    tag: Tag::Documentation,
    access: Access::Public,
    summary: "Read this description as a page",
    answers: &[Answer::Ok(Shape::Page)],
    ..Spec::READ
};

pub(super) const FILE: Spec = Spec {
    id: "docs_file",
    summary: "Read a file that the page needs",
    answers: &[Answer::Ok(Shape::File)],
    problems: &[Kind::ROUTE_NOT_FOUND],
    ..PAGE
};

pub(super) async fn openapi(_: Arc<Service>, _: Call) -> Result<Response, Problem> {
    let document = DOCUMENT.as_ref().map_err(|rule| Error::Internal { detail: rule.clone() })?;
    with_header(answer::json(StatusCode::OK, document), CACHE_CONTROL, "no-cache")
}

/// Made once: it takes some milliseconds, which nobody should be able to spend for us as often as they like.
static DOCUMENT: LazyLock<Result<Value, String>> = LazyLock::new(|| {
    let document = serde_json::to_value(super::openapi::openapi());
    document.map_err(|error| format!("there is no OpenAPI document: {error}"))
});

pub(super) async fn page(_: Arc<Service>, _: Call) -> Result<Response, Problem> {
    text("text/html; charset=utf-8", include_str!("docs/page.html"))
}

pub(super) async fn file(_: Arc<Service>, call: Call) -> Result<Response, Problem> {
    match call.segment("file") {
        Some("page.css") => text("text/css; charset=utf-8", include_str!("docs/page.css")),
        Some("page.js") => text("text/javascript; charset=utf-8", include_str!("docs/page.js")),
        _ => Err(Problem::refusal(&Kind::ROUTE_NOT_FOUND, "the page has no such file")),
    }
}

fn text(media_type: &'static str, text: &'static str) -> Result<Response, Problem> {
    let response = with_header(Body::from(text).into_response(), CONTENT_TYPE, media_type)?;
    let response = with_header(response, CACHE_CONTROL, "no-cache")?;
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                  form-action 'none'; frame-ancestors 'none'";
    with_header(response, CONTENT_SECURITY_POLICY, policy)
}
