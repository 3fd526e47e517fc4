//! The URL of a PostgreSQL database, parsed as libpq parses it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use super::parameters::{
    Connecting, ENCODE, Encryption, Parameters, decode, take_connecting, take_encryption,
};

/// The port of a host without one.
const DEFAULT_PORT: u16 = 5432;

/// `postgres://user:password@host:port,host:port/database?parameter=value`: where a database is, and as which
/// role and how to log in.
///
/// **Life cycle.** It is parsed once from a setting, and every mistake in it is found then, without
/// connecting. Certificate files that it names are read each time a connection is made.
///
/// **Concurrency.** It is an immutable value.
///
/// **Failure.** Parsing returns a message that repeats no part of the URL that may belong to a password.
/// `Display` and `Debug` print it without password and parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    pub(crate) hosts: Vec<Host>,
    pub(super) user: String,
    pub(crate) password: Option<String>,
    pub(super) database: String,
    pub(crate) options: Option<String>,
    pub(crate) application_name: Option<String>,
    pub(crate) connecting: Box<Connecting>,
    pub(crate) encryption: Box<Encryption>,
}

/// One of the hosts that a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) location: HostLocation,
    pub(super) port: u16,
    /// Its IP address, if the URL gives it (`hostaddr`): the name is then not resolved.
    pub(crate) address: Option<IpAddr>,
}

/// The location of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostLocation {
    /// A DNS name or an IP address.
    Tcp(String),
    /// A folder with a Unix socket.
    Unix(PathBuf),
}

impl PostgresUrl {
    /// Returns the role that connects.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the name of the database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Returns the hosts, for messages: `db1:5432, db2:5433`.
    pub fn hosts(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(ToString::to_string).collect();
        hosts.join(", ")
    }

    /// Returns the URL of another database on the same hosts, for the same role.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self.clone() }
    }
}

/// The part of a URL before its parameters.
#[derive(Default)]
struct UrlAuthority {
    user: Option<String>,
    password: Option<String>,
    hosts: Option<String>,
    ports: Option<String>,
    database: Option<String>,
}

impl FromStr for PostgresUrl {
    type Err = String;

    /// Parses a URL. The error message repeats no part that may belong to a password.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        let rest =
            rest.ok_or("a PostgreSQL database is named postgres://user:password@host:port/database")?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut found = Parameters::parse(query)?;
        let named = parse_authority(path)?;
        let user = found.take_once("user", named.user)?;
        let user = user.ok_or("the URL names no user: write postgres://user@host/database")?;
        let database = found.take_once("dbname", named.database)?.unwrap_or_else(|| user.clone());
        let password = found.take_once("password", named.password)?;
        let hosts = found.take_once("host", named.hosts)?;
        let ports = found.take_once("port", named.ports)?;
        let hosts = combine_hosts(hosts.as_deref(), ports.as_deref(), found.take("hostaddr").as_deref())?;
        let fallback_name = found.take("fallback_application_name");
        let url = Self {
            hosts,
            user,
            password,
            database,
            options: found.take("options"),
            application_name: found.take("application_name").or(fallback_name),
            connecting: take_connecting(&mut found)?,
            encryption: take_encryption(&mut found)?,
        };
        found.end()?;
        Ok(url)
    }
}

/// Prints no password and no parameters.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.hosts.iter().map(ToString::to_string).collect();
        write!(f, "postgres://{}@{}/{}", self.user, hosts.join(","), self.database)
    }
}

/// Like `Display`: a password must not get into a log by way of `{:?}`.
impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            HostLocation::Tcp(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            HostLocation::Tcp(name) => write!(f, "{name}:{}", self.port),
            HostLocation::Unix(folder) => write!(f, "{}:{}", folder.display(), self.port),
        }
    }
}

/// Parses `user:password@host:port,host:port/database`.
fn parse_authority(text: &str) -> Result<UrlAuthority, String> {
    let (servers, database) = text.split_once('/').unwrap_or((text, ""));
    let (login, servers) = servers.rsplit_once('@').unwrap_or(("", servers));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let parts = [login, servers, database];
    let stray = parts.iter().any(|part| part.contains(['@', '/', '#'])) || password.contains(':');
    if stray {
        return Err(format!("the URL cannot be read: {ENCODE}"));
    }
    let part = |text: &str| if text.is_empty() { Ok(None) } else { decode(text).map(Some) };
    let (hosts, ports) = split_servers(servers)?;
    Ok(UrlAuthority { user: part(user)?, password: part(password)?, database: part(database)?, hosts, ports })
}

/// Splits `host:port,host:port` into two lists as they are written in the parameters `host` and `port`.
fn split_servers(text: &str) -> Result<(Option<String>, Option<String>), String> {
    if text.is_empty() {
        return Ok((None, None));
    }
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for server in text.split(',') {
        let (host, port) = match server.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
            None => server.split_once(':').unwrap_or((server, "")),
        };
        hosts.push(decode(host)?);
        ports.push(port);
    }
    let ports = if ports.iter().all(|port| port.is_empty()) { None } else { Some(ports.join(",")) };
    Ok((Some(hosts.join(",")).filter(|hosts| !hosts.is_empty()), ports))
}

/// Combines the parameters `host`, `port` and `hostaddr`, which are lists with one member per host.
fn combine_hosts(
    hosts: Option<&str>,
    ports: Option<&str>,
    addresses: Option<&str>,
) -> Result<Vec<Host>, String> {
    let named = hosts.or(addresses).ok_or(
        "the URL names no host: write postgres://user@host/database, or ?host=/var/run/postgresql for a \
         socket",
    )?;
    let count = named.split(',').count();
    let addresses = one_each("hostaddr", addresses, count)?;
    let ports = one_each("port", ports, count)?;
    let mut found = Vec::with_capacity(count);
    for (index, name) in named.split(',').enumerate() {
        let at = |list: &[Option<String>]| list.get(index).cloned().flatten();
        let port = at(&ports).map_or(Ok(DEFAULT_PORT), |port| port.parse());
        let port = port.ok().filter(|port| *port != 0);
        let port =
            port.ok_or_else(|| format!("a port of the URL is not a number from 1 to 65535: {ENCODE}"))?;
        let address = at(&addresses).map(|address| address.parse()).transpose();
        let address = address.map_err(|_: std::net::AddrParseError| "hostaddr: write an IP address")?;
        let location = match name {
            "" => return Err("a host of the URL has no name".to_owned()),
            folder if folder.starts_with('/') => HostLocation::Unix(PathBuf::from(folder)),
            name => HostLocation::Tcp(name.to_owned()),
        };
        found.push(Host { location, port, address });
    }
    Ok(found)
}

/// Splits a list with one member for each of `count` hosts. A single port is for all hosts.
fn one_each(name: &str, list: Option<&str>, count: usize) -> Result<Vec<Option<String>>, String> {
    let Some(list) = list else { return Ok(vec![None; count]) };
    let member = |text: &str| if text.is_empty() { None } else { Some(text.to_owned()) };
    let members: Vec<_> = list.split(',').map(member).collect();
    match members.as_slice() {
        [one] if name == "port" => Ok(vec![one.clone(); count]),
        all if all.len() == count => Ok(members),
        _ => Err(format!("{name}: write as many as there are hosts")),
    }
}
