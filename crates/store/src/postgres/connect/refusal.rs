//! The reasons why connecting to a server failed, and what to do about each.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use context_domain::error::Source;
use rustls::{AlertDescription, CertificateError};
use tokio_postgres::error::SqlState;

use super::parameters::{SslMode, SslNegotiation};
use super::url::{HostLocation, PostgresUrl};

/// Why one server was refused: it could not be reached, did not let us in, or is not what the URL asks for.
#[derive(Debug)]
pub(super) enum ConnectRefusal {
    /// Its name could not be resolved.
    Unresolved(io::Error),
    /// It could not be reached.
    Unreached(io::Error),
    /// It did not answer in time.
    Late(Duration),
    /// It was reached, but the login or the first statement failed.
    Session(tokio_postgres::Error),
    /// The session is not what the URL asks for.
    Unfit(&'static str),
    /// The server is too old for this program.
    TooOld {
        /// Its major version.
        version: i32,
        /// The oldest that is accepted.
        oldest: i32,
    },
}

impl ConnectRefusal {
    /// Whether no other host is tried: it would refuse the login too, and count another wrong password.
    pub(super) fn is_final(&self) -> bool {
        self.code()
            .is_some_and(|code| code.code().starts_with("28") || *code == SqlState::INVALID_CATALOG_NAME)
    }

    /// Whether the server may let us in if the encryption is turned on, or off: `pg_hba.conf` has no entry
    /// that fits.
    pub(super) fn is_no_pg_hba_entry(&self) -> bool {
        self.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
    }

    /// Whether TLS itself has failed.
    pub(super) fn is_tls_error(&self) -> bool {
        match self {
            Self::Session(error) => error.to_string() == TLS_ERROR || rustls_error(error).is_some(),
            _ => false,
        }
    }

    /// Says what is wrong and what to do, in a clause about the server.
    pub(super) fn clause(&self, url: &PostgresUrl, host: &HostLocation) -> String {
        match self {
            Self::Unresolved(_) => {
                "its name cannot be resolved: is it spelled right, and does DNS work?".to_owned()
            }
            Self::Unreached(error) => explain_unreached(error, host).to_owned(),
            Self::Late(limit) => format!(
                "it did not answer within {:.1} s: is the address right, and is no firewall in between?",
                limit.as_secs_f64()
            ),
            Self::Unfit(why) => (*why).to_owned(),
            Self::TooOld { version, oldest } => {
                format!("it is PostgreSQL {version}, and {oldest} or newer is needed")
            }
            Self::Session(error) => explain_session(error, url),
        }
    }

    /// Returns the underlying error, for the log.
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

/// The driver's message for an error of TLS: it distinguishes kinds of errors only by their messages.
const TLS_ERROR: &str = "error performing TLS handshake";
/// The driver's message if the server asks for a password and the URL has none.
const CONFIGURATION_ERROR: &str = "invalid configuration";
/// The driver's message if it does not support the server's authentication method.
const AUTHENTICATION_ERROR: &str = "authentication error";

fn explain_unreached(error: &io::Error, host: &HostLocation) -> &'static str {
    match (error.kind(), host) {
        (io::ErrorKind::NotFound, HostLocation::Unix(_)) => {
            "there is no such socket: is the server running, and are the folder and the port right?"
        }
        (io::ErrorKind::PermissionDenied, HostLocation::Unix(_)) => "this user may not use its socket",
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

fn explain_session(error: &tokio_postgres::Error, url: &PostgresUrl) -> String {
    if let Some(code) = error.code() {
        return explain_sqlstate(code, url);
    }
    if let Some(error) = rustls_error(error) {
        return explain_tls(error);
    }
    let is_broken = error.source().is_some_and(<dyn StdError>::is::<io::Error>);
    match error.to_string().as_str() {
        TLS_ERROR if is_broken && url.encryption.negotiation == SslNegotiation::Direct => {
            "it closed the connection, as servers before PostgreSQL 17 do on sslnegotiation=direct".to_owned()
        }
        TLS_ERROR if is_broken => "it closed the connection when TLS began".to_owned(),
        TLS_ERROR => format!(
            "it offers no TLS, which {} asks for: turn it on there, or write sslmode=disable if the network \
             can be trusted",
            SslModeText(url.encryption.mode)
        ),
        CONFIGURATION_ERROR => {
            "it asks for a password, and the URL has none: postgres://user:password@…".to_owned()
        }
        AUTHENTICATION_ERROR => {
            "it asks for an authentication method that this program does not support, or does not bind the \
             password to its certificate (channel_binding)"
                .to_owned()
        }
        _ => {
            "what answers there does not speak PostgreSQL's protocol, or closed the connection: are host and \
             port right?"
                .to_owned()
        }
    }
}

/// Explains an error message of the server, or of a pooler in front of it.
fn explain_sqlstate(code: &SqlState, url: &PostgresUrl) -> String {
    let (user, database) = (&url.user, &url.database);
    match code.code() {
        "28P01" => format!("the password of {user} is wrong: correct it in the URL"),
        "28000" => format!(
            "it does not let {user} in: the role does not exist or may not log in, or pg_hba.conf has no \
             entry for it from here with this sslmode ({}), or it asks for a client certificate (sslcert, \
             sslkey)",
            SslModeText(url.encryption.mode)
        ),
        "3D000" => format!(
            "there is no database {database}: create it (createdb --owner={user} {database}), or name another"
        ),
        "42501" => format!("{user} may not connect: GRANT CONNECT ON DATABASE {database} TO {user}"),
        "53300" => {
            "it has no connection left: raise its max_connections, or use fewer connections elsewhere \
             (--max-connections of this program is the size of its pool)"
                .to_owned()
        }
        "57P03" => {
            "it is starting or shutting down, or it is a standby without hot_standby: try again".to_owned()
        }
        "08P01" => format!(
            "it refused the connection (SQLSTATE 08P01); if a pooler is in between, does it know the \
             database {database} and the user {user}?"
        ),
        other => format!("it refused the connection (SQLSTATE {other}); its log says why"),
    }
}

fn explain_tls(error: &rustls::Error) -> String {
    use CertificateError as Certificate;
    let clause = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            Certificate::UnknownIssuer => "its certificate is not signed by an authority in sslrootcert",
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "its certificate is for another name: use the name in the certificate, or write \
                 sslmode=verify-ca"
            }
            Certificate::Expired | Certificate::ExpiredContext { .. } => "its certificate has expired",
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                "its certificate is not valid yet: is the clock of this machine right?"
            }
            _ => "its certificate cannot be trusted",
        },
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::HandshakeFailure
            | AlertDescription::CertificateExpired
            | AlertDescription::DecryptError,
        ) => "it does not accept the client certificate (sslcert, sslkey), or asks for one",
        _ => "TLS with it failed",
    };
    clause.to_owned()
}

/// Returns the error of rustls that the driver has wrapped.
fn rustls_error(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    error.source()?.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}

/// Displays a mode as it is written in the URL.
struct SslModeText(SslMode);

impl fmt::Display for SslModeText {
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
