//! One request, read and checked against the description of its operation.

use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use context_domain::access::Principal;
use context_domain::error::Error;

use super::body;
use super::conditions;
use super::middleware::RequestId;
use super::problem::Problem;
use super::query::{Query, is_percent_encoded};
use super::spec::{Parameter, Spec};

/// What a request is checked against: the operation, and the parameters that it takes at this path beside its own.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) spec: &'static Spec,
    pub(crate) more: &'static [Parameter],
}

impl Rules {
    /// All query parameters that are honoured.
    pub(crate) fn parameters(self) -> impl Iterator<Item = &'static Parameter> + Clone {
        self.spec.parameters.iter().chain(self.more)
    }
}

/// One request.
pub(crate) struct Call {
    parts: Parts,
    /// Who calls; nobody where nobody was asked.
    principal: Option<Principal>,
    /// The path's parameters, decoded.
    segments: Vec<(String, String)>,
    query: Query,
    body: Bytes,
    request_id: String,
}

impl Call {
    /// The request as far as its path; nothing else of it is looked at.
    pub(crate) async fn begin(mut parts: Parts, principal: Option<Principal>) -> Result<Self, Problem> {
        let segments = segments(&mut parts).await?;
        let RequestId(request_id) = parts
            .extensions
            .remove()
            .ok_or_else(|| Error::Internal { detail: "a request came without an id".to_owned() })?;
        Ok(Self { parts, principal, segments, query: Query::default(), body: Bytes::new(), request_id })
    }

    /// Reads the rest of the request, and refuses what the operation does not honour before anything is done.
    pub(crate) async fn read(mut self, rules: Rules, body: Body) -> Result<Self, Problem> {
        self.query = Query::read(self.parts.uri.query().unwrap_or_default(), rules.parameters())?;
        conditions::refuse_unhonoured(rules.spec, &self.parts.headers)?;
        if self.parts.method == Method::DELETE {
            body::refuse(&self.parts.headers)?;
        }
        self.body = body::read(rules.spec.body, &self.parts.headers, body).await?;
        Ok(self)
    }

    /// Who calls; nobody where nobody was asked.
    pub(crate) fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    /// The method; HEAD where GET is meant but for the body.
    pub(crate) fn method(&self) -> &Method {
        &self.parts.method
    }

    /// Path and query as they were sent.
    pub(crate) fn target(&self) -> &str {
        self.parts.uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default()
    }

    /// The headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The query parameters.
    pub(crate) fn query(&self) -> &Query {
        &self.query
    }

    /// The body's bytes.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The id of the request.
    pub(crate) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The path's parameter of that name, decoded; none where the path has no such parameter.
    pub(crate) fn segment(&self, name: &str) -> Option<&str> {
        self.segments.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

async fn segments(parts: &mut Parts) -> Result<Vec<(String, String)>, Problem> {
    if !is_percent_encoded(parts.uri.path()) {
        let rule = "a % stands without two hexadecimal digits behind it: write %25 for a percent sign";
        return Err(Problem::bad_parameter("path", rule));
    }
    match RawPathParams::from_request_parts(parts, &()).await {
        Ok(params) => Ok(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
        Err(_) => Err(Problem::bad_parameter("path", "the percent-encoded bytes are not UTF-8")),
    }
}
