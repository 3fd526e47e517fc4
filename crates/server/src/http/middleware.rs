//! What surrounds every request: its id, its place in the log, and the last touch on its answer.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use context_domain::error::Error;
use context_domain::id::IdSource;
use context_domain::limits::MAX_REQUEST_ID_BYTES;
use tokio::time::Instant;
use tracing::Instrument;

use super::limits::REFUSAL_LOG_INTERVAL;
use super::problem::{Kind, Problem};

/// The header that carries a request's id, both ways.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of one request.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Gives the request its id and its span, and turns a problem into the body that carries the id.
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

/// Tells the log of refused access, once in [`REFUSAL_LOG_INTERVAL`]: whoever guesses keys must not fill it.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// When the log was last told.
    at: Option<Instant>,
    /// Refusals since then.
    untold: u64,
}

impl Refusals {
    /// Notes a refusal, of whom if that is known.
    pub(crate) fn note(&self, code: &str, principal: Option<&str>) {
        let now = Instant::now();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.at.is_some_and(|at| now.duration_since(at) < REFUSAL_LOG_INTERVAL) {
            told.untold = told.untold.saturating_add(1);
            return;
        }
        let Told { untold, .. } = std::mem::replace(&mut *told, Told { at: Some(now), untold: 0 });
        drop(told);
        tracing::info!(code, principal, untold, "access was refused");
    }
}

/// The answer to a request whose handler panicked. The panic's own words may hold content: they stay with the hook
/// that the process has set for them.
pub(crate) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    let detail = "a handler panicked".to_owned();
    Problem::Service(Error::Internal { detail }).into_response()
}

/// The answer where no route is.
pub(crate) async fn no_route() -> Problem {
    Problem::refusal(&Kind::ROUTE_NOT_FOUND, "no route has this path: /openapi.json lists those there are")
}

/// The answer where the route has other methods.
pub(crate) async fn no_method() -> Problem {
    Problem::refusal(&Kind::METHOD_NOT_ALLOWED, "the path has other methods: the Allow header names them")
}

fn finish(mut response: Response, id: &str) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Arc<Problem>>() {
        problem.log();
        // A layer below counted the bytes of the body that was not there yet.
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = Body::from(problem.to_json(id).to_string());
    }
    let headers = response.headers_mut();
    // The id is visible ASCII, whether it came in a header or was made here.
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The id that the client sent, if it is one that can stand in a log and in a change record.
fn accepted_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    let fits = (1..=MAX_REQUEST_ID_BYTES).contains(&text.len());
    (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
}
