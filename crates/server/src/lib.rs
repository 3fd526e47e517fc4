//! HTTP over Context Service: routes, their rules, and the OpenAPI document that describes them.
//!
//! Each operation is described once, by one `Spec`: the same description decides which parameters, headers and
//! bodies a request may carry, and is printed as OpenAPI. Handlers reach nothing but
//! [`context_domain::service::Service`].

mod http;

pub use http::access::Authentication;
pub use http::hosts::HostName;
pub use http::openapi::openapi;
pub use http::serve::serve;
pub use http::{HttpConfig, router, surround};
