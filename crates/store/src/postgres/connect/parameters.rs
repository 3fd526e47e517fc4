//! The parameters of a PostgreSQL URL: the libpq parameters that are supported; every other one is refused by
//! its name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The advice if a part of the URL cannot be read: usually a password is not encoded.
pub(super) const ENCODE: &str = "characters with a meaning in a URL (: / ? # @ % and others) are written \
     percent-encoded in it, '/' as %2F and '@' as %40";
/// The default of `connect_timeout`: how long connecting may take, all hosts together.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// The largest `connect_timeout`.
const MAX_CONNECT_SECONDS: u64 = 60;
/// The default TCP keepalive settings.
const KEEPALIVES: Keepalives =
    Keepalives { are_sent: true, idle: Duration::from_mins(1), interval: Duration::from_secs(10), count: 3 };
/// The longest name of an unknown parameter that a message repeats.
const MAX_NAME_CHARS: usize = 40;

/// The parameters of a URL that have not been taken yet.
pub(super) struct Parameters(BTreeMap<String, String>);

/// How a connection is made, and to which of the hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connecting {
    /// How long connecting may take: all hosts together.
    pub(crate) limit: Duration,
    pub(crate) target: TargetSession,
    pub(crate) order: HostOrder,
    pub(crate) keepalives: Keepalives,
    /// How long sent data may stay unacknowledged: `tcp_user_timeout`.
    pub(crate) user_timeout: Option<Duration>,
}

/// Which server is acceptable: `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TargetSession {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// The order in which hosts are tried: `load_balance_hosts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostOrder {
    AsWritten,
    Random,
}

/// The TCP keepalive settings: `keepalives`, `keepalives_idle`, `keepalives_interval`, `keepalives_count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keepalives {
    pub(crate) are_sent: bool,
    pub(crate) idle: Duration,
    pub(crate) interval: Duration,
    pub(crate) count: u32,
}

/// How a connection is encrypted and authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encryption {
    pub(crate) mode: SslMode,
    pub(crate) roots: TrustedRoots,
    pub(crate) identity: Option<ClientCertificate>,
    pub(crate) negotiation: SslNegotiation,
    pub(crate) binding: ChannelBinding,
}

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// Who may have signed the server's certificate: `sslrootcert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrustedRoots {
    /// Anybody: the certificate is not checked.
    Unchecked,
    /// The authorities that this machine trusts.
    System,
    /// The authorities in a file.
    File(PathBuf),
}

/// The client's certificate and its key: `sslcert` and `sslkey`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientCertificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// How TLS begins: `sslnegotiation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SslNegotiation {
    Postgres,
    Direct,
}

/// Whether the password is bound to the server's certificate: `channel_binding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}

impl Parameters {
    /// Parses `name=value&name=value`.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut found = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) =
                pair.split_once('=').ok_or("a parameter of the URL has no value: name=value")?;
            let (name, value) = (decode(name)?, decode(value)?);
            // JDBC's spelling, which libpq accepts too.
            let (name, value) = match (name.as_str(), value.as_str()) {
                ("ssl", "true") => ("sslmode".to_owned(), "require".to_owned()),
                _ => (name, value),
            };
            if found.contains_key(&name) {
                return Err(format!("{} is given twice", shown_name(&name)));
            }
            found.insert(name, value);
        }
        Ok(Self(found))
    }

    /// Takes the parameter of that name. An empty value counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    /// Takes a value that is given either before the parameters or as one of them.
    pub(super) fn take_once(&mut self, name: &str, before: Option<String>) -> Result<Option<String>, String> {
        match (self.take(name), before) {
            (Some(_), Some(_)) => Err(format!("{name} is given twice: before the '?' and after it")),
            (one, other) => Ok(one.or(other)),
        }
    }

    /// Refuses the first parameter that was not taken.
    pub(super) fn end(self) -> Result<(), String> {
        let Some((name, value)) = self.0.first_key_value() else { return Ok(()) };
        // If a password with a '?' was not encoded, the rest of the URL is in the value.
        let name = if value.contains('@') { "" } else { name.as_str() };
        Err(format!(
            "{} is not supported: it is not a parameter of libpq, or this program does not implement it",
            shown_name(name)
        ))
    }

    fn seconds(&mut self, name: &str) -> Result<Option<Duration>, String> {
        let number = |text: String| text.parse().map_err(|_| format!("{name}: write a number of seconds"));
        Ok(self.take(name).map(number).transpose()?.map(Duration::from_secs))
    }

    /// Takes a parameter that has a fixed set of values.
    fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, String> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let chosen = choices.iter().find(|(known, _)| *known == value).map(|(_, choice)| *choice);
        let known: Vec<_> = choices.iter().map(|(known, _)| *known).collect();
        chosen.map(Some).ok_or_else(|| format!("{name}: write one of {}", known.join(", ")))
    }
}

