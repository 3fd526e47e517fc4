//! Connecting: each host and each of its addresses is tried, until one gives an acceptable session.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;
use tokio_postgres::config::{self, Config};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::failure::Failure;
use super::cancel::{Canceller, ServerAddress};
use super::driver::{Driver, log_in};
use super::facts::{Fitness, SessionFacts};
use super::parameters::{ChannelBinding, HostOrder, SslMode, SslNegotiation};
use super::refusal::ConnectRefusal;
use super::tls;
use super::url::{Host, HostLocation, PostgresUrl};

/// The `application_name` if the URL sets none.
const APPLICATION_NAME: &str = "context-service";

/// An established connection.
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) driver: Driver,
    pub(super) canceller: Canceller,
    /// Whether the server sees our own socket at its other end: no pooler is in between.
    pub(super) is_direct: bool,
}

/// Connects as the URL asks, within its `connect_timeout`.
pub(super) async fn connect(url: &PostgresUrl) -> Result<Connected, Failure> {
    let mut hosts: Vec<&Host> = url.hosts.iter().collect();
    if url.connecting.order == HostOrder::Random {
        shuffle(&mut hosts);
    }
    let encrypts = url.encryption.mode != SslMode::Disable;
    let tls = if encrypts { Some(tls::connector(&url.encryption).await?) } else { None };
    let mut search = HostSearch { url, tls, second_best: None, refused: Vec::new(), last_refusal: None };
    let limit = fraction_of(url.connecting.limit, hosts.len());
    for host in hosts {
        let found = timeout(limit, search.try_host(host, limit)).await;
        let found = found.unwrap_or_else(|_| search.judge(host, None, Err(ConnectRefusal::Late(limit))));
        if let Some(connected) = found {
            return Ok(connected);
        }
        if search.is_over() {
            break;
        }
    }
    search.end()
}

/// A search for an acceptable session.
struct HostSearch<'u> {
    url: &'u PostgresUrl,
    tls: Option<MakeRustlsConnect>,
    /// A session that is used if no host has a better one.
    second_best: Option<Connected>,
    /// Each host that was refused, and why.
    refused: Vec<String>,
    last_refusal: Option<ConnectRefusal>,
}

