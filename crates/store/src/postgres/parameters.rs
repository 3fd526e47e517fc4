//! The parameters of a PostgreSQL URL: those of libpq that are honoured; any other is refused by its name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::url::{
    ChannelBinding, Connecting, Encryption, HostOrder, Identity, Keepalives, Negotiation, Roots, SslMode,
    Target, decode,
};

/// How long making a connection may take, where the URL says nothing: all of it, whatever the number of hosts.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// The longest that a URL may grant.
const MAX_CONNECT_SECONDS: u64 = 60;
/// When the system begins to ask whether the other side is still there, how often, and how many times.
const KEEPALIVES: Keepalives =
    Keepalives { are_sent: true, idle: Duration::from_mins(1), interval: Duration::from_secs(10), count: 3 };
/// The longest name of a parameter that is repeated to whoever wrote it.
const MAX_NAME_CHARS: usize = 40;

/// The parameters of a URL that nobody has asked for yet.
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads `name=value&name=value`.
    pub(super) fn read(query: &str) -> Result<Self, String> {
        let mut found = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) =
                pair.split_once('=').ok_or("a parameter of the URL has no value: name=value")?;
            let (name, value) = (decode(name)?, decode(value)?);
            // JDBC's way to say it, which libpq takes too.
            let (name, value) = match (name.as_str(), value.as_str()) {
                ("ssl", "true") => ("sslmode".to_owned(), "require".to_owned()),
                _ => (name, value),
            };
            if found.contains_key(&name) {
                return Err(format!("{} is given twice", shown(&name)));
            }
            found.insert(name, value);
        }
        Ok(Self(found))
    }

    /// The parameter of that name. An empty one is none.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    /// What is said once: before the parameters, or as one of them.
    pub(super) fn one_of(&mut self, name: &str, before: Option<String>) -> Result<Option<String>, String> {
        match (self.take(name), before) {
            (Some(_), Some(_)) => Err(format!("{name} is given twice: before the '?' and after it")),
            (one, other) => Ok(one.or(other)),
        }
    }

    /// Refuses what nobody has asked for.
    pub(super) fn end(self) -> Result<(), String> {
        let Some((name, value)) = self.0.first_key_value() else { return Ok(()) };
        // Where a password was not encoded, the rest of the URL stands in the value.
        let name = if value.contains('@') { "" } else { name.as_str() };
        Err(format!(
            "{} is not honoured: it is no parameter of libpq, or one that this program does without",
            shown(name)
        ))
    }

    fn seconds(&mut self, name: &str) -> Result<Option<Duration>, String> {
        let number = |text: String| text.parse().map_err(|_| format!("{name}: write a number of seconds"));
        Ok(self.take(name).map(number).transpose()?.map(Duration::from_secs))
    }

    /// One of the values that are known for a parameter.
    fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, String> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let chosen = choices.iter().find(|(known, _)| *known == value).map(|(_, choice)| *choice);
        let known: Vec<_> = choices.iter().map(|(known, _)| *known).collect();
        chosen.map(Some).ok_or_else(|| format!("{name}: write one of {}", known.join(", ")))
    }
}

/// How a connection is made, and to which of the hosts.
pub(super) fn connecting(found: &mut Parameters) -> Result<Box<Connecting>, String> {
    let limit = found.seconds("connect_timeout")?.unwrap_or(CONNECT_LIMIT);
    if !(1..=MAX_CONNECT_SECONDS).contains(&limit.as_secs()) {
        return Err(format!("connect_timeout: write a number of seconds from 1 to {MAX_CONNECT_SECONDS}"));
    }
    let targets = [
        ("any", Target::Any),
        ("read-write", Target::ReadWrite),
        ("read-only", Target::ReadOnly),
        ("primary", Target::Primary),
        ("standby", Target::Standby),
        ("prefer-standby", Target::PreferStandby),
    ];
    let orders = [("disable", HostOrder::AsWritten), ("random", HostOrder::Random)];
    // Where the system has no such setting, it is refused like any other that is not honoured.
    let user_timeout = if cfg!(target_os = "linux") { found.take("tcp_user_timeout") } else { None };
    let user_timeout = user_timeout.map(|text| text.parse().map(Duration::from_millis)).transpose();
    Ok(Box::new(Connecting {
        limit,
        target: found.choice("target_session_attrs", &targets)?.unwrap_or(Target::Any),
        order: found.choice("load_balance_hosts", &orders)?.unwrap_or(HostOrder::AsWritten),
        keepalives: keepalives(found)?,
        user_timeout: user_timeout
            .map_err(|_: std::num::ParseIntError| "tcp_user_timeout: write a number of milliseconds")?
            .filter(|limit| !limit.is_zero()),
    }))
}

