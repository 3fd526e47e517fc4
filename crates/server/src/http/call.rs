//! One request, checked against the description of its operation, with a reader for each part that handlers
//! use.

use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::{CONTENT_TYPE, HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Method};
use bytes::Bytes;
use context_domain::access::{Caller, Principal};
use context_domain::change::RequestHash;
use context_domain::error::{Code, Error};
use context_domain::id::{ContextId, TenantId};
use context_domain::patch::Patch;
use context_domain::service::{Parents, WriteOptions};
use context_domain::tree::{Address, SCOPE_MEMBERS, Scope};
use serde_json::{Map, Value};

use super::body;
use super::conditions;
use super::credential;
use super::middleware::RequestId;
use super::problem::Problem;
use super::query::{BROKEN_PERCENT, Query, is_percent_encoded};
use crate::api::spec::{CREATE_PARENTS, RouteRules, SCOPE};

/// One request, as handlers see it: the only way to its caller, path, query, headers and body.
///
/// **Life cycle.** [`Call::new`] reads the path alone, which is enough to decide whether the caller may use
/// the operation. [`Call::receive`] then checks the query and the headers against the operation's rules and
/// reads the body. A handler gets the call by value afterwards: whatever the operation does not honour has
/// been refused by then.
///
/// **Concurrency.** A call belongs to the task of its request and is never shared.
///
/// **Failure.** Every reader returns a [`Problem`] that names the part of the request that breaks a rule;
/// nothing has been written then. Readers may be called in any order and any number of times.
pub(crate) struct Call {
    parts: Parts,
    /// The authenticated principal; `None` for public operations.
    principal: Option<Principal>,
    /// The path's parameters, decoded.
    segments: Vec<(String, String)>,
    query: Query,
    body: Bytes,
    request_id: String,
}

impl Call {
    /// Reads the request's path and id, and nothing else.
    pub(crate) async fn new(mut parts: Parts, principal: Option<Principal>) -> Result<Self, Problem> {
        let segments = decode_segments(&mut parts).await?;
        let RequestId(request_id) = parts
            .extensions
            .remove()
            .ok_or_else(|| Error::Internal { detail: "a request has no id".to_owned() })?;
        Ok(Self { parts, principal, segments, query: Query::default(), body: Bytes::new(), request_id })
    }

    /// Reads the rest of the request, and refuses every part that the operation does not honour.
    pub(crate) async fn receive(mut self, rules: RouteRules, body: Body) -> Result<Self, Problem> {
        self.query = Query::parse(self.parts.uri.query().unwrap_or_default(), rules.parameters())?;
        conditions::refuse_unhonoured(rules.spec, &self.parts.headers)?;
        if self.parts.method == Method::DELETE {
            body::refuse_body(&self.parts.headers)?;
        }
        self.body = body::collect_body(rules.spec.request, &self.parts.headers, body).await?;
        Ok(self)
    }

    /// Returns the caller, in the tenant that the path names.
    pub(crate) fn in_tenant(&self) -> Result<Caller, Problem> {
        Ok(Caller::in_tenant(self.principal()?, self.tenant()?, self.request_id.clone()))
    }

    /// Returns the caller, in the whole installation.
    pub(crate) fn in_installation(&self) -> Result<Caller, Problem> {
        Ok(Caller::in_installation(self.principal()?, self.request_id.clone()))
    }

    /// Returns the tenant that the path names. No tenant has a malformed id, so such an id is not found.
    pub(crate) fn tenant(&self) -> Result<TenantId, Problem> {
        let text = self.segment("tenant").unwrap_or_default();
        text.parse().map_err(|rule: String| Problem::refusal(Code::TenantNotFound, rule))
    }

    /// Returns the context id that the path names. No context has a malformed id, so such an id is not found.
    pub(crate) fn context_id(&self) -> Result<ContextId, Problem> {
        let text = self.segment("id").unwrap_or_default();
        text.parse().map_err(|rule: String| Problem::refusal(Code::NotFound, rule))
    }

