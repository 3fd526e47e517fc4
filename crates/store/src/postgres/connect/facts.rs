//! The facts that a new session reports: whether a pooler is in between, and whether the server is
//! acceptable.

use std::net::{IpAddr, SocketAddr};

use tokio_postgres::{Client, Row};

use super::parameters::TargetSession;
use super::refusal::ConnectRefusal;

/// The oldest major version of PostgreSQL that has what the statements and the schemas need.
const OLDEST: i32 = 14;
/// The address and port that the server sees at the other end, its own port, whether it accepts writes,
/// whether it is a standby, and its version.
const FACTS: &str = "SELECT pg_catalog.inet_client_addr(), pg_catalog.inet_client_port(), \
     pg_catalog.inet_server_port(), pg_catalog.current_setting('transaction_read_only') = 'on', \
     pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('server_version_num')::pg_catalog.int4";

/// The facts that a session reports.
pub(super) struct SessionFacts {
    client: (Option<IpAddr>, Option<i32>),
    server_port: Option<i32>,
    is_read_only: bool,
    is_standby: bool,
    /// 140023 is 14.23.
    version: i32,
}

/// How well an acceptable session fits.
#[derive(Debug)]
pub(super) enum Fitness {
    /// It is what the URL asks for.
    Fits,
    /// It is used if no other host has a better one.
    SecondBest,
}

impl SessionFacts {
    /// Queries the facts of a new session.
    pub(super) async fn query(client: &Client) -> Result<Self, ConnectRefusal> {
        let rows = client.query_typed(FACTS, &[]).await.map_err(ConnectRefusal::Session)?;
        let Some(row) = rows.first() else {
            return Err(ConnectRefusal::Unfit("what answers there does not speak PostgreSQL's protocol"));
        };
        Self::from_row(row).map_err(ConnectRefusal::Session)
    }

    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            client: (row.try_get(0)?, row.try_get(1)?),
            server_port: row.try_get(2)?,
            is_read_only: row.try_get(3)?,
            is_standby: row.try_get(4)?,
            version: row.try_get(5)?,
        })
    }

    /// Whether the server sees our own socket at the other end, and listens on the port that was dialled. A
    /// pooler connects to the server from another port or, if that happens to be the same, from another
    /// address.
    pub(super) fn is_direct(&self, local: SocketAddr, dialled: u16) -> bool {
        let ours = (Some(local.ip().to_canonical()), Some(i32::from(local.port())));
        (self.client.0.map(|address| address.to_canonical()), self.client.1) == ours
            && self.server_port == Some(i32::from(dialled))
    }

    /// Returns how well the session fits, or why it is refused.
    pub(super) fn fitness(&self, target: TargetSession) -> Result<Fitness, ConnectRefusal> {
        let version = self.version / 10_000;
        if version < OLDEST {
            return Err(ConnectRefusal::TooOld { version, oldest: OLDEST });
        }
        let refused = match target {
            TargetSession::ReadWrite if self.is_read_only => {
                "it takes no writes, and target_session_attrs=read-write"
            }
            TargetSession::ReadOnly if !self.is_read_only => {
                "it takes writes, and target_session_attrs=read-only"
            }
            TargetSession::Primary if self.is_standby => "it is a standby, and target_session_attrs=primary",
            TargetSession::Standby if !self.is_standby => {
                "it is not a standby, and target_session_attrs=standby"
            }
            TargetSession::PreferStandby if !self.is_standby => return Ok(Fitness::SecondBest),
            _ => return Ok(Fitness::Fits),
        };
        Err(ConnectRefusal::Unfit(refused))
    }
}

#[cfg(test)]
mod tests {
    use super::super::url::HostLocation;
    use super::*;

    #[test]
    fn a_server_that_is_too_old_is_refused() {
        let fitness = |version| {
            let facts = SessionFacts {
                client: (None, None),
                server_port: None,
                is_read_only: false,
                is_standby: false,
                version,
            };
            facts.fitness(TargetSession::Any)
        };
        assert!(matches!(fitness(140_000), Ok(Fitness::Fits)));
        for (version, said) in [(130_023, "it is PostgreSQL 13"), (90_624, "it is PostgreSQL 9")] {
            let refusal = fitness(version).unwrap_err();
            let url = "postgres://me@db".parse().unwrap();
            let clause = refusal.clause(&url, &HostLocation::Tcp("db".to_owned()));
            assert_eq!(clause, format!("{said}, and 14 or newer is needed"));
            assert!(!refusal.is_final(), "another host may be newer");
        }
    }
}
