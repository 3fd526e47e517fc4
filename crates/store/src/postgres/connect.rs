//! Connecting: each host and each of its addresses, until one gives a session that will do.

use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;
use tokio_postgres::config::{self, Config};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::cancel::{Address, Canceller};
use super::failure::Failure;
use super::refusal::Refusal;
use super::tls;
use super::url::{ChannelBinding, Host, HostName, HostOrder, Negotiation, PostgresUrl, SslMode, Target};

/// What servers are told of who connects, where the URL says nothing.
const APPLICATION_NAME: &str = "context-service";
/// The oldest PostgreSQL that has what the statements and the schemas need.
const OLDEST: i32 = 14;
/// What a session says of itself: who it sees at the other end, whether it may write, and how old the server is.
const FACTS: &str = "SELECT pg_catalog.inet_client_addr(), pg_catalog.inet_client_port(), \
     pg_catalog.inet_server_port(), pg_catalog.current_setting('transaction_read_only') = 'on', \
     pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('server_version_num')::pg_catalog.int4";

/// A connection that was made.
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) driver: Driver,
    pub(super) canceller: Canceller,
    /// Whether the server sees our own socket at its other end.
    pub(super) is_direct: bool,
}

/// The task that carries messages between a client and its server. Dropped before it was released, it ends whatever is
/// unanswered; released, it ends by itself, after its client and what that has sent.
pub(super) struct Driver {
    task: AbortHandle,
    end: Option<JoinHandle<End>>,
    is_released: bool,
}

/// How a connection came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Its client needed it no more.
    Closed,
    /// The server ended it, or is gone.
    Lost,
}

impl Driver {
    /// Ends at once.
    pub(super) fn abort(&self) {
        self.task.abort();
    }

    /// The end of the task, to be waited for; once.
    pub(super) fn take_end(&mut self) -> Option<JoinHandle<End>> {
        self.end.take()
    }

    /// Lets the task end by itself.
    pub(super) fn release(&mut self) {
        self.is_released = true;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if !self.is_released {
            self.abort();
        }
    }
}

/// Makes a connection as the URL asks for it.
pub(super) async fn connect(url: &PostgresUrl) -> Result<Connected, Failure> {
    let mut hosts: Vec<&Host> = url.hosts.iter().collect();
    if url.connecting.order == HostOrder::Random {
        shuffle(&mut hosts);
    }
    let encrypts = url.encryption.mode != SslMode::Disable;
    let tls = if encrypts { Some(tls::connector(&url.encryption).await?) } else { None };
    let mut search = Search { url, tls, second_best: None, refused: Vec::new(), source: None };
    let share = share_of(url.connecting.limit, hosts.len());
    for host in hosts {
        let found = timeout(share, search.host(host, share)).await;
        let found = found.unwrap_or_else(|_| search.judge(host, None, Err(Refusal::Late(share))));
        if let Some(connected) = found {
            return Ok(connected);
        }
        if search.is_over() {
            break;
        }
    }
    search.end()
}

/// A search for a session that will do.
struct Search<'u> {
    url: &'u PostgresUrl,
    tls: Option<MakeRustlsConnect>,
    /// A session that is none of those preferred, and will do where there is no other.
    second_best: Option<Connected>,
    /// Each server that will not do, and why.
    refused: Vec<String>,
    /// The last refusal.
    source: Option<Refusal>,
}

