//! Successful responses: JSON with sorted members, entity tags, and the results of writes.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use context_domain::error::Error;
use context_domain::page::Page;
use context_domain::service::{Effect, Written};
use serde_json::{Value, json};

use crate::http::body::JSON;
use crate::http::call::Call;
use crate::http::conditions::IDEMPOTENCY_REPLAYED;
use crate::http::problem::Problem;

/// The header that says how a resolved context was produced.
pub(crate) const CONTEXT_CACHE: HeaderName = HeaderName::from_static("context-cache");

/// Returns a response with a JSON body. Its members are sorted, because the map of a [`Value`] is.
pub(crate) fn json_response(status: StatusCode, value: &Value) -> Response {
    json_text(status, value.to_string())
}

fn json_text(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = (status, text.into()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    response
}

/// Returns a page of a list, each item shown by `show`.
pub(crate) fn page_response<T>(page: &Page<T>, show: impl Fn(&T) -> Value) -> Response {
    let items: Vec<_> = page.items.iter().map(show).collect();
    json_response(StatusCode::OK, &json!({"items": items, "next_page_token": page.next_page_token}))
}

/// Returns JSON with its entity tag, or 304 if the client has it.
pub(crate) fn tagged_response<T: Into<Body>>(
    call: &Call,
    etag: &str,
    text: impl FnOnce() -> T,
) -> Result<Response, Problem> {
    let response = if call.client_has(etag)? {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        json_text(StatusCode::OK, text())
    };
    let response = with_header(response, ETAG, &format!("\"{etag}\""))?;
    with_header(response, CACHE_CONTROL, "private, no-cache")
}

/// Returns the result of a write.
pub(crate) fn written_response(call: &Call, written: &Written) -> Result<Response, Problem> {
    let etag = format!("\"{}\"", written.etag);
    let response = match written.effect {
        Effect::Deleted => StatusCode::NO_CONTENT.into_response(),
        Effect::Updated => with_header(json_response(StatusCode::OK, &written.context), ETAG, &etag)?,
        Effect::Created => {
            let location = format!("/v1/tenants/{}/contexts/{}", call.tenant()?, written.etag.id);
            let response = with_header(json_response(StatusCode::CREATED, &written.context), ETAG, &etag)?;
            with_header(response, LOCATION, &location)?
        }
    };
    if written.replayed {
        return with_header(response, IDEMPOTENCY_REPLAYED, "true");
    }
    Ok(response)
}

/// Sets a header of the response.
pub(crate) fn with_header(
    mut response: Response,
    name: HeaderName,
    value: &str,
) -> Result<Response, Problem> {
    let value = HeaderValue::from_str(value).map_err(|error| {
        Problem::Service(Error::Internal { detail: format!("the header {name} cannot be sent: {error}") })
    })?;
    response.headers_mut().insert(name, value);
    Ok(response)
}
