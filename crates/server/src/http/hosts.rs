//! The check of `Host` and `Origin`: a web page whose name was made to resolve to this machine (DNS
//! rebinding) sends its own name as `Host`, and is refused.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, HeaderName, ORIGIN};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::Response;
use context_domain::error::Code;

use super::problem::Problem;

/// The name or address of an HTTP host, without a port, in one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpHost(String);

/// Reads a name (`memory.example.com`) or an address (`192.0.2.1`, `[2001:db8::1]`). A port, letter case and
/// a final dot are ignored.
impl FromStr for HttpHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = || {
            format!(
                "'{}' is not a host: give a name or an address, such as memory.example.com, 192.0.2.1 or \
                 [2001:db8::1]",
                text.escape_debug()
            )
        };
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

impl HttpHost {
    /// Whether this is `localhost` or a loopback address, which no name server can redirect.
    fn is_loopback(&self) -> bool {
        self.0 == "localhost"
            || self.0 == format!("[{}]", Ipv6Addr::LOCALHOST)
            || self.0.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    }
}

/// The hosts that are allowed in addition to those of loopback.
#[derive(Debug, Clone)]
pub(crate) struct AllowedHosts(Arc<[HttpHost]>);

impl AllowedHosts {
    pub(crate) fn new(hosts: Vec<HttpHost>) -> Self {
        Self(hosts.into())
    }

    fn allow(&self, text: &str) -> bool {
        text.parse().is_ok_and(|host: HttpHost| host.is_loopback() || self.0.contains(&host))
    }
}

/// Passes on requests for an allowed host that come from no web page or from a page of an allowed host.
pub(crate) async fn check_request(
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
        return Err(Problem::bad_parameter("Host", "a request must have exactly one Host header"));
    };
    // The request line may name a host too, which has precedence in RFC 9112: both must be allowed.
    let authority = request.uri().authority().map(Authority::as_str);
    let allow = |name: Option<&str>| name.is_some_and(|name| allowed.allow(name));
    if allow(host) && (authority.is_none() || allow(authority)) {
        return Ok(());
    }
    Err(Problem::refusal(
        Code::HostNotAllowed,
        "the Host header names a host that is neither localhost, nor a loopback address, nor allowed by the \
         server's configuration (--allowed-host)",
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
        Code::OriginNotAllowed,
        "the Origin header names a host that is neither localhost, nor a loopback address, nor allowed by \
         the server's configuration (--allowed-host)",
    ))
}

/// Returns the header's values; `None` for each that is not text.
fn values<'r>(request: &'r Request, name: &HeaderName) -> impl Iterator<Item = Option<&'r str>> {
    request.headers().get_all(name).iter().map(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_allowed_names_pass_in_any_spelling() {
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