impl Search<'_> {
    /// Tries the addresses of a host, all of them within `limit`.
    async fn host(&mut self, host: &Host, limit: Duration) -> Option<Connected> {
        let name = match (&host.address, &host.name) {
            (Some(address), _) => Ok(vec![*address]),
            (None, HostName::Tcp(name)) => addresses(name, host.port, limit).await,
            (None, HostName::Unix(folder)) => {
                let met = timeout(limit, self.socket(folder, host.port)).await;
                return self.judge(host, None, met.unwrap_or(Err(Refusal::Late(limit))));
            }
        };
        let mut addresses = match name {
            Ok(addresses) => addresses,
            Err(refusal) => return self.judge(host, None, Err(refusal)),
        };
        if self.url.connecting.order == HostOrder::Random {
            shuffle(&mut addresses);
        }
        let share = share_of(limit, addresses.len());
        for address in addresses {
            let met = timeout(share, self.address(host, address)).await;
            let met = met.unwrap_or(Err(Refusal::Late(share)));
            let connected = self.judge(host, Some(address), met);
            if connected.is_some() || self.is_over() {
                return connected;
            }
        }
        None
    }

    /// Takes a connection that will do, and remembers why another will not.
    fn judge(
        &mut self,
        host: &Host,
        address: Option<IpAddr>,
        met: Result<(Connected, Fitness), Refusal>,
    ) -> Option<Connected> {
        let refusal = match met {
            Ok((connected, Fitness::Fits)) => return Some(connected),
            Ok((connected, Fitness::SecondBest)) => {
                self.second_best.get_or_insert(connected);
                return None;
            }
            Err(refusal) => refusal,
        };
        let clause = refusal.clause(self.url, &host.name);
        let place = match (address, &host.name) {
            (Some(address), HostName::Tcp(name)) if *name != address.to_string() => {
                format!("{host} ({address})")
            }
            _ => host.to_string(),
        };
        self.refused.push(format!("{place}: {clause}"));
        self.source = Some(refusal);
        None
    }

    /// Whether no other server is to be asked.
    fn is_over(&self) -> bool {
        self.source.as_ref().is_some_and(Refusal::is_final)
    }

    /// What is left when all have been asked.
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
        Err(Failure::Unavailable { detail, source: self.source.and_then(Refusal::into_source) })
    }

    /// Connects to one address, with encryption and without, as the mode has it.
    async fn address(&self, host: &Host, address: IpAddr) -> Result<(Connected, Fitness), Refusal> {
        let to = SocketAddr::new(address, host.port);
        let (first, second) = match self.url.encryption.mode {
            SslMode::Disable => (config::SslMode::Disable, None),
            SslMode::Allow => (config::SslMode::Disable, Some(config::SslMode::Require)),
            SslMode::Prefer => (config::SslMode::Prefer, Some(config::SslMode::Disable)),
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => (config::SslMode::Require, None),
        };
        let met = self.encrypted(host, to, first).await;
        match (met, second) {
            (Err(refusal), Some(second)) if refusal.is_of_the_way_in() || refusal.is_of_tls() => {
                self.encrypted(host, to, second).await
            }
            (met, _) => met,
        }
    }

    async fn encrypted(
        &self,
        host: &Host,
        to: SocketAddr,
        mode: config::SslMode,
    ) -> Result<(Connected, Fitness), Refusal> {
        let stream = dial(self.url, to).await.map_err(Refusal::Unreached)?;
        let local = stream.local_addr().map_err(Refusal::Unreached)?;
        let config = driver_config(self.url, mode);
        let tls = self.tls.clone().filter(|_| mode != config::SslMode::Disable);
        let tls = tls.map(|maker| (maker, tls::server_name(host, to.ip(), self.url.encryption.mode)));
        let (client, driver) = match tls.clone() {
            None => start(&config, stream, NoTls).await?,
            Some((mut maker, name)) => {
                let Ok(tls) = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut maker, &name);
                start(&config, stream, tls).await?
            }
        };
        let canceller = Canceller { token: client.cancel_token(), to: Address::Tcp(to), tls };
        let (facts, fitness) = self.examine(&client).await?;
        Ok((Connected { client, driver, canceller, is_direct: facts.shows(local, host.port) }, fitness))
    }

    async fn socket(&self, folder: &Path, port: u16) -> Result<(Connected, Fitness), Refusal> {
        let path = folder.join(format!(".s.PGSQL.{port}"));
        let stream = UnixStream::connect(&path).await.map_err(Refusal::Unreached)?;
        // libpq encrypts nothing on a socket either, whatever the mode: it does not leave the machine.
        let config = driver_config(self.url, config::SslMode::Disable);
        let (client, driver) = start(&config, stream, NoTls).await?;
        let canceller = Canceller { token: client.cancel_token(), to: Address::Unix(path), tls: None };
        // Nothing tells a pooler's socket from a server's.
        let (_, fitness) = self.examine(&client).await?;
        Ok((Connected { client, driver, canceller, is_direct: false }, fitness))
    }

    /// Asks a new session what it is.
    async fn examine(&self, client: &Client) -> Result<(Facts, Fitness), Refusal> {
        let rows = client.query_typed(FACTS, &[]).await.map_err(Refusal::Session)?;
        let Some(row) = rows.first() else {
            return Err(Refusal::Unfit("what answers there does not speak PostgreSQL's protocol"));
        };
        let facts = Facts::read(row).map_err(Refusal::Session)?;
        let fitness = facts.fitness(self.url.connecting.target)?;
        Ok((facts, fitness))
    }
}

/// What a session says of itself.
struct Facts {
    client: (Option<IpAddr>, Option<i32>),
    server_port: Option<i32>,
    is_read_only: bool,
    is_standby: bool,
    /// 140023 is 14.23.
    version: i32,
}

