//! The OpenAPI document, and a page that shows it. The page is our own: it is small, and loads nothing from
//! elsewhere.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use context_domain::error::{Code, Error};
use context_domain::service::Service;
use serde_json::Value;

use super::answer::{json_response, with_header};
use super::spec::{ApiTag, OperationSpec, ResponseShape, Success};
use crate::auth::OperationAccess;
use crate::http::call::Call;
use crate::http::problem::Problem;

pub(super) const OPENAPI: OperationSpec = OperationSpec {
    id: "openapi",
    tag: ApiTag::Documentation,
    access: OperationAccess::Public,
    summary: "Read this description",
    successes: &[Success::Ok(ResponseShape::OpenApi)],
    ..OperationSpec::READ
};

pub(super) const PAGE: OperationSpec = OperationSpec {
    id: "docs",
    tag: ApiTag::Documentation,
    access: OperationAccess::Public,
    summary: "Read this description as a page",
    successes: &[Success::Ok(ResponseShape::DocsPage)],
    ..OperationSpec::READ
};

pub(super) const FILE: OperationSpec = OperationSpec {
    id: "docs_file",
    summary: "Read a file that the page needs",
    successes: &[Success::Ok(ResponseShape::DocsFile)],
    problems: &[Code::RouteNotFound],
    ..PAGE
};

/// Returns the OpenAPI document, or the reason why it could not be made.
pub(super) fn show_document(document: &Result<Value, String>) -> Result<Response, Problem> {
    let document = document.as_ref().map_err(|reason| Error::Internal { detail: reason.clone() })?;
    with_header(json_response(StatusCode::OK, document), CACHE_CONTROL, "no-cache")
}

pub(super) async fn show_page(_: Arc<Service>, _: Call) -> Result<Response, Problem> {
    embedded_file("text/html; charset=utf-8", include_str!("docs/page.html"))
}

pub(super) async fn show_file(_: Arc<Service>, call: Call) -> Result<Response, Problem> {
    match call.segment("file") {
        Some("page.css") => embedded_file("text/css; charset=utf-8", include_str!("docs/page.css")),
        Some("page.js") => embedded_file("text/javascript; charset=utf-8", include_str!("docs/page.js")),
        _ => Err(Problem::refusal(Code::RouteNotFound, "the documentation page has no such file")),
    }
}

fn embedded_file(media_type: &'static str, text: &'static str) -> Result<Response, Problem> {
    let response = with_header(Body::from(text).into_response(), CONTENT_TYPE, media_type)?;
    let response = with_header(response, CACHE_CONTROL, "no-cache")?;
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri \
                  'none'; form-action 'none'; frame-ancestors 'none'";
    with_header(response, CONTENT_SECURITY_POLICY, policy)
}
