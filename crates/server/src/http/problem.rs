//! Problems (RFC 9457): every unsuccessful response, and the one table of each code's HTTP status and title.

use std::error::Error as _;
use std::sync::Arc;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use context_domain::error::{Code, Error};
use serde_json::{Map, Value};

/// The HTTP form of a problem code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProblemKind {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// A short sentence, the same for every problem with this code.
    pub(crate) title: &'static str,
    /// Seconds after which to try again; `None` if repeating the same request does not help, or may do it
    /// twice.
    retry_after: Option<u16>,
}

/// A problem, from where it is found to the response.
///
/// Handlers return it as the error of their result. [`IntoResponse`] sets status and headers and attaches the
/// problem itself; the outermost layer (`middleware::observe`), which knows the request's id, logs it once
/// and writes the body.
#[derive(Debug)]
pub(crate) enum Problem {
    /// An error of the service.
    Service(Error),
    /// A write with an idempotency key whose outcome is unknown: repeating the request is safe.
    Repeatable(Error),
    /// A refusal by HTTP itself, before the service is called.
    Refusal(HttpRefusal),
}

/// A refusal by HTTP itself.
#[derive(Debug)]
pub(crate) struct HttpRefusal {
    code: Code,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Seconds after which to repeat a write whose outcome is unknown.
const REPEAT_AFTER: u16 = 1;

/// The media type of a problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

impl Problem {
    /// Returns a refusal with `code`, and a sentence for the caller.
    pub(crate) fn refusal(code: Code, detail: impl Into<String>) -> Self {
        Self::Refusal(HttpRefusal { code, detail: detail.into(), headers: Vec::new() })
    }

    /// Returns the refusal of a parameter, header or other named part of a request.
    pub(crate) fn bad_parameter(name: &str, message: impl Into<String>) -> Self {
        Self::Service(Error::BadParameter { name: name.to_owned(), message: message.into() })
    }

    /// Adds a header to the response of a refusal.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if let Self::Refusal(refusal) = &mut self {
            refusal.headers.push((name, value));
        }
        self
    }

    /// Returns the same problem for a request with an idempotency key, which may be repeated even if its
    /// outcome is unknown.
    pub(crate) fn made_repeatable(self) -> Self {
        match self {
            Self::Service(error @ Error::OutcomeUnknown(_)) => Self::Repeatable(error),
            other => other,
        }
    }

    /// Returns the problem's code.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Service(error) | Self::Repeatable(error) => error.code(),
            Self::Refusal(refusal) => refusal.code,
        }
    }

    /// Returns the response's body.
    pub(crate) fn to_json(&self, request_id: &str) -> Value {
        let code = self.code();
        let kind = ProblemKind::from_code(code);
        let mut members = match self {
            Self::Service(error) | Self::Repeatable(error) => match error.to_json() {
                Value::Object(members) => members,
                other => Map::from_iter([("detail".to_owned(), other)]),
            },
            Self::Refusal(refusal) => {
                Map::from_iter([("detail".to_owned(), Value::from(refusal.detail.as_str()))])
            }
        };
        let more: [(&str, Value); 5] = [
            ("type", format!("urn:context-service:problem:{code}").into()),
            ("title", kind.title.into()),
            ("status", kind.status.as_u16().into()),
            ("code", code.as_str().into()),
            ("request_id", request_id.into()),
        ];
        members.extend(more.map(|(name, value)| (name.to_owned(), value)));
        Value::Object(members)
    }

    /// Logs the problem: failures of the service with all their causes; refusals by code alone, because their
    /// sentences may quote what the caller sent.
    pub(crate) fn log(&self) {
        let code = self.code().as_str();
        match self {
            Self::Service(error) | Self::Repeatable(error) if error.is_failure() => {
                tracing::error!(code, error = %error, cause = causes(error), "a request failed");
            }
            _ => tracing::debug!(code, "a request was refused"),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Service(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let kind = ProblemKind::from_code(self.code());
        let mut response = kind.status.into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        let seconds = match self {
            Self::Repeatable(_) => Some(REPEAT_AFTER),
            _ => kind.retry_after,
        };
        if let Some(seconds) = seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Self::Refusal(refusal) = &mut self {
            headers.extend(refusal.headers.drain(..));
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl ProblemKind {
    /// Returns the HTTP form of `code`. This match is the only place that defines it, and it does not compile
    /// if a code has no arm.
    pub(crate) fn from_code(code: Code) -> Self {
        match code {
            Code::InvalidJson => Self::new(StatusCode::BAD_REQUEST, "The body is not JSON"),
            Code::BadParameter => Self::new(StatusCode::BAD_REQUEST, "A parameter or header breaks a rule"),
            Code::Unauthenticated => Self::new(StatusCode::UNAUTHORIZED, "A valid API key is required"),
            Code::Forbidden => Self::new(StatusCode::FORBIDDEN, "Not allowed"),
            Code::OwnerNeeded => Self::new(StatusCode::FORBIDDEN, "Only the store's owner can do this"),
            Code::HostNotAllowed => Self::new(StatusCode::FORBIDDEN, "The server does not serve this host"),
            Code::OriginNotAllowed => {
                Self::new(StatusCode::FORBIDDEN, "Pages of this origin may not call the server")
            }
            Code::NotFound => Self::new(StatusCode::NOT_FOUND, "There is no such context"),
            Code::TenantNotFound => Self::new(StatusCode::NOT_FOUND, "There is no such tenant"),
            Code::KeyNotFound => Self::new(StatusCode::NOT_FOUND, "There is no such API key"),
            Code::RouteNotFound => Self::new(StatusCode::NOT_FOUND, "There is no such route"),
            Code::MethodNotAllowed => {
                Self::new(StatusCode::METHOD_NOT_ALLOWED, "The route does not have this method")
            }
            Code::RequestTimeout => {
                Self::new(StatusCode::REQUEST_TIMEOUT, "The request did not arrive in time")
            }
            Code::TenantExists => Self::new(StatusCode::CONFLICT, "The tenant already exists"),
            Code::AlreadyExists => Self::new(StatusCode::CONFLICT, "The context already exists"),
            Code::HasChildren => Self::new(StatusCode::CONFLICT, "The node has children"),
            Code::ParentMissing => Self::new(StatusCode::CONFLICT, "The parent does not exist"),
            Code::PatchTestFailed => Self::new(StatusCode::CONFLICT, "A test of the patch failed"),
            Code::PreconditionFailed => {
                Self::new(StatusCode::PRECONDITION_FAILED, "The condition does not hold")
            }
            Code::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Code::UnsupportedMediaType => {
                Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The route does not read this media type")
            }
            Code::Invalid => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The body breaks a rule"),
            Code::Locked => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "A node above has locked this"),
            Code::GlobalNode => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The global node cannot be deleted")
            }
            Code::IdempotencyKeyReused => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The idempotency key names another request")
            }
            Code::PreconditionRequired => {
                Self::new(StatusCode::PRECONDITION_REQUIRED, "A condition is required")
            }
            Code::Internal => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "An internal error occurred"),
            Code::Contended => Self::unavailable("Too many writers changed the context").retry_after(1),
            Code::StoreUnavailable => Self::unavailable("The store is unavailable").retry_after(5),
            // Repeating the request may do it twice: only a request with an idempotency key gets Retry-After.
            Code::OutcomeUnknown => Self::unavailable("It is not known whether the write happened"),
            Code::TenantUnhealthy => Self::unavailable("The tenant's data is damaged").retry_after(30),
            Code::Overloaded => Self::unavailable("Too many requests at the same time").retry_after(1),
            Code::Timeout => Self::unavailable("The response took too long").retry_after(1),
        }
    }

    /// Whether the same request may succeed after a while.
    pub(crate) fn may_be_retried(&self) -> bool {
        self.retry_after.is_some()
    }

    fn new(status: StatusCode, title: &'static str) -> Self {
        Self { status, title, retry_after: None }
    }

    fn unavailable(title: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, title)
    }

    fn retry_after(mut self, seconds: u16) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// Returns the causes of the error, outermost first, for the log.