impl Facts {
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            client: (row.try_get(0)?, row.try_get(1)?),
            server_port: row.try_get(2)?,
            is_read_only: row.try_get(3)?,
            is_standby: row.try_get(4)?,
            version: row.try_get(5)?,
        })
    }

    /// Whether the server has our own socket at its other end. A pooler has another port, and if by chance it has the same
    /// one, another address.
    fn shows(&self, local: SocketAddr, dialled: u16) -> bool {
        let ours = (Some(local.ip().to_canonical()), Some(i32::from(local.port())));
        (self.client.0.map(|address| address.to_canonical()), self.client.1) == ours
            && self.server_port == Some(i32::from(dialled))
    }

    fn fitness(&self, target: Target) -> Result<Fitness, Refusal> {
        let version = self.version / 10_000;
        if version < OLDEST {
            return Err(Refusal::TooOld { version, oldest: OLDEST });
        }
        let refused = match target {
            Target::ReadWrite if self.is_read_only => {
                "it takes no writes, and target_session_attrs=read-write"
            }
            Target::ReadOnly if !self.is_read_only => "it takes writes, and target_session_attrs=read-only",
            Target::Primary if self.is_standby => "it is a standby, and target_session_attrs=primary",
            Target::Standby if !self.is_standby => "it is no standby, and target_session_attrs=standby",
            Target::PreferStandby if !self.is_standby => return Ok(Fitness::SecondBest),
            _ => return Ok(Fitness::Fits),
        };
        Err(Refusal::Unfit(refused))
    }
}

/// Whether a session that will do is also the best that may be found.
#[derive(Debug)]
enum Fitness {
    Fits,
    SecondBest,
}

/// The addresses of a name.
async fn addresses(name: &str, port: u16, limit: Duration) -> Result<Vec<IpAddr>, Refusal> {
    let found = timeout(limit, lookup_host((name, port))).await.map_err(|_| Refusal::Late(limit))?;
    let mut addresses: Vec<_> = found.map_err(Refusal::Unresolved)?.map(|address| address.ip()).collect();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(Refusal::Unresolved(io::Error::from(io::ErrorKind::NotFound)));
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
    if url.encryption.negotiation == Negotiation::Direct {
        config.ssl_negotiation(config::SslNegotiation::Direct);
    }
    config.channel_binding(match url.encryption.binding {
        ChannelBinding::Disable => config::ChannelBinding::Disable,
        ChannelBinding::Prefer => config::ChannelBinding::Prefer,
        ChannelBinding::Require => config::ChannelBinding::Require,
    });
    config
}

/// Logs in over `stream`, and leaves the work of the connection to a task.
async fn start<S, T>(config: &Config, stream: S, tls: T) -> Result<(Client, Driver), Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: TlsConnect<S>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect_raw(stream, tls).await.map_err(Refusal::Session)?;
    let end = tokio::spawn(drive(connection));
    Ok((client, Driver { task: end.abort_handle(), end: Some(end), is_released: false }))
}

/// Carries messages between the client and the server until either is gone.
async fn drive<S, T>(mut connection: Connection<S, T>) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        match message {
            Ok(AsyncMessage::Notice(notice)) => {
                tracing::debug!(code = notice.code().code(), "PostgreSQL says: {}", notice.message());
            }
            Ok(_) => {}
            // Whoever waits for an answer is told too.
            Err(error) => {
                tracing::debug!(%error, "a connection to PostgreSQL has ended");
                return End::Lost;
            }
        }
    }
    End::Closed
}

fn share_of(limit: Duration, count: usize) -> Duration {
    limit / u32::try_from(count.max(1)).unwrap_or(u32::MAX)
}

/// Puts members into an order that nobody chose.
fn shuffle<T>(members: &mut [T])
where
    T: std::fmt::Debug,
{
    let dice = RandomState::new();
    members.sort_by_cached_key(|member| dice.hash_one(format!("{member:?}")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_too_old_will_not_do() {
        let met = |version| {
            let facts = Facts {
                client: (None, None),
                server_port: None,
                is_read_only: false,
                is_standby: false,
                version,
            };
            facts.fitness(Target::Any)
        };
        assert!(matches!(met(140_000), Ok(Fitness::Fits)));
        for (version, said) in [(130_023, "it is PostgreSQL 13"), (90_624, "it is PostgreSQL 9")] {
            let refusal = met(version).unwrap_err();
            let url = "postgres://me@db".parse().unwrap();
            let clause = refusal.clause(&url, &HostName::Tcp("db".to_owned()));
            assert_eq!(clause, format!("{said}, and 14 or newer is needed"));
            assert!(!refusal.is_final(), "another host may be newer");
        }
    }
}
