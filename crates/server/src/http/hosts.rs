//! The names that the server answers under. A web page whose name was made to resolve to this machine (DNS
//! rebinding) sends its own name as Host, and is refused by it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, HeaderName, ORIGIN};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::Response;

use super::problem::{Kind, Problem};

/// The name or address of a host, without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(String);

/// Reads a name (`memory.example.com`) or an address (`192.0.2.1`, `[2001:db8::1]`), with a port or without one, which
/// does not count; neither do letter case and a dot at the end.
impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = || format!("'{}' is not the name or address of a host", text.escape_debug());
        let port_begins = text.bytes().rposition(|byte| byte == b':').filter(|_| !text.ends_with(']'));
        let (host, port) = match port_begins {
            Some(at) => text.split_at_checked(at).ok_or_else(rule)?,
            None => (text, ""),
        };
        if !port.bytes().skip(1).all(|byte| byte.is_ascii_digit()) {
            return Err(rule());
        }
        if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = address.parse().map_err(|_: std::net::AddrParseError| rule())?;
            return Ok(Self(format!("[{address}]")));
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(rule());
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

impl HostName {
    /// Whether the name means this machine, and no name server is asked for it.
    fn is_loopback(&self) -> bool {
        self.0 == "localhost"
            || self.0 == format!("[{}]", Ipv6Addr::LOCALHOST)
            || self.0.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    }
}

/// The names allowed beside those of loopback.
#[derive(Debug, Clone)]
pub(crate) struct AllowedHosts(Arc<[HostName]>);

impl AllowedHosts {
    pub(crate) fn new(hosts: Vec<HostName>) -> Self {
        Self(hosts.into())
    }

    fn allow(&self, text: &str) -> bool {
        text.parse().is_ok_and(|host: HostName| host.is_loopback() || self.0.contains(&host))
    }
}

/// Lets a request pass that names an allowed host, and comes from no page or from a page of one.
pub(crate) async fn guard(
    State(allowed): State<AllowedHosts>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    check_host(&allowed, &request)?;
    check_origin(&allowed, &request)?;
    Ok(next.run(request).await)
}

fn check_host(allowed: &AllowedHosts, request: &Request) -> Result<(), Problem> {
    let mut hosts = values(request, &HOST);
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Problem::bad_parameter("Host", "a request carries one Host header"));
    };
    // A request line may name a host as well, which RFC 9112 prefers: neither may be a foreign one.
    let authority = request.uri().authority().map(Authority::as_str);
    let allow = |name: Option<&str>| name.is_some_and(|name| allowed.allow(name));
    if allow(host) && (authority.is_none() || allow(authority)) {
        return Ok(());
    }
    Err(Problem::refusal(
        &Kind::HOST_NOT_ALLOWED,
        "the server answers under localhost, loopback addresses and the hosts that it was told to allow; \
         the Host header names another one",
    ))
}

fn check_origin(allowed: &AllowedHosts, request: &Request) -> Result<(), Problem> {
    let allow = |origin: Option<&str>| {
        let host = origin.and_then(|origin| origin.split_once("://"));
        host.is_some_and(|(scheme, host)| matches!(scheme, "http" | "https") && allowed.allow(host))
    };
    if values(request, &ORIGIN).all(allow) {
        return Ok(());
    }
    Err(Problem::refusal(
        &Kind::ORIGIN_NOT_ALLOWED,
        "the Origin header names a page of another host than those that the server was told to allow",
    ))
}

/// The header's values; none in place of one that is no text.
fn values<'r>(request: &'r Request, name: &HeaderName) -> impl Iterator<Item = Option<&'r str>> {
    request.headers().get_all(name).iter().map(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_allowed_names_pass_whatever_their_spelling() {
        let allowed =
            AllowedHosts::new(vec!["Memory.Example.com".parse().unwrap(), "[2001:DB8::1]".parse().unwrap()]);
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "localhost.",
            "localhost.:80",
            "127.0.0.1",
            "127.1.2.3:1",
            "[::1]",
            "[::1]:8000",
            "[0:0:0:0:0:0:0:1]",
            "memory.example.com:443",
            "MEMORY.example.com.",
            "[2001:db8::1]:1",
            "localhost:",
        ] {
            assert!(allowed.allow(host), "{host} was refused");
        }
        for host in [
            "",
            ".",
            ":80",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "128.0.0.1",
            "127.1",
            "0.0.0.0",
            "[::]",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "localhost:80:80",
            "localhost:8o",
            "a@localhost",
            "localhost/",
            "localhost..",
            " localhost",
            "2130706433",
            "[::ffff:127.0.0.1]",
            "xmemory.example.com",
        ] {
            assert!(!allowed.allow(host), "{host} was allowed");
        }
    }
}
