//! The five variables that name a PostgreSQL database in parts.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::environment::variable;
use crate::failure::CommandFailure;

/// The variables and their defaults.
const VARIABLES: [(&str, &str); 5] = [
    ("DB_HOST", "localhost"),
    ("DB_PORT", "5432"),
    ("DB_NAME", "context_service"),
    ("DB_USER", "context_user"),
    ("DB_PASSWORD", ""),
];

/// The characters that a part of a URL must encode.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A database named in parts.
pub(super) struct DatabaseParts {
    host: String,
    port: String,
    name: String,
    user: String,
    password: String,
}

/// Returns the database that the variables name, and which of them are set; `None` if none is.
pub(super) fn from_environment() -> Result<Option<(DatabaseParts, Vec<&'static str>)>, CommandFailure> {
    let mut set = Vec::new();
    let mut part = |(name, default): (&'static str, &str)| {
        let value = variable(name)?;
        set.extend(value.is_some().then_some(name));
        Ok::<_, CommandFailure>(value.unwrap_or_else(|| default.to_owned()))
    };
    let [host, port, name, user, password] = VARIABLES;
    let parts = DatabaseParts {
        host: part(host)?,
        port: part(port)?,
        name: part(name)?,
        user: part(user)?,
        password: part(password)?,
    };
    Ok(if set.is_empty() { None } else { Some((parts, set)) })
}

impl DatabaseParts {
    /// Builds the database's URL.
    pub(super) fn url(&self) -> Result<String, CommandFailure> {
        let port: u16 = self.port.parse().map_err(|_: std::num::ParseIntError| {
            CommandFailure::usage(format!("DB_PORT={}: a port is a number from 1 to 65535", self.port))
        })?;
        // An IPv6 address is written in brackets.
        let host = if self.host.parse::<std::net::Ipv6Addr>().is_ok() {
            format!("[{}]", self.host)
        } else {
            encoded(&self.host)
        };
        let password =
            if self.password.is_empty() { String::new() } else { format!(":{}", encoded(&self.password)) };
        Ok(format!("postgres://{}{password}@{host}:{port}/{}", encoded(&self.user), encoded(&self.name)))
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(host: &str, port: &str, password: &str) -> Result<String, String> {
        let (host, port, password) = (host.to_owned(), port.to_owned(), password.to_owned());
        let parts = DatabaseParts { host, port, name: "n/a".to_owned(), user: "u@x".to_owned(), password };
        parts.url().map_err(|failure| match failure {
            CommandFailure::Other { message, .. } => message,
            CommandFailure::Service(error) => error.to_string(),
        })
    }

    #[test]
    fn no_part_can_be_taken_for_another() {
        assert_eq!(url("db", "5432", "").unwrap(), "postgres://u%40x@db:5432/n%2Fa");
        assert_eq!(
            url("db.example.org", "1", "a:b@c/d?e#f%g ü").unwrap(),
            "postgres://u%40x:a%3Ab%40c%2Fd%3Fe%23f%25g%20%C3%BC@db.example.org:1/n%2Fa"
        );
        assert_eq!(url("::1", "5432", "").unwrap(), "postgres://u%40x@[::1]:5432/n%2Fa");
        assert_eq!(url("/run/pg", "5432", "").unwrap(), "postgres://u%40x@%2Frun%2Fpg:5432/n%2Fa");
    }

    #[test]
    fn a_port_is_a_number() {
        for port in ["postgres", "65536", "-1", "5432 "] {
            let rule = url("db", port, "secret").unwrap_err();
            assert!(rule.contains("DB_PORT") && !rule.contains("secret"), "{rule}");
        }
    }
}
