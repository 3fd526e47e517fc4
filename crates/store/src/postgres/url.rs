//! The URL of a PostgreSQL database, as libpq reads it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::parameters::{self, Parameters};

/// The port where none is named.
const DEFAULT_PORT: u16 = 5432;
/// What to do where a part of the URL cannot be read: most often it is a password.
const ENCODE: &str = "characters with a meaning in a URL (: / ? # @ % and others) are written percent-encoded in it, \
     '/' as %2F and '@' as %40";

/// `postgres://user:password@host:port,host:port/database?parameter=value`, with what libpq understands by it. It
/// prints without its password and its parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) database: String,
    pub(super) options: Option<String>,
    pub(super) application_name: Option<String>,
    pub(super) connecting: Box<Connecting>,
    pub(super) encryption: Box<Encryption>,
}

/// One of the servers that a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: HostName,
    pub(super) port: u16,
    /// Its address, where it is not to be asked for.
    pub(super) address: Option<IpAddr>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostName {
    /// A name or an address.
    Tcp(String),
    /// A folder with a socket.
    Unix(PathBuf),
}

/// How a connection is made, and to which of the hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Connecting {
    /// What all of it may take.
    pub(super) limit: Duration,
    pub(super) target: Target,
    pub(super) order: HostOrder,
    pub(super) keepalives: Keepalives,
    /// How long what was sent may stay unacknowledged.
    pub(super) user_timeout: Option<Duration>,
}

/// Which session will do: `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// In which order hosts are tried: `load_balance_hosts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostOrder {
    AsWritten,
    Random,
}

/// The probes by which the system finds out that the other side is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keepalives {
    pub(super) are_sent: bool,
    pub(super) idle: Duration,
    pub(super) interval: Duration,
    pub(super) count: u32,
}

/// How a connection is encrypted, and whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Encryption {
    pub(super) mode: SslMode,
    pub(super) roots: Roots,
    pub(super) identity: Option<Identity>,
    pub(super) negotiation: Negotiation,
    pub(super) binding: ChannelBinding,
}

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// Who signs for the server: `sslrootcert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// Anybody, which is to say that nobody does.
    Unchecked,
    /// Whom this machine trusts.
    System,
    /// Those in a file.
    File(PathBuf),
}

/// Who this side is: `sslcert` and `sslkey`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// How TLS begins: `sslnegotiation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Negotiation {
    Postgres,
    Direct,
}

/// Whether the password is bound to the certificate: `channel_binding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}

impl PostgresUrl {
    /// The role that connects.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Where the servers are, for messages: `db1:5432, db2:5433`.
    pub fn hosts(&self) -> String {
        let hosts: Vec<_> = self.hosts.iter().map(ToString::to_string).collect();
        hosts.join(", ")
    }

    /// The same servers and role, another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self.clone() }
    }
}

/// What there is of a URL before its parameters are known.
#[derive(Default)]
struct Authority {
    user: Option<String>,
    password: Option<String>,
    hosts: Option<String>,
    ports: Option<String>,
    database: Option<String>,
}

impl FromStr for PostgresUrl {
    type Err = String;

    /// Reads a URL. What it says about a wrong one repeats no part that may be of a password.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        let rest =
            rest.ok_or("a PostgreSQL database is named postgres://user:password@host:port/database")?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut found = Parameters::read(query)?;
        let named = authority(path)?;
        let user = found.one_of("user", named.user)?;
        let user = user.ok_or("the URL names no user: write postgres://user@host/database")?;
        let database = found.one_of("dbname", named.database)?.unwrap_or_else(|| user.clone());
        let password = found.one_of("password", named.password)?;
        let hosts = found.one_of("host", named.hosts)?;
        let ports = found.one_of("port", named.ports)?;
        let hosts = hosts_of(hosts.as_deref(), ports.as_deref(), found.take("hostaddr").as_deref())?;
        let fallback_name = found.take("fallback_application_name");
        let url = Self {
            hosts,
            user,
            password,
            database,
            options: found.take("options"),
            application_name: found.take("application_name").or(fallback_name),
            connecting: parameters::connecting(&mut found)?,
            encryption: parameters::encryption(&mut found)?,
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

/// The same: a password must not get into a log by way of `{:?}`.
impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            HostName::Tcp(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            HostName::Tcp(name) => write!(f, "{name}:{}", self.port),
            HostName::Unix(folder) => write!(f, "{}:{}", folder.display(), self.port),
        }
    }
}