/// How a connection is encrypted, and whom it trusts.
pub(super) fn encryption(found: &mut Parameters) -> Result<Box<Encryption>, String> {
    let roots = match found.take("sslrootcert").as_deref() {
        None => Roots::Unchecked,
        Some("system") => Roots::System,
        Some(file) => Roots::File(PathBuf::from(file)),
    };
    let modes = [
        ("disable", SslMode::Disable),
        ("allow", SslMode::Allow),
        ("prefer", SslMode::Prefer),
        ("require", SslMode::Require),
        ("verify-ca", SslMode::VerifyCa),
        ("verify-full", SslMode::VerifyFull),
    ];
    let default = if roots == Roots::System { SslMode::VerifyFull } else { SslMode::Prefer };
    let encryption = Encryption {
        mode: found.choice("sslmode", &modes)?.unwrap_or(default),
        roots,
        identity: identity(found)?,
        negotiation: found
            .choice(
                "sslnegotiation",
                &[("postgres", Negotiation::Postgres), ("direct", Negotiation::Direct)],
            )?
            .unwrap_or(Negotiation::Postgres),
        binding: binding(found)?,
    };
    // Another encryption than TLS is never asked for, which is what these two say.
    found.choice("gssencmode", &[("disable", ()), ("prefer", ())])?;
    consistent(encryption).map(Box::new)
}

/// Refuses what would promise more than it keeps.
fn consistent(encryption: Encryption) -> Result<Encryption, String> {
    let is_checked = matches!(encryption.mode, SslMode::VerifyCa | SslMode::VerifyFull);
    let is_required = is_checked || encryption.mode == SslMode::Require;
    if is_checked && encryption.roots == Roots::Unchecked {
        return Err(
            "sslmode=verify-ca and verify-full need sslrootcert: a file with the certificate of whoever \
             signed the server's, or `system` for those whom this machine trusts"
                .to_owned(),
        );
    }
    if encryption.roots == Roots::System && encryption.mode != SslMode::VerifyFull {
        return Err("sslrootcert=system needs sslmode=verify-full: anybody has a certificate by those whom \
             this machine trusts"
            .to_owned());
    }
    if encryption.negotiation == Negotiation::Direct && !is_required {
        return Err("sslnegotiation=direct needs sslmode=require, verify-ca or verify-full".to_owned());
    }
    if encryption.binding == ChannelBinding::Require && !is_required {
        return Err("channel_binding=require needs sslmode=require, verify-ca or verify-full".to_owned());
    }
    Ok(encryption)
}

fn identity(found: &mut Parameters) -> Result<Option<Identity>, String> {
    match (found.take("sslcert"), found.take("sslkey")) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            Ok(Some(Identity { certificate: PathBuf::from(certificate), key: PathBuf::from(key) }))
        }
        _ => Err("sslcert and sslkey go together: name both files".to_owned()),
    }
}

fn binding(found: &mut Parameters) -> Result<ChannelBinding, String> {
    let bindings = [
        ("disable", ChannelBinding::Disable),
        ("prefer", ChannelBinding::Prefer),
        ("require", ChannelBinding::Require),
    ];
    Ok(found.choice("channel_binding", &bindings)?.unwrap_or(ChannelBinding::Prefer))
}

fn keepalives(found: &mut Parameters) -> Result<Keepalives, String> {
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

/// A parameter's name, for messages. What cannot be one may be a piece of a password.
fn shown(name: &str) -> &str {
    let is_name = !name.is_empty()
        && name.len() <= MAX_NAME_CHARS
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if is_name { name } else { "a parameter of the URL (is a '?' of a password not written as %3F?)" }
}
