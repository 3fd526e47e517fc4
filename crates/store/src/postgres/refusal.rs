//! Why a server was not connected to, and what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use context_domain::error::Source;
use rustls::{AlertDescription, CertificateError};
use tokio_postgres::error::SqlState;

use super::url::{HostName, Negotiation, PostgresUrl, SslMode};

/// Why one server will not do.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Its name has no address.
    Unresolved(io::Error),
    /// It cannot be reached.
    Unreached(io::Error),
    /// It did not answer in time.
    Late(Duration),
    /// It was reached, and no session came of it.
    Session(tokio_postgres::Error),
    /// The session is none that the URL asks for.
    Unfit(&'static str),
    /// The server lacks what this program needs.
    TooOld {
        /// Its major version.
        version: i32,
        /// The oldest that will do.
        oldest: i32,
    },
}

impl Refusal {
    /// Whether other hosts are not to be asked: they would say the same, and count the wrong password.
    pub(super) fn is_final(&self) -> bool {
        self.code()
            .is_some_and(|code| code.code().starts_with("28") || *code == SqlState::INVALID_CATALOG_NAME)
    }

    /// Whether the server lets nobody in this way, with or without encryption, and may the other way.
    pub(super) fn is_of_the_way_in(&self) -> bool {
        self.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
    }

    /// Whether encryption itself has failed.
    pub(super) fn is_of_tls(&self) -> bool {
        match self {
            Self::Session(error) => error.to_string() == TLS || rustls_error(error).is_some(),
            _ => false,
        }
    }

    /// What is wrong and what to do, as a clause about the server.
    pub(super) fn clause(&self, url: &PostgresUrl, host: &HostName) -> String {
        match self {
            Self::Unresolved(_) => {
                "its name cannot be resolved: is it spelled right, and does DNS work?".to_owned()
            }
            Self::Unreached(error) => unreached(error, host).to_owned(),
            Self::Late(limit) => format!(
                "it did not answer within {:.1} s: is the address right, and does no firewall stand in between?",
                limit.as_secs_f64()
            ),
            Self::Unfit(why) => (*why).to_owned(),
            Self::TooOld { version, oldest } => {
                format!("it is PostgreSQL {version}, and {oldest} or newer is needed")
            }
            Self::Session(error) => of_session(error, url),
        }
    }

    /// What the log is told.
    pub(super) fn into_source(self) -> Option<Source> {
        match self {
            Self::Unresolved(error) | Self::Unreached(error) => Some(Box::new(error)),
            Self::Session(error) => Some(Box::new(error)),
            Self::Late(_) | Self::Unfit(_) | Self::TooOld { .. } => None,
        }
    }

    fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Session(error) => error.code(),
            _ => None,
        }
    }
}

/// What the driver calls an error of TLS: it tells kinds apart by their words only.
const TLS: &str = "error performing TLS handshake";
/// What it calls a password that is asked for and not there.
const CONFIGURATION: &str = "invalid configuration";
/// What it calls a way to log in that it does not know.
const AUTHENTICATION: &str = "authentication error";

fn unreached(error: &io::Error, host: &HostName) -> &'static str {
    match (error.kind(), host) {
        (io::ErrorKind::NotFound, HostName::Unix(_)) => {
            "there is no such socket: is the server running, and are the folder and the port right?"
        }
        (io::ErrorKind::PermissionDenied, HostName::Unix(_)) => "this user may not use its socket",
        (io::ErrorKind::ConnectionRefused, _) => {
            "nothing listens there: is the server running, and are host and port right?"
        }
        (io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable, _) => {
            "the network does not reach it: is the address right?"
        }
        (io::ErrorKind::TimedOut, _) => "it does not answer: is the address right?",
        _ => "it cannot be reached",
    }
}

fn of_session(error: &tokio_postgres::Error, url: &PostgresUrl) -> String {
    if let Some(code) = error.code() {
        return of_server(code, url);
    }
    if let Some(error) = rustls_error(error) {
        return of_tls(error);
    }
    let is_broken = error.source().is_some_and(<dyn StdError>::is::<io::Error>);
    match error.to_string().as_str() {
        TLS if is_broken && url.encryption.negotiation == Negotiation::Direct => {
            "it broke off, which servers before PostgreSQL 17 do on sslnegotiation=direct".to_owned()
        }
        TLS if is_broken => "it broke off when TLS began".to_owned(),
        TLS => format!(
            "it offers no TLS, which {} asks for: turn it on there, or write sslmode=disable where the network can \
             be trusted",
            Asked(url.encryption.mode)
        ),
        CONFIGURATION => {
            "it asks for a password, and the URL has none: postgres://user:password@…".to_owned()
        }
        AUTHENTICATION => {
            "it asks for a way to log in that this program does not know, or does not bind the \
             password to its certificate (channel_binding)"
                .to_owned()
        }
        _ => {
            "what answers there does not speak PostgreSQL's protocol, or broke off: are host and port right?"
                .to_owned()
        }
    }
}

/// What the server, or a pooler before it, answered.
fn of_server(code: &SqlState, url: &PostgresUrl) -> String {
    let (user, database) = (&url.user, &url.database);
    match code.code() {
        "28P01" => format!("the password of {user} is wrong: correct it in the URL"),
        "28000" => format!(
            "it does not let {user} in: the role does not exist or may not log in, or pg_hba.conf has no entry for it \
             from here with this sslmode ({}), or it asks for a client certificate (sslcert, sslkey)",
            Asked(url.encryption.mode)
        ),
        "3D000" => format!(
            "there is no database {database}: make it (createdb --owner={user} {database}), or name another"
        ),
        "42501" => format!("{user} may not connect: GRANT CONNECT ON DATABASE {database} TO {user}"),
        "53300" => "it has no connection left: raise max_connections there, or connect less from elsewhere \
             (max_connections here is the size of the pool)"
            .to_owned(),
        "57P03" => "it is starting or ending, or a standby that lets nobody in: try again".to_owned(),
        "08P01" => format!(
            "it refused the connection (SQLSTATE 08P01); where a pooler stands in between, does it know the database \
             {database} and the user {user}?"
        ),
        other => format!("it refused the connection (SQLSTATE {other}); its log says why"),
    }
}

fn of_tls(error: &rustls::Error) -> String {
    use CertificateError as Certificate;
    let clause = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            Certificate::UnknownIssuer => "its certificate is signed by nobody whom sslrootcert names",
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "its certificate is for another name: call it by the name that stands there, or write \
                 sslmode=verify-ca"
            }
            Certificate::Expired | Certificate::ExpiredContext { .. } => "its certificate has expired",
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                "its certificate is not valid yet: is the clock of this machine right?"
            }
            _ => "its certificate is none that can be trusted",
        },
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::HandshakeFailure
            | AlertDescription::CertificateExpired
            | AlertDescription::DecryptError,
        ) => "it does not take the client certificate (sslcert, sslkey), or asks for one",
        _ => "TLS with it failed",
    };
    clause.to_owned()
}

/// The error of rustls that the driver has wrapped.
fn rustls_error(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    error.source()?.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}

/// A mode as it stands in the URL.
struct Asked(SslMode);

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            SslMode::Disable => "sslmode=disable",
            SslMode::Allow => "sslmode=allow",
            SslMode::Prefer => "sslmode=prefer",
            SslMode::Require => "sslmode=require",
            SslMode::VerifyCa => "sslmode=verify-ca",
            SslMode::VerifyFull => "sslmode=verify-full",
        })
    }
}