/// What stands before the parameters: `user:password@host:port,host:port/database`.
fn authority(text: &str) -> Result<Authority, String> {
    let (servers, database) = text.split_once('/').unwrap_or((text, ""));
    let (login, servers) = servers.rsplit_once('@').unwrap_or(("", servers));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let parts = [login, servers, database];
    let stray = parts.iter().any(|part| part.contains(['@', '/', '#'])) || password.contains(':');
    if stray {
        return Err(format!("the URL cannot be read: {ENCODE}"));
    }
    let part = |text: &str| if text.is_empty() { Ok(None) } else { decode(text).map(Some) };
    let (hosts, ports) = servers_of(servers)?;
    Ok(Authority { user: part(user)?, password: part(password)?, database: part(database)?, hosts, ports })
}

/// The names and the ports of `host:port,host:port`, each list as the parameters `host` and `port` write it.
fn servers_of(text: &str) -> Result<(Option<String>, Option<String>), String> {
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

/// The servers of three lists that belong together.
fn hosts_of(hosts: Option<&str>, ports: Option<&str>, addresses: Option<&str>) -> Result<Vec<Host>, String> {
    let named = hosts.or(addresses).ok_or(
        "the URL names no host: write postgres://user@host/database, or ?host=/var/run/postgresql for a socket",
    )?;
    let count = named.split(',').count();
    let addresses = one_each("hostaddr", addresses, count)?;
    let ports = one_each("port", ports, count)?;
    let mut found = Vec::with_capacity(count);
    for (index, name) in named.split(',').enumerate() {
        let at = |list: &[Option<String>]| list.get(index).cloned().flatten();
        let port = at(&ports).map_or(Ok(DEFAULT_PORT), |port| port.parse());
        let port = port.ok().filter(|port| *port != 0);
        let port = port.ok_or_else(|| format!("a port of the URL is no number from 1 to 65535: {ENCODE}"))?;
        let address = at(&addresses).map(|address| address.parse()).transpose();
        let address = address.map_err(|_: std::net::AddrParseError| "hostaddr: write an IP address")?;
        let name = match name {
            "" => return Err("a host of the URL has no name".to_owned()),
            folder if folder.starts_with('/') => HostName::Unix(PathBuf::from(folder)),
            name => HostName::Tcp(name.to_owned()),
        };
        found.push(Host { name, port, address });
    }
    Ok(found)
}

/// One member for each of `count` servers, from a list that has as many or only one, which is for all.
fn one_each(name: &str, list: Option<&str>, count: usize) -> Result<Vec<Option<String>>, String> {
    let Some(list) = list else { return Ok(vec![None; count]) };
    let member = |text: &str| if text.is_empty() { None } else { Some(text.to_owned()) };
    let members: Vec<_> = list.split(',').map(member).collect();
    match members.as_slice() {
        [one] if name == "port" => Ok(vec![one.clone(); count]),
        all if all.len() == count => Ok(members),
        _ => Err(format!("{name}: name as many as there are hosts")),
    }
}

/// A part of a URL without its percent-encoding.
pub(super) fn decode(text: &str) -> Result<String, String> {
    let wrong = || format!("a percent-encoded part of the URL cannot be read: {ENCODE}");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
        let decoded = u8::try_from(high * 16 + low).ok().filter(|byte| *byte != 0);
        bytes.push(decoded.ok_or_else(wrong)?);
    }
    String::from_utf8(bytes).map_err(|_: std::string::FromUtf8Error| wrong())
}
