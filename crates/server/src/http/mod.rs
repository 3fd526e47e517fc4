//! HTTP: every route on one screen, and the layers around them.

pub(crate) mod access;
mod answer;
mod body;
mod call;
mod caller;
mod changes;
mod conditions;
mod contexts;
mod docs;
mod health;
pub(crate) mod hosts;
mod limits;
mod middleware;
pub(crate) mod openapi;
mod problem;
mod query;
mod schemas;
mod search;
pub(crate) mod serve;
mod spec;
mod tenants;
mod tree;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{MethodRouter, on};
use context_domain::error::Error;
use context_domain::id::IdSource;
use context_domain::service::Service;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;

use access::Authentication;
use call::{Call, Rules};
use hosts::{AllowedHosts, HostName};
use middleware::Refusals;
use problem::{Kind, Problem};
use spec::{Parameter, Spec, Tag};

/// How the server is to answer.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Whether callers are asked who they are.
    pub authentication: Authentication,
    /// The hosts that requests may name beside those of loopback.
    pub allowed_hosts: Vec<HostName>,
    /// Time for reading a request's body, and again for answering it.
    pub request_timeout: Duration,
    /// Requests that are worked on at the same time; one more is refused.
    pub max_concurrent_requests: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            authentication: Authentication::Open,
            allowed_hosts: Vec::new(),
            request_timeout: limits::DEFAULT_REQUEST_TIMEOUT,
            max_concurrent_requests: limits::DEFAULT_CONCURRENT_REQUESTS,
        }
    }
}

/// The service behind its routes.
pub fn router(service: Arc<Service>, ids: Arc<dyn IdSource>, config: HttpConfig) -> axum::Router {
    let app = App {
        service,
        authentication: config.authentication,
        refusals: Arc::default(),
        request_timeout: config.request_timeout,
        slots: Arc::new(Semaphore::new(config.max_concurrent_requests)),
    };
    let router = axum::Router::new();
    let routes = routes()
        .into_iter()
        .fold(router, |router, route| router.route(route.path, route.handler))
        .fallback(middleware::no_route)
        .method_not_allowed_fallback(middleware::no_method)
        .with_state(app);
    surround(routes, ids, config.allowed_hosts)
}

/// Routes within the layers that every request passes: its id and its log, the check of its host, and an answer where
/// a handler panics.
pub fn surround(routes: axum::Router, ids: Arc<dyn IdSource>, allowed_hosts: Vec<HostName>) -> axum::Router {
    let allowed = AllowedHosts::new(allowed_hosts);
    routes
        .layer(from_fn_with_state(allowed, hosts::guard))
        .layer(CatchPanicLayer::custom(middleware::panicked))
        .layer(from_fn_with_state(ids, middleware::observe))
}

/// Every route.
fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::new("/v1/tenants", &tenants::CREATE, tenants::create),
        Route::new("/v1/tenants", &tenants::LIST, tenants::list),
        Route::new("/v1/tenants/{tenant}", &tenants::SHOW, tenants::show),
        Route::new("/v1/tenants/{tenant}", &tenants::DROP, tenants::drop),
        Route::new("/v1/tenants/{tenant}/contexts", &contexts::CREATE, contexts::create),
        Route::new("/v1/tenants/{tenant}/contexts", &contexts::LIST, contexts::list),
        Route::new("/v1/tenants/{tenant}/contexts/{id}", &contexts::GET, contexts::get),
        Route::new("/v1/tenants/{tenant}/contexts/{id}", &contexts::PUT, contexts::put),
        Route::new("/v1/tenants/{tenant}/contexts/{id}", &contexts::PATCH, contexts::patch),
        Route::new("/v1/tenants/{tenant}/contexts/{id}", &contexts::DELETE, contexts::delete),
        Route::new("/v1/tenants/{tenant}/contexts/{id}/resolved", &contexts::RESOLVED, contexts::resolved),
        Route::new("/v1/tenants/{tenant}/contexts/{id}/changes", &changes::OF_CONTEXT, changes::list),
        Route::new("/v1/tenants/{tenant}/changes", &changes::OF_TENANT, changes::list),
        Route::new("/livez", &health::LIVE, health::live),
        Route::new("/readyz", &health::READY, health::ready),
        Route::new("/health", &health::HEALTH, health::health),
        Route::new("/openapi.json", &docs::OPENAPI, docs::openapi),
        Route::new("/docs", &docs::PAGE, docs::page),
        Route::new("/docs/{file}", &docs::FILE, docs::file),
    ];
    for (path, more) in tree::PATHS {
        routes.extend([
            Route::taking(more, path, &tree::GET, tree::get),
            Route::taking(more, path, &tree::PUT, contexts::put),
            Route::taking(more, path, &tree::PATCH, contexts::patch),
            Route::taking(more, path, &tree::DELETE, contexts::delete),
        ]);
    }
    routes
}

