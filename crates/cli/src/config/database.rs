//! The five variables that name a PostgreSQL database in parts.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::environment::variable;
use crate::failure::Failure;

/// The variables, with what stands for one that is not set.
const PARTS: [(&str, &str); 5] = [
    ("DB_HOST", "localhost"),
    ("DB_PORT", "5432"),
    ("DB_NAME", "context_service"),
    ("DB_USER", "context_user"),
    ("DB_PASSWORD", ""),
];

/// What a part of a URL may hold as it is.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A database named in parts.
pub(super) struct Named {
    parts: Parts,
    /// The variables that are set.
    pub(super) by: Vec<&'static str>,
}

impl Named {
    /// The database's URL.
    pub(super) fn url(&self) -> Result<String, Failure> {
        url_of(&self.parts)
    }
}

/// The database that the variables name, if any of them is set.
pub(super) fn named() -> Result<Option<Named>, Failure> {
    let mut by = Vec::new();
    let mut part = |(name, default): (&'static str, &str)| {
        let value = variable(name)?;
        by.extend(value.is_some().then_some(name));
        Ok::<_, Failure>(value.unwrap_or_else(|| default.to_owned()))
    };
    let [host, port, name, user, password] = PARTS;
    let parts = Parts {
        host: part(host)?,
        port: part(port)?,
        name: part(name)?,
        user: part(user)?,
        password: part(password)?,
    };
    Ok(if by.is_empty() { None } else { Some(Named { parts, by }) })
}

struct Parts {
    host: String,
    port: String,
    name: String,
    user: String,
    password: String,
}

fn url_of(parts: &Parts) -> Result<String, Failure> {
    let port: u16 = parts.port.parse().map_err(|_: std::num::ParseIntError| {
        Failure::usage(format!("DB_PORT={}: a port is a number from 1 to 65535", parts.port))
    })?;
    // An IPv6 address stands in brackets.
    let host = if parts.host.parse::<std::net::Ipv6Addr>().is_ok() {
        format!("[{}]", parts.host)
    } else {
        encoded(&parts.host)
    };
    let password =
        if parts.password.is_empty() { String::new() } else { format!(":{}", encoded(&parts.password)) };
    Ok(format!("postgres://{}{password}@{host}:{port}/{}", encoded(&parts.user), encoded(&parts.name)))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(host: &str, port: &str, password: &str) -> Result<String, String> {
        let (host, port, password) = (host.to_owned(), port.to_owned(), password.to_owned());
        let parts = Parts { host, port, name: "n/a".to_owned(), user: "u@x".to_owned(), password };
        url_of(&parts).map_err(|failure| match failure {
            Failure::Other { message, .. } => message,
            Failure::Service(error) => error.to_string(),
        })
    }

    #[test]
    fn no_part_can_be_taken_for_another() {
        assert_eq!(read("db", "5432", "").unwrap(), "postgres://u%40x@db:5432/n%2Fa");
        assert_eq!(
            read("db.example.org", "1", "a:b@c/d?e#f%g ü").unwrap(),
            "postgres://u%40x:a%3Ab%40c%2Fd%3Fe%23f%25g%20%C3%BC@db.example.org:1/n%2Fa"
        );
        assert_eq!(read("::1", "5432", "").unwrap(), "postgres://u%40x@[::1]:5432/n%2Fa");
        assert_eq!(read("/run/pg", "5432", "").unwrap(), "postgres://u%40x@%2Frun%2Fpg:5432/n%2Fa");
    }

    #[test]
    fn a_port_is_a_number() {
        for port in ["postgres", "65536", "-1", "5432 "] {
            let rule = read("db", port, "secret").unwrap_err();
            assert!(rule.contains("DB_PORT") && !rule.contains("secret"), "{rule}");
        }
    }
}
