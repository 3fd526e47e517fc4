//! Problems (RFC 9457): every answer that is no success, and the one table of what each means in HTTP.

use std::error::Error as _;
use std::sync::Arc;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use context_domain::error::Error;
use serde_json::{Map, Value};

/// A kind of problem: what its code, status and title are, and when the same request may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// The stable name for programs.
    pub(crate) code: &'static str,
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// A short sentence that is the same for every problem of the kind.
    pub(crate) title: &'static str,
    /// Seconds after which to try again, where that helps.
    retry_after: Option<u16>,
}

/// A problem on its way out; the outermost layer turns it into a body, because it knows the request's id.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The service said so.
    Service(Error),
    /// The service said so of a write whose outcome is unknown, and repeating it does it once all the same.
    Repeatable(Error),
    /// HTTP itself refuses, before the service is asked.
    Refusal(Refusal),
}

/// What HTTP itself refuses.
#[derive(Debug)]
pub(crate) struct Refusal {
    kind: &'static Kind,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Seconds after which to repeat a write whose outcome is unknown.
const REPEAT_AFTER: u16 = 1;

/// The media type of a problem.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

impl Problem {
    /// A refusal of `kind`, with a sentence for the caller.
    pub(crate) fn refusal(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self::Refusal(Refusal { kind, detail: detail.into(), headers: Vec::new() })
    }

    /// The refusal of a parameter, header or other named part of a request.
    pub(crate) fn bad_parameter(name: &str, message: impl Into<String>) -> Self {
        Self::Service(Error::BadParameter { name: name.to_owned(), message: message.into() })
    }