/// An operation at a path.
struct Route {
    path: &'static str,
    rules: Rules,
    handler: MethodRouter<App>,
}

impl Route {
    fn new<F, Answered>(path: &'static str, spec: &'static Spec, handler: F) -> Self
    where
        F: Fn(Arc<Service>, Call) -> Answered + Clone + Send + Sync + 'static,
        Answered: Future<Output = Result<Response, Problem>> + Send + 'static,
    {
        Self::taking(&[], path, spec, handler)
    }

    /// A route that takes more parameters at this path than its operation takes elsewhere.
    fn taking<F, Answered>(
        more: &'static [Parameter],
        path: &'static str,
        spec: &'static Spec,
        handler: F,
    ) -> Self
    where
        F: Fn(Arc<Service>, Call) -> Answered + Clone + Send + Sync + 'static,
        Answered: Future<Output = Result<Response, Problem>> + Send + 'static,
    {
        let rules = Rules { spec, more };
        let handler = on(spec.verb.filter(), async move |State(app): State<App>, request: Request| {
            let _slot = app.admit(spec)?;
            let (parts, body) = request.into_parts();
            let call = app.read(app.let_in(spec, parts).await?, rules, body).await?;
            let keyed = call.headers().contains_key(conditions::IDEMPOTENCY_KEY);
            let answered = match timeout(app.request_timeout, handler(Arc::clone(&app.service), call)).await {
                Ok(answered) => answered,
                // The store may carry the write out all the same.
                Err(elapsed) if spec.verb.writes() => Err(Error::OutcomeUnknown(Box::new(elapsed)).into()),
                Err(_) => Err(Problem::refusal(&Kind::TIMEOUT, "the answer took too long: try again")),
            };
            if keyed { answered.map_err(Problem::made_repeatable) } else { answered }
        });
        Self { path, rules, handler }
    }
}

/// What every request is answered with.
#[derive(Clone)]
struct App {
    service: Arc<Service>,
    authentication: Authentication,
    refusals: Arc<Refusals>,
    request_timeout: Duration,
    slots: Arc<Semaphore>,
}

impl App {
    /// A slot to work in. Probes need none: a server that is busy is alive.
    fn admit(&self, spec: &Spec) -> Result<Option<SemaphorePermit<'_>>, Problem> {
        if spec.tag == Tag::Health {
            return Ok(None);
        }
        self.slots.try_acquire().map(Some).map_err(|_: tokio::sync::TryAcquireError| {
            Problem::refusal(
                &Kind::OVERLOADED,
                "too many requests are under way: nothing was done; try again",
            )
        })
    }

    async fn read(&self, call: Call, rules: Rules, body: Body) -> Result<Call, Problem> {
        let read = timeout(self.request_timeout, call.read(rules, body)).await;
        read.unwrap_or_else(|_: tokio::time::error::Elapsed| {
            Err(Problem::refusal(
                &Kind::REQUEST_TIMEOUT,
                "the request's body did not arrive in time: nothing was done",
            ))
        })
    }
}