impl HostSearch<'_> {
    /// Tries the addresses of a host, all of them within `limit`.
    async fn try_host(&mut self, host: &Host, limit: Duration) -> Option<Connected> {
        let resolved = match (&host.address, &host.location) {
            (Some(address), _) => Ok(vec![*address]),
            (None, HostLocation::Tcp(name)) => resolve(name, host.port, limit).await,
            (None, HostLocation::Unix(folder)) => {
                let tried = timeout(limit, self.try_socket(folder, host.port)).await;
                return self.judge(host, None, tried.unwrap_or(Err(ConnectRefusal::Late(limit))));
            }
        };
        let mut addresses = match resolved {
            Ok(addresses) => addresses,
            Err(refusal) => return self.judge(host, None, Err(refusal)),
        };
        if self.url.connecting.order == HostOrder::Random {
            shuffle(&mut addresses);
        }
        let limit = fraction_of(limit, addresses.len());
        for address in addresses {
            let tried = timeout(limit, self.try_address(host, address)).await;
            let tried = tried.unwrap_or(Err(ConnectRefusal::Late(limit)));
            let connected = self.judge(host, Some(address), tried);
            if connected.is_some() || self.is_over() {
                return connected;
            }
        }
        None
    }

    /// Returns a connection that fits. Keeps the first one that is second best, and the reason why any other
    /// was refused.
    fn judge(
        &mut self,
        host: &Host,
        address: Option<IpAddr>,
        tried: Result<(Connected, Fitness), ConnectRefusal>,
    ) -> Option<Connected> {
        let refusal = match tried {
            Ok((connected, Fitness::Fits)) => return Some(connected),
            Ok((connected, Fitness::SecondBest)) => {
                self.second_best.get_or_insert(connected);
                return None;
            }
            Err(refusal) => refusal,
        };
        let clause = refusal.clause(self.url, &host.location);
        let name = match (address, &host.location) {
            (Some(address), HostLocation::Tcp(name)) if *name != address.to_string() => {
                format!("{host} ({address})")
            }
            _ => host.to_string(),
        };
        self.refused.push(format!("{name}: {clause}"));
        self.last_refusal = Some(refusal);
        None
    }

    /// Whether the last refusal is one that every other host would repeat.
    fn is_over(&self) -> bool {
        self.last_refusal.as_ref().is_some_and(ConnectRefusal::is_final)
    }

    /// Ends a search in which no host fitted.
    fn end(self) -> Result<Connected, Failure> {
        if let Some(connected) = self.second_best {
            return Ok(connected);
        }
        let detail = format!(
            "cannot connect to the PostgreSQL database {} as {}: {}",
            self.url.database,
            self.url.user,
            self.refused.join("; ")
        );
        Err(Failure::Unavailable { detail, source: self.last_refusal.and_then(ConnectRefusal::into_source) })
    }

    /// Connects to one address, first with or without encryption as `sslmode` prefers, then the other way if
    /// `sslmode` allows that and the refusal may be due to the encryption.
    async fn try_address(
        &self,
        host: &Host,
        address: IpAddr,
    ) -> Result<(Connected, Fitness), ConnectRefusal> {
        let to = SocketAddr::new(address, host.port);
        let (first, second) = match self.url.encryption.mode {
            SslMode::Disable => (config::SslMode::Disable, None),
            SslMode::Allow => (config::SslMode::Disable, Some(config::SslMode::Require)),
            SslMode::Prefer => (config::SslMode::Prefer, Some(config::SslMode::Disable)),
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => (config::SslMode::Require, None),
        };
        let tried = self.try_encryption(host, to, first).await;
        match (tried, second) {
            (Err(refusal), Some(second)) if refusal.is_no_pg_hba_entry() || refusal.is_tls_error() => {
                self.try_encryption(host, to, second).await
            }
            (tried, _) => tried,
        }
    }

    async fn try_encryption(
        &self,
        host: &Host,
        to: SocketAddr,
        mode: config::SslMode,
    ) -> Result<(Connected, Fitness), ConnectRefusal> {
        let stream = dial(self.url, to).await.map_err(ConnectRefusal::Unreached)?;
        let local = stream.local_addr().map_err(ConnectRefusal::Unreached)?;
        let config = driver_config(self.url, mode);
        let tls = self.tls.clone().filter(|_| mode != config::SslMode::Disable);
        let tls = tls.map(|maker| (maker, tls::server_name(host, to.ip(), self.url.encryption.mode)));
        let (client, driver) = match tls.clone() {
            None => log_in(&config, stream, NoTls).await?,
            Some((mut maker, name)) => {
                let Ok(tls) = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut maker, &name);
                log_in(&config, stream, tls).await?
            }
        };
        let canceller = Canceller { token: client.cancel_token(), to: ServerAddress::Tcp(to), tls };
        let facts = SessionFacts::query(&client).await?;
        let fitness = facts.fitness(self.url.connecting.target)?;
        Ok((Connected { client, driver, canceller, is_direct: facts.is_direct(local, host.port) }, fitness))
    }

    async fn try_socket(&self, folder: &Path, port: u16) -> Result<(Connected, Fitness), ConnectRefusal> {
        let path = folder.join(format!(".s.PGSQL.{port}"));
        let stream = UnixStream::connect(&path).await.map_err(ConnectRefusal::Unreached)?;
        // Like libpq, never encrypted, whatever the mode: a socket does not leave the machine.
        let config = driver_config(self.url, config::SslMode::Disable);
        let (client, driver) = log_in(&config, stream, NoTls).await?;
        let canceller = Canceller { token: client.cancel_token(), to: ServerAddress::Unix(path), tls: None };
        let fitness = SessionFacts::query(&client).await?.fitness(self.url.connecting.target)?;
        // Nothing distinguishes a pooler's socket from a server's, so it may be a pooler's.
        Ok((Connected { client, driver, canceller, is_direct: false }, fitness))
    }
}

/// Resolves a name to its addresses.
async fn resolve(name: &str, port: u16, limit: Duration) -> Result<Vec<IpAddr>, ConnectRefusal> {
    let found = timeout(limit, lookup_host((name, port))).await.map_err(|_| ConnectRefusal::Late(limit))?;
    let found = found.map_err(ConnectRefusal::Unresolved)?;
    let mut addresses: Vec<_> = found.map(|address| address.ip()).collect();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(ConnectRefusal::Unresolved(io::Error::from(io::ErrorKind::NotFound)));
    }
    Ok(addresses)
}

async fn dial(url: &PostgresUrl, to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    let keepalives = url.connecting.keepalives;
    if keepalives.are_sent {
        let probes = TcpKeepalive::new().with_time(keepalives.idle).with_interval(keepalives.interval);
        socket.set_tcp_keepalive(&probes.with_retries(keepalives.count))?;
    }
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(url.connecting.user_timeout)?;
    Ok(stream)
}

fn driver_config(url: &PostgresUrl, mode: config::SslMode) -> Config {
    let mut config = Config::new();
    config.user(&url.user).dbname(&url.database).ssl_mode(mode);
    config.application_name(url.application_name.as_deref().unwrap_or(APPLICATION_NAME));
    if let Some(password) = &url.password {
        config.password(password);
    }
    if let Some(options) = &url.options {
        config.options(options);
    }
    if url.encryption.negotiation == SslNegotiation::Direct {
        config.ssl_negotiation(config::SslNegotiation::Direct);
    }
    config.channel_binding(match url.encryption.binding {
        ChannelBinding::Disable => config::ChannelBinding::Disable,
        ChannelBinding::Prefer => config::ChannelBinding::Prefer,
        ChannelBinding::Require => config::ChannelBinding::Require,
    });
    config
}

fn fraction_of(limit: Duration, count: usize) -> Duration {
    limit / u32::try_from(count.max(1)).unwrap_or(u32::MAX)
}

/// Shuffles the members.
fn shuffle<T: std::fmt::Debug>(members: &mut [T]) {
    let random = RandomState::new();
    members.sort_by_cached_key(|member| random.hash_one(format!("{member:?}")));
}