fn causes(error: &Error) -> String {
    if let Error::Internal { detail } = error {
        return detail.clone();
    }
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_server_error_if_and_only_if_the_fault_is_the_services() {
        for code in Code::ALL {
            let kind = ProblemKind::from_code(*code);
            assert_eq!(kind.status.is_server_error(), code.is_failure(), "{code}");
            assert!(kind.status.is_client_error() || kind.status.is_server_error(), "{code}");
            assert!(!kind.title.is_empty() && !kind.title.ends_with('.'), "{code}");
        }
    }

    #[test]
    fn an_unknown_key_is_not_found() {
        let id = "0197f6a03b1c7c439d0e5a1b2c3d4e5f".parse().unwrap();
        let problem = Problem::from(Error::KeyNotFound(id));
        assert_eq!(problem.to_json("r")["code"], "key_not_found");
        assert_eq!(problem.into_response().status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn only_a_request_with_an_idempotency_key_may_be_repeated_when_its_outcome_is_unknown() {
        let unknown = || Problem::Service(Error::OutcomeUnknown("no response".into()));
        let response = unknown().into_response();
        assert_eq!((response.status().as_u16(), response.headers().get(RETRY_AFTER)), (503, None));
        let response = unknown().made_repeatable().into_response();
        assert!(response.headers().contains_key(RETRY_AFTER));
        let response = Problem::Service(Error::GlobalNode).made_repeatable().into_response();
        assert!(!response.headers().contains_key(RETRY_AFTER));
        let response = Problem::Service(Error::Contended).into_response();
        assert!(response.headers().contains_key(RETRY_AFTER));
    }

    #[test]
    fn the_log_names_every_cause_of_a_failure() {
        let source = std::io::Error::other(std::fmt::Error);
        let error = Error::OutcomeUnknown(Box::new(source));
        assert_eq!(causes(&error), "an error occurred when formatting an argument");
        assert_eq!(causes(&Error::Internal { detail: "d".to_owned() }), "d");
        assert_eq!(causes(&Error::Contended), "");
    }
}
