//! The layers around every request: its id, its log span, and the final form of its response.

use std::any::Any;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use context_domain::error::{Code, Error};
use context_domain::id::IdSource;
use context_domain::limits::MAX_REQUEST_ID_BYTES;
use tokio::time::Instant;
use tracing::Instrument;

use super::problem::Problem;

/// The header with a request's id, in requests and responses.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of one request.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Gives the request its id and its log span, and turns a problem into a response body with that id.
pub(crate) async fn observe(
    State(ids): State<Arc<dyn IdSource>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = accepted_id(request.headers()).unwrap_or_else(|| ids.uuid().to_string());
    request.extensions_mut().insert(RequestId(id.clone()));
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let span = tracing::info_span!("request", request_id = id, method = %request.method(), route);
    async {
        let begun = Instant::now();
        let response = finish(next.run(request).await, &id);
        let micros = begun.elapsed().as_micros();
        tracing::debug!(status = response.status().as_u16(), micros, "a request was answered");
        response
    }
    .instrument(span)
    .await
}

/// Returns the response to a request whose handler panicked. It leaves out the panic's message, which may
/// contain content; only the process's panic hook sees that.
pub(crate) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    let detail = "a handler panicked".to_owned();
    Problem::Service(Error::Internal { detail }).into_response()
}

/// Returns the response for a path without a route.
pub(crate) async fn no_route() -> Problem {
    Problem::refusal(Code::RouteNotFound, "no route has this path: /openapi.json lists all routes")
}

/// Returns the response for a method that the route does not have.
pub(crate) async fn no_method() -> Problem {
    Problem::refusal(
        Code::MethodNotAllowed,
        "the path does not have this method: the Allow header lists its methods",
    )
}

fn finish(mut response: Response, id: &str) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Arc<Problem>>() {
        problem.log();
        // An inner layer set it before the body was written.
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = Body::from(problem.to_json(id).to_string());
    }
    let headers = response.headers_mut();
    // The id is visible ASCII, whether it was sent or made here.
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Returns the id that the client sent, if it fits into a log and a change record.
fn accepted_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    let fits = (1..=MAX_REQUEST_ID_BYTES).contains(&text.len());
    (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
}