/// Takes the parameters that say how a connection is made, and to which of the hosts.
pub(super) fn take_connecting(found: &mut Parameters) -> Result<Box<Connecting>, String> {
    let limit = found.seconds("connect_timeout")?.unwrap_or(CONNECT_LIMIT);
    if !(1..=MAX_CONNECT_SECONDS).contains(&limit.as_secs()) {
        return Err(format!("connect_timeout: write a number of seconds from 1 to {MAX_CONNECT_SECONDS}"));
    }
    let targets = [
        ("any", TargetSession::Any),
        ("read-write", TargetSession::ReadWrite),
        ("read-only", TargetSession::ReadOnly),
        ("primary", TargetSession::Primary),
        ("standby", TargetSession::Standby),
        ("prefer-standby", TargetSession::PreferStandby),
    ];
    let orders = [("disable", HostOrder::AsWritten), ("random", HostOrder::Random)];
    // Only Linux has the setting; elsewhere the parameter stays untaken, and is refused.
    let user_timeout = if cfg!(target_os = "linux") { found.take("tcp_user_timeout") } else { None };
    let user_timeout = user_timeout.map(|text| text.parse().map(Duration::from_millis)).transpose();
    Ok(Box::new(Connecting {
        limit,
        target: found.choice("target_session_attrs", &targets)?.unwrap_or(TargetSession::Any),
        order: found.choice("load_balance_hosts", &orders)?.unwrap_or(HostOrder::AsWritten),
        keepalives: take_keepalives(found)?,
        user_timeout: user_timeout
            .map_err(|_: std::num::ParseIntError| "tcp_user_timeout: write a number of milliseconds")?
            .filter(|limit| !limit.is_zero()),
    }))
}

/// Takes the parameters that say how a connection is encrypted and authenticated.
pub(super) fn take_encryption(found: &mut Parameters) -> Result<Box<Encryption>, String> {
    let roots = match found.take("sslrootcert").as_deref() {
        None => TrustedRoots::Unchecked,
        Some("system") => TrustedRoots::System,
        Some(file) => TrustedRoots::File(PathBuf::from(file)),
    };
    let modes = [
        ("disable", SslMode::Disable),
        ("allow", SslMode::Allow),
        ("prefer", SslMode::Prefer),
        ("require", SslMode::Require),
        ("verify-ca", SslMode::VerifyCa),
        ("verify-full", SslMode::VerifyFull),
    ];
    let default = if roots == TrustedRoots::System { SslMode::VerifyFull } else { SslMode::Prefer };
    let encryption = Encryption {
        mode: found.choice("sslmode", &modes)?.unwrap_or(default),
        roots,
        identity: take_identity(found)?,
        negotiation: found
            .choice(
                "sslnegotiation",
                &[("postgres", SslNegotiation::Postgres), ("direct", SslNegotiation::Direct)],
            )?
            .unwrap_or(SslNegotiation::Postgres),
        binding: take_binding(found)?,
    };
    // GSSAPI encryption is not supported, and both of these values permit a connection without it.
    found.choice("gssencmode", &[("disable", ()), ("prefer", ())])?;
    check_consistency(encryption).map(Box::new)
}

/// Refuses combinations that would be less secure than they look.
fn check_consistency(encryption: Encryption) -> Result<Encryption, String> {
    let is_checked = matches!(encryption.mode, SslMode::VerifyCa | SslMode::VerifyFull);
    let is_required = is_checked || encryption.mode == SslMode::Require;
    if is_checked && encryption.roots == TrustedRoots::Unchecked {
        return Err(
            "sslmode=verify-ca and verify-full need sslrootcert: a file with the certificate of the \
             authority that signed the server's, or `system` for the authorities that this machine trusts"
                .to_owned(),
        );
    }
    if encryption.roots == TrustedRoots::System && encryption.mode != SslMode::VerifyFull {
        return Err("sslrootcert=system needs sslmode=verify-full: anybody can get a certificate from the \
             authorities that this machine trusts"
            .to_owned());
    }
    if encryption.negotiation == SslNegotiation::Direct && !is_required {
        return Err("sslnegotiation=direct needs sslmode=require, verify-ca or verify-full".to_owned());
    }
    if encryption.binding == ChannelBinding::Require && !is_required {
        return Err("channel_binding=require needs sslmode=require, verify-ca or verify-full".to_owned());
    }
    Ok(encryption)
}

fn take_identity(found: &mut Parameters) -> Result<Option<ClientCertificate>, String> {
    match (found.take("sslcert"), found.take("sslkey")) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            Ok(Some(ClientCertificate { certificate: PathBuf::from(certificate), key: PathBuf::from(key) }))
        }
        _ => Err("sslcert and sslkey go together: name both files".to_owned()),
    }
}

fn take_binding(found: &mut Parameters) -> Result<ChannelBinding, String> {
    let bindings = [
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
    Ok(found.choice("channel_binding", &bindings)?.unwrap_or(ChannelBinding::Prefer))
}

fn take_keepalives(found: &mut Parameters) -> Result<Keepalives, String> {
    let count = found.take("keepalives_count").map(|text| text.parse()).transpose();
    let positive = |duration: &Duration| !duration.is_zero();
    Ok(Keepalives {
        are_sent: found.choice("keepalives", &[("0", false), ("1", true)])?.unwrap_or(KEEPALIVES.are_sent),
        idle: found.seconds("keepalives_idle")?.filter(positive).unwrap_or(KEEPALIVES.idle),
        interval: found.seconds("keepalives_interval")?.filter(positive).unwrap_or(KEEPALIVES.interval),
        count: count
            .map_err(|_: std::num::ParseIntError| "keepalives_count: write a number")?
            .filter(|count| *count > 0)
            .unwrap_or(KEEPALIVES.count),
    })
}

/// Returns a parameter's name for a message. A text that cannot be a name may be part of a password, and is
/// not repeated.
fn shown_name(name: &str) -> &str {
    let is_name = !name.is_empty()
        && name.len() <= MAX_NAME_CHARS
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if is_name { name } else { "a parameter of the URL (is a '?' of a password not written as %3F?)" }
}

/// Decodes the percent-encoding of a part of a URL.
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