    /// Returns the place in the tree that the path names, or the query if the path names none.
    pub(crate) fn scope(&self) -> Result<Scope, Problem> {
        let key = |(name, parameter)| self.segment(name).or_else(|| self.query.get(parameter));
        let mut keys = SCOPE_MEMBERS.into_iter().zip(&SCOPE).map(key);
        let keys = [keys.next().flatten(), keys.next().flatten(), keys.next().flatten()];
        Scope::from_keys(keys).map_err(|faults| match faults.into_iter().next() {
            Some(fault) => Problem::bad_parameter(fault.pointer.trim_start_matches('/'), fault.message),
            None => Problem::bad_parameter("scope", "the keys do not name a place in the tree"),
        })
    }

    /// Returns the address of the context, by its id or by its place in the tree.
    pub(crate) fn address(&self) -> Result<Address, Problem> {
        match self.segment("id") {
            Some(_) => self.context_id().map(Address::Id),
            None => self.scope().map(Address::Scope),
        }
    }

    /// Returns the path's parameter with this name, decoded; `None` if the path has no such parameter.
    pub(crate) fn segment(&self, name: &str) -> Option<&str> {
        self.segments.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the query parameters.
    pub(crate) fn query(&self) -> &Query {
        &self.query
    }

    /// Returns the body, which must be a JSON object.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Problem> {
        body::parse_object(&self.body)
    }

    /// Returns the body as a patch of the kind that its media type names.
    pub(crate) fn patch(&self) -> Result<Patch, Problem> {
        body::parse_patch(&self.parts.headers, &self.body)
    }

    /// Returns the options of a write, from the headers and the query.
    pub(crate) fn write_options(&self) -> Result<WriteOptions, Problem> {
        let parents = if self.query.flag(&CREATE_PARENTS) { Parents::Create } else { Parents::MustExist };
        let condition = conditions::write_condition(&self.parts.headers)?;
        let key = conditions::idempotency_key(&self.parts.headers)?;
        Ok(WriteOptions { condition, parents, idempotency: key.map(|key| (key, self.hash())) })
    }

    /// Whether an idempotency key was sent.
    pub(crate) fn has_idempotency_key(&self) -> bool {
        self.parts.headers.contains_key(conditions::IDEMPOTENCY_KEY)
    }

    /// Whether the client says that it has the representation with this entity tag, so that 304 is enough.
    pub(crate) fn client_has(&self, etag: &str) -> Result<bool, Problem> {
        conditions::client_has(&self.parts.headers, etag)
    }

    /// Refuses `If-None-Match` where the response has no entity tag.
    pub(crate) fn refuse_if_none_match(&self, rule: &str) -> Result<(), Problem> {
        conditions::refuse_header(&self.parts.headers, &IF_NONE_MATCH, "If-None-Match", rule)
    }

    /// Returns the principal. A public operation has none, and must not call this.
    fn principal(&self) -> Result<Principal, Problem> {
        self.principal.clone().ok_or_else(credential::no_token)
    }

    /// Returns the hash by which a repeated request is recognised: of its method, target, conditions, media
    /// type and body.
    fn hash(&self) -> RequestHash {
        let header = |name: &HeaderName| {
            let values: Vec<_> = self.parts.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
            values.join(&b", "[..])
        };
        let target = self.parts.uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
        RequestHash::from_parts(&[
            self.parts.method.as_str().as_bytes(),
            target.as_bytes(),
            &header(&IF_MATCH),
            &header(&IF_NONE_MATCH),
            &header(&CONTENT_TYPE),
            &self.body,
        ])
    }
}

async fn decode_segments(parts: &mut Parts) -> Result<Vec<(String, String)>, Problem> {
    if !is_percent_encoded(parts.uri.path()) {
        return Err(Problem::bad_parameter("path", BROKEN_PERCENT));
    }
    match RawPathParams::from_request_parts(parts, &()).await {
        Ok(params) => Ok(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
        Err(_) => Err(Problem::bad_parameter("path", "the percent-encoded bytes are not UTF-8")),
    }
}
