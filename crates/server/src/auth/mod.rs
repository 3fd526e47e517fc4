//! Authentication and authorization of requests, independent of the transport.
//!
//! A transport (HTTP today) asks the [`Gate`] twice for each request, before it reads parameters, conditions
//! or a body:
//!
//! 1. [`Gate::identify`] turns the bearer token into a principal, or refuses it without saying what is wrong
//!    with it.
//! 2. [`Gate::admit`] checks that the caller (principal, tenant and request id) may use the operation.
//!
//! `Service` checks access again before it reads anything: the gate makes refusals early and uniform, and
//! does not replace that check.

mod access;
mod gate;
mod refusal_log;

pub(crate) use access::OperationAccess;
pub use gate::Authentication;
pub(crate) use gate::{Gate, IdentityError};
