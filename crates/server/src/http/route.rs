//! Routes: an operation at a path with its handler, and the steps from a request to the handler's result.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use context_domain::error::{Code, Error};
use context_domain::service::Service;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::call::Call;
use super::credential::bearer_token;
use super::problem::Problem;
use crate::api::spec::{ApiTag, OperationSpec, QueryParameter, RouteRules, Verb};
use crate::auth::{Gate, OperationAccess};

/// An operation at a path, with its handler.
pub(crate) struct Route {
    pub(crate) rules: RouteRules,
    pub(super) handler: MethodRouter<App>,
}

impl Route {
    /// Makes the route of an operation that takes only its own parameters.
    pub(crate) fn new<F, Handled>(path: &'static str, spec: &'static OperationSpec, handler: F) -> Self
    where
        F: Fn(Arc<Service>, Call) -> Handled + Clone + Send + Sync + 'static,
        Handled: Future<Output = Result<Response, Problem>> + Send + 'static,
    {
        Self::with_parameters(&[], path, spec, handler)
    }

    /// Makes the route of an operation that takes `more` parameters at this path, in addition to its own.
    ///
    /// The route runs the steps that every request needs, in the order in which they may refuse it: a permit,
    /// the caller, the rest of the request, the handler. A write that does not finish in time may still be
    /// done by the store, so its outcome is reported as unknown, not as failed.
    pub(crate) fn with_parameters<F, Handled>(
        more: &'static [QueryParameter],
        path: &'static str,
        spec: &'static OperationSpec,
        handler: F,
    ) -> Self
    where
        F: Fn(Arc<Service>, Call) -> Handled + Clone + Send + Sync + 'static,
        Handled: Future<Output = Result<Response, Problem>> + Send + 'static,
    {
        let rules = RouteRules { path, spec, more };
        let handler = on(method_filter(spec.verb), async move |State(app): State<App>, request: Request| {
            let _permit = app.acquire_permit(spec)?;
            let (parts, body) = request.into_parts();
            let call = app.receive(app.admit(spec, parts).await?, rules, body).await?;
            let is_repeatable = call.has_idempotency_key();
            let handled = timeout(app.request_timeout, handler(Arc::clone(&app.service), call)).await;
            let result = match handled {
                Ok(result) => result,
                Err(elapsed) if spec.verb.writes() => Err(Error::OutcomeUnknown(Box::new(elapsed)).into()),
                Err(_) => Err(Problem::refusal(Code::Timeout, "the response took too long: try again")),
            };
            if is_repeatable { result.map_err(Problem::made_repeatable) } else { result }
        });
        Self { rules, handler }
    }
}

/// The state that all requests share.
///
/// **Life cycle.** `router` makes one from the configuration; it lives as long as the router. Cloning it,
/// which axum does for each request, clones three pointers.
///
/// **Concurrency.** At most as many requests are in progress as there are permits. A request takes one before
/// anything else and returns it with its response; if none is left, it is refused at once as overloaded,
/// because a hidden queue only grows. Probes take no permit: a busy server is alive.
///
/// **Failure.** Receiving a request, looking up its key and handling it each have the timeout of the
/// configuration.
#[derive(Clone)]
pub(crate) struct App {
    service: Arc<Service>,
    gate: Arc<Gate>,
    request_timeout: Duration,
    permits: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(
        service: Arc<Service>,
        gate: Gate,
        request_timeout: Duration,
        max_concurrent_requests: usize,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(max_concurrent_requests));
        Self { service, gate: Arc::new(gate), request_timeout, permits }
    }

    /// Takes a permit for the request; `None` for probes.
    fn acquire_permit(&self, spec: &OperationSpec) -> Result<Option<SemaphorePermit<'_>>, Problem> {
        if spec.tag == ApiTag::Health {
            return Ok(None);
        }
        self.permits.try_acquire().map(Some).map_err(|_: tokio::sync::TryAcquireError| {
            Problem::refusal(
                Code::Overloaded,
                "too many requests are in progress: nothing was done; try again",
            )
        })
    }

    /// Identifies the caller and checks that it may use the operation, before anything but the path is read.
    async fn admit(&self, spec: &OperationSpec, parts: Parts) -> Result<Call, Problem> {
        let principal = match spec.access {
            OperationAccess::Public => None,
            _ => Some(self.gate.identify(bearer_token(&parts.headers)).await?),
        };
        let call = Call::new(parts, principal).await?;
        match spec.access {
            OperationAccess::Public | OperationAccess::AnyKey => {}
            OperationAccess::Tenant(_) => self.gate.admit(spec.access, &call.in_tenant()?)?,
            OperationAccess::Operator => self.gate.admit(spec.access, &call.in_installation()?)?,
        }
        Ok(call)
    }

    async fn receive(&self, call: Call, rules: RouteRules, body: Body) -> Result<Call, Problem> {
        let received = timeout(self.request_timeout, call.receive(rules, body)).await;
        received.unwrap_or_else(|_: tokio::time::error::Elapsed| {
            Err(Problem::refusal(
                Code::RequestTimeout,
                "the request's body did not arrive in time: nothing was done",
            ))
        })
    }
}

/// Returns the router's filter for the method; the router accepts HEAD wherever it accepts GET.
fn method_filter(verb: Verb) -> MethodFilter {
    match verb {
        Verb::Get => MethodFilter::GET,
        Verb::Post => MethodFilter::POST,
        Verb::Put => MethodFilter::PUT,
        Verb::Patch => MethodFilter::PATCH,
        Verb::Delete => MethodFilter::DELETE,
    }
}
