//! HTTP for Context Service: routes, their rules, and the OpenAPI document that describes them.
//!
//! Each operation is described once, by one `OperationSpec`: it decides which parameters, headers and bodies
//! a request may have, and is printed as OpenAPI. Handlers reach only [`context_domain::service::Service`].
//!
//! # How a request flows
//!
//! 1. **Accept** (`http::serve`): a connection is accepted if fewer than the maximum are open, and gets its
//!    own task.
//! 2. **Layers** (`http::middleware`, `http::hosts`): the request gets an id and a log span; a panic further
//!    inside becomes a problem; a request for a foreign `Host`, or from a page of a foreign `Origin`, is
//!    refused.
//! 3. **Route** (`http::route`): the router finds the operation of path and method in the table
//!    (`api::routes`). The request takes a permit, or is refused as overloaded.
//! 4. **Caller** (`auth`): the bearer token is turned into a principal, and the gate checks that it may use
//!    the operation in the tenant of the path. Nothing but the path and the token has been read so far, so a
//!    refusal reveals nothing else.
//! 5. **Request** (`http::call`): query, conditional headers and idempotency key are checked against the
//!    operation's description, then the body is read. Whatever is not honoured is refused.
//! 6. **Handler** (`api::contexts` and its neighbours): it calls the service within the timeout and returns a
//!    response.
//! 7. **Problem** (`http::problem`): every error on the way is a problem. The outermost layer logs it once
//!    and writes its body, because it knows the request's id.
//!
//! # Modules
//!
//! `auth` knows neither HTTP nor the table of operations, so that MCP and a console can use it. `api` is the
//! table and its handlers. `http` is the transport. `limits` has the numbers.

mod api;
mod auth;
mod http;
mod limits;

pub use api::openapi_document;
pub use auth::Authentication;
pub use http::hosts::HttpHost;
pub use http::serve::serve;
pub use http::{HttpConfig, router, surround};
