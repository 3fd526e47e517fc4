//! Making connections: what a URL asks for, how its hosts are tried, and why none was good enough.
//!
//! [`url`] and [`parameters`] parse the URL. [`hosts`] tries each host and address: it dials, encrypts
//! ([`tls`]) and logs in ([`driver`]), asks the session what it is ([`facts`]), and explains each refusal
//! ([`refusal`]). The result is a [`session`], which can ask the server to cancel its statements
//! ([`cancel`]). What happens when a connection is lost is described in [`pool`](super::pool).

mod cancel;
mod driver;
mod facts;
mod hosts;
mod parameters;
mod refusal;
mod session;
mod tls;
mod url;

pub(super) use driver::ConnectionEnd;
pub use session::{ConnectionMode, Session, SessionMode};
pub use url::PostgresUrl;
#[cfg(test)]
pub(super) use {
    parameters::{ChannelBinding, HostOrder, SslMode, SslNegotiation, TargetSession, TrustedRoots},
    url::HostLocation,
};
