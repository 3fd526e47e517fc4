//! HTTP: connections, the layers around every request, and the router made from the table of operations.

pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod conditions;
mod credential;
pub(crate) mod hosts;
mod middleware;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod route;
pub(crate) mod serve;

use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use context_domain::id::IdSource;
use context_domain::service::Service;
use tower_http::catch_panic::CatchPanicLayer;

use crate::api;
use crate::auth::{Authentication, Gate};
use crate::limits::{DEFAULT_CONCURRENT_REQUESTS, DEFAULT_REQUEST_TIMEOUT};
use hosts::{AllowedHosts, HttpHost};
use route::App;

/// The configuration of the HTTP server.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Whether callers must authenticate.
    pub authentication: Authentication,
    /// The hosts that requests may name in addition to those of loopback.
    pub allowed_hosts: Vec<HttpHost>,
    /// Time for reading a request's body, and again for its response.
    pub request_timeout: Duration,
    /// Maximum number of requests in progress at the same time; further ones are refused.
    pub max_concurrent_requests: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            authentication: Authentication::Open,
            allowed_hosts: Vec::new(),
            request_timeout: DEFAULT_REQUEST_TIMEOUT,
            max_concurrent_requests: DEFAULT_CONCURRENT_REQUESTS,
        }
    }
}

/// Makes the router of the service: every operation of the API, within the layers of [`surround`].
pub fn router(service: Arc<Service>, ids: Arc<dyn IdSource>, config: HttpConfig) -> axum::Router {
    let timeout = config.request_timeout;
    let gate = Gate::new(Arc::clone(&service), config.authentication, timeout);
    let app = App::new(service, gate, timeout, config.max_concurrent_requests);
    let router = axum::Router::new();
    let routes = api::routes()
        .into_iter()
        .fold(router, |router, route| router.route(route.rules.path, route.handler))
        .fallback(middleware::no_route)
        .method_not_allowed_fallback(middleware::no_method)
        .with_state(app);
    surround(routes, ids, config.allowed_hosts)
}

/// Adds the layers that every request passes, outermost first: its id and log span, the response to a panic
/// in a handler, and the check of its host.
pub fn surround(routes: axum::Router, ids: Arc<dyn IdSource>, allowed_hosts: Vec<HttpHost>) -> axum::Router {
    let allowed = AllowedHosts::new(allowed_hosts);
    routes
        .layer(from_fn_with_state(allowed, hosts::check_request))
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn_with_state(ids, middleware::observe))
}