    /// The same refusal, answered with one header more.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if let Self::Refusal(refusal) = &mut self {
            refusal.headers.push((name, value));
        }
        self
    }

    /// The same problem, answered to a request with an idempotency key: that one may be repeated although nobody knows
    /// what became of it.
    pub(crate) fn made_repeatable(self) -> Self {
        match self {
            Self::Service(error @ Error::OutcomeUnknown(_)) => Self::Repeatable(error),
            other => other,
        }
    }

    /// What kind of problem this is.
    pub(crate) fn kind(&self) -> &'static Kind {
        match self {
            Self::Service(error) | Self::Repeatable(error) => kind_of(error),
            Self::Refusal(refusal) => refusal.kind,
        }
    }

    /// The body.
    pub(crate) fn to_json(&self, request_id: &str) -> Value {
        let kind = self.kind();
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
            ("type", format!("urn:context-service:problem:{}", kind.code).into()),
            ("title", kind.title.into()),
            ("status", kind.status.as_u16().into()),
            ("code", kind.code.into()),
            ("request_id", request_id.into()),
        ];
        members.extend(more.map(|(name, value)| (name.to_owned(), value)));
        Value::Object(members)
    }

    /// Tells the log: failures of the service with all that led to them, refusals by their code alone, because their
    /// sentences may quote what the caller sent.
    pub(crate) fn log(&self) {
        let kind = self.kind();
        match self {
            Self::Service(error) | Self::Repeatable(error) if error.is_failure() => {
                tracing::error!(code = kind.code, error = %error, cause = causes(error), "a request failed");
            }
            _ => tracing::debug!(code = kind.code, "a request was refused"),
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
        let kind = self.kind();
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

/// What each error of the service is in HTTP: the one place that says so.
fn kind_of(error: &Error) -> &'static Kind {
    match error {
        Error::Syntax { .. } => &Kind::INVALID_JSON,
        Error::Invalid(_) => &Kind::INVALID,
        Error::BadParameter { .. } => &Kind::BAD_PARAMETER,
        Error::NotFound(_) => &Kind::NOT_FOUND,
        Error::TenantNotFound { .. } => &Kind::TENANT_NOT_FOUND,
        Error::TenantExists { .. } => &Kind::TENANT_EXISTS,
        Error::AlreadyExists(_) => &Kind::ALREADY_EXISTS,
        Error::PreconditionFailed(_) => &Kind::PRECONDITION_FAILED,
        Error::PreconditionRequired(_) => &Kind::PRECONDITION_REQUIRED,
        Error::HasChildren { .. } => &Kind::HAS_CHILDREN,
        Error::ParentMissing(_) => &Kind::PARENT_MISSING,
        Error::PatchTestFailed { .. } => &Kind::PATCH_TEST_FAILED,
        Error::Locked(_) => &Kind::LOCKED,
        Error::GlobalNode => &Kind::GLOBAL_NODE,
        Error::IdempotencyKeyReused => &Kind::IDEMPOTENCY_KEY_REUSED,
        Error::Unauthenticated => &Kind::UNAUTHENTICATED,
        Error::Forbidden { .. } => &Kind::FORBIDDEN,
        Error::OwnerNeeded { .. } => &Kind::OWNER_NEEDED,
        Error::Contended => &Kind::CONTENDED,
        Error::Unavailable { .. } => &Kind::STORE_UNAVAILABLE,
        Error::OutcomeUnknown(_) => &Kind::OUTCOME_UNKNOWN,
        Error::TenantUnhealthy { .. } => &Kind::TENANT_UNWELL,
        // Keys are managed on the command line: no route asks for one by its id.
        Error::Internal { .. } | Error::KeyNotFound(_) => &Kind::INTERNAL,
    }
}

impl Kind {
    pub(crate) const INVALID_JSON: Self =
        Self::new("invalid_json", StatusCode::BAD_REQUEST, "The body is not JSON");
    pub(crate) const BAD_PARAMETER: Self =
        Self::new("bad_parameter", StatusCode::BAD_REQUEST, "A parameter or header breaks a rule");
    pub(crate) const UNAUTHENTICATED: Self =
        Self::new("unauthenticated", StatusCode::UNAUTHORIZED, "An API key is needed");
    pub(crate) const FORBIDDEN: Self = Self::new("forbidden", StatusCode::FORBIDDEN, "Not allowed");
    pub(crate) const OWNER_NEEDED: Self =
        Self::new("owner_needed", StatusCode::FORBIDDEN, "This needs the store's owner");
    pub(crate) const HOST_NOT_ALLOWED: Self =
        Self::new("host_not_allowed", StatusCode::FORBIDDEN, "The server does not answer under this name");
    pub(crate) const ORIGIN_NOT_ALLOWED: Self = Self::new(
        "origin_not_allowed",
        StatusCode::FORBIDDEN,
        "Pages of this origin may not call the server",
    );
    pub(crate) const NOT_FOUND: Self =
        Self::new("not_found", StatusCode::NOT_FOUND, "There is no such context");
    pub(crate) const TENANT_NOT_FOUND: Self =
        Self::new("tenant_not_found", StatusCode::NOT_FOUND, "There is no such tenant");
    pub(crate) const ROUTE_NOT_FOUND: Self =
        Self::new("route_not_found", StatusCode::NOT_FOUND, "There is no such route");
    pub(crate) const METHOD_NOT_ALLOWED: Self =
        Self::new("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "The route has no such method");
    pub(crate) const REQUEST_TIMEOUT: Self =
        Self::new("request_timeout", StatusCode::REQUEST_TIMEOUT, "The request did not arrive in time");
    pub(crate) const TENANT_EXISTS: Self =
        Self::new("tenant_exists", StatusCode::CONFLICT, "The tenant exists already");
    pub(crate) const ALREADY_EXISTS: Self =
        Self::new("already_exists", StatusCode::CONFLICT, "The context exists already");
    pub(crate) const HAS_CHILDREN: Self =
        Self::new("has_children", StatusCode::CONFLICT, "The node has children");
    pub(crate) const PARENT_MISSING: Self =
        Self::new("parent_missing", StatusCode::CONFLICT, "The parent does not exist");
    pub(crate) const PATCH_TEST_FAILED: Self =
        Self::new("patch_test_failed", StatusCode::CONFLICT, "The patch's test does not hold");
    pub(crate) const PRECONDITION_FAILED: Self =
        Self::new("precondition_failed", StatusCode::PRECONDITION_FAILED, "The condition does not hold");
    pub(crate) const TOO_LARGE: Self =
        Self::new("too_large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large");
    pub(crate) const UNSUPPORTED_MEDIA_TYPE: Self = Self::new(
        "unsupported_media_type",
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "The body has a media type that is not read here",
    );
    pub(crate) const INVALID: Self =
        Self::new("invalid", StatusCode::UNPROCESSABLE_ENTITY, "The body breaks a rule");
    pub(crate) const LOCKED: Self =
        Self::new("locked", StatusCode::UNPROCESSABLE_ENTITY, "A node above has locked this");
    pub(crate) const GLOBAL_NODE: Self =
        Self::new("global_node", StatusCode::UNPROCESSABLE_ENTITY, "The global node stays");
    pub(crate) const IDEMPOTENCY_KEY_REUSED: Self = Self::new(
        "idempotency_key_reused",
        StatusCode::UNPROCESSABLE_ENTITY,
        "The idempotency key belongs to another request",
    );
    pub(crate) const PRECONDITION_REQUIRED: Self =
        Self::new("precondition_required", StatusCode::PRECONDITION_REQUIRED, "A condition is required");
    pub(crate) const INTERNAL: Self =
        Self::new("internal", StatusCode::INTERNAL_SERVER_ERROR, "An internal error occurred");
    pub(crate) const CONTENDED: Self =
        Self::new("contended", StatusCode::SERVICE_UNAVAILABLE, "Too many write the context").retry_after(1);
    pub(crate) const STORE_UNAVAILABLE: Self =
        Self::new("store_unavailable", StatusCode::SERVICE_UNAVAILABLE, "The store is unavailable")
            .retry_after(5);
    /// Repeating the request may do it twice, so nobody is told to but who sent an idempotency key.
    pub(crate) const OUTCOME_UNKNOWN: Self = Self::new(
        "outcome_unknown",
        StatusCode::SERVICE_UNAVAILABLE,
        "It is not known whether the write happened",
    );
    pub(crate) const TENANT_UNWELL: Self =
        Self::new("tenant_unhealthy", StatusCode::SERVICE_UNAVAILABLE, "The tenant's area is damaged")
            .retry_after(30);
    pub(crate) const OVERLOADED: Self =
        Self::new("overloaded", StatusCode::SERVICE_UNAVAILABLE, "Too many requests at the same time")
            .retry_after(1);
    pub(crate) const TIMEOUT: Self =
        Self::new("timeout", StatusCode::SERVICE_UNAVAILABLE, "The answer took too long").retry_after(1);

    /// Whether the same request may succeed after a while.
    pub(crate) fn may_be_retried(&self) -> bool {
        self.retry_after.is_some()
    }

    const fn new(code: &'static str, status: StatusCode, title: &'static str) -> Self {
        Self { code, status, title, retry_after: None }
    }

    const fn retry_after(mut self, seconds: u16) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// What led to the error, outermost first: for the log.
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
    use context_domain::tree::{Address, Scope};

    #[test]
    fn the_service_and_http_call_each_problem_by_the_same_code() {
        let (tenant, message) = (|| "t".parse().unwrap(), || "m".to_owned());
        let errors = [
            Error::Syntax { line: 1, column: 1, message: message() },
            Error::Invalid(Vec::new()),
            Error::BadParameter { name: message(), message: message() },
            Error::NotFound(Address::Scope(Scope::global())),
            Error::TenantNotFound { tenant: tenant() },
            Error::TenantExists { tenant: tenant() },
            Error::PreconditionFailed(None),
            Error::ParentMissing(Scope::global()),
            Error::Locked(Vec::new()),
            Error::GlobalNode,
            Error::IdempotencyKeyReused,
            Error::Unauthenticated,
            Error::Forbidden { needs: "operator" },
            Error::OwnerNeeded { command: message() },
            Error::Contended,
            Error::Unavailable { detail: message(), source: None },
            Error::OutcomeUnknown("no answer".into()),
            Error::TenantUnhealthy { tenant: tenant(), detail: message(), source: None },
            Error::Internal { detail: message() },
        ];
        for error in errors {
            assert_eq!(kind_of(&error).code, error.code());
            assert_eq!(kind_of(&error).status.is_server_error(), error.is_failure());
        }
    }

    #[test]
    fn whoever_sent_no_key_is_not_told_to_repeat_a_write_whose_outcome_is_unknown() {
        let unknown = || Problem::Service(Error::OutcomeUnknown("no answer".into()));
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
    fn the_log_is_told_all_that_led_to_a_failure() {
        let source = std::io::Error::other(std::fmt::Error);
        let error = Error::OutcomeUnknown(Box::new(source));
        assert_eq!(causes(&error), "an error occurred when formatting an argument");
        assert_eq!(causes(&Error::Internal { detail: "d".to_owned() }), "d");
        assert_eq!(causes(&Error::Contended), "");
    }
}
