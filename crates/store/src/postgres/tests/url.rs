//! Parsing of PostgreSQL URLs, and the messages about wrong ones.

use std::time::Duration;

use crate::postgres::PostgresUrl;
use crate::postgres::connect::{
    ChannelBinding, HostLocation, HostOrder, SslMode, SslNegotiation, TargetSession, TrustedRoots,
};

fn url(text: &str) -> PostgresUrl {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> String {
    let parsed: Result<PostgresUrl, String> = text.parse();
    parsed.expect_err(text)
}

#[test]
fn its_parts_are_parsed_as_libpq_parses_them() {
    let plain = url("postgres://me@db");
    assert_eq!((plain.user(), plain.database(), plain.hosts().as_str()), ("me", "me", "db:5432"));
    assert_eq!(plain.connecting.limit, Duration::from_secs(3));
    assert_eq!(plain.encryption.mode, SslMode::Prefer);
    let full = url("postgresql://m%C3%A9:p%40%2F%3f%25@a:1,b,[::1]:3/d%20b?connect_timeout=7");
    assert_eq!((full.user(), full.database()), ("mé", "d b"));
    assert_eq!(full.password.as_deref(), Some("p@/?%"));
    assert_eq!(full.hosts(), "a:1, b:5432, [::1]:3");
    assert_eq!(full.connecting.limit, Duration::from_secs(7));
    let named = url("postgres://?user=me&password=p&dbname=d&host=a,b&port=7");
    assert_eq!((named.hosts().as_str(), named.password.as_deref()), ("a:7, b:7", Some("p")));
    let addressed = url("postgres://me@a,b/d?hostaddr=10.0.0.1,::1");
    let addresses: Vec<_> = addressed.hosts.iter().map(|host| host.address.unwrap().to_string()).collect();
    assert_eq!(addresses, ["10.0.0.1", "::1"]);
    assert_eq!(url("postgres://me@/d?hostaddr=10.0.0.1").hosts(), "10.0.0.1:5432");
}

#[test]
fn a_host_that_is_a_folder_is_a_socket() {
    for text in ["postgres://me@%2Frun%2Fpg:7/d", "postgres://me@/d?host=/run/pg&port=7"] {
        assert_eq!(url(text).hosts[0].location, HostLocation::Unix("/run/pg".into()), "{text}");
        assert_eq!(url(text).hosts(), "/run/pg:7");
    }
}

#[test]
fn it_prints_without_its_password() {
    let url = url("postgres://me:secret@a:1,b:2/d?application_name=secret");
    assert_eq!(url.to_string(), "postgres://me@a:1,b:2/d");
    assert_eq!(format!("{url:?}"), url.to_string());
    assert_eq!(url.with_database("e").to_string(), "postgres://me@a:1,b:2/e");
}

#[test]
fn supported_parameters_are_parsed() {
    let url = url(
        "postgres://me@db?sslmode=verify-full&sslrootcert=system&sslcert=c&sslkey=k&sslnegotiation=direct&\
         channel_binding=require&target_session_attrs=prefer-standby&load_balance_hosts=random&\
         options=-c%20a%3Db&application_name=name&keepalives=0&keepalives_idle=1&\
         keepalives_interval=2&keepalives_count=3&tcp_user_timeout=1500&gssencmode=disable",
    );
    assert_eq!((url.encryption.mode, &url.encryption.roots), (SslMode::VerifyFull, &TrustedRoots::System));
    assert_eq!(url.encryption.identity.as_ref().unwrap().key.to_str(), Some("k"));
    assert_eq!(url.encryption.negotiation, SslNegotiation::Direct);
    assert_eq!(url.encryption.binding, ChannelBinding::Require);
    assert_eq!(
        (url.connecting.target, url.connecting.order),
        (TargetSession::PreferStandby, HostOrder::Random)
    );
    assert_eq!((url.options.as_deref(), url.application_name.as_deref()), (Some("-c a=b"), Some("name")));
    let probes = url.connecting.keepalives;
    assert_eq!((probes.are_sent, probes.count), (false, 3));
    assert_eq!((probes.idle, probes.interval), (Duration::from_secs(1), Duration::from_secs(2)));
    assert_eq!(url.connecting.user_timeout, Some(Duration::from_millis(1500)));
}

#[test]
fn the_defaults_of_sslmode_are_those_of_libpq() {
    assert_eq!(url("postgres://me@db?sslrootcert=system").encryption.mode, SslMode::VerifyFull);
    assert_eq!(url("postgres://me@db?sslrootcert=/r").encryption.mode, SslMode::Prefer);
    assert_eq!(url("postgres://me@db?ssl=true").encryption.mode, SslMode::Require);
}

#[test]
fn a_parameter_that_is_not_supported_is_refused_by_its_name() {
    for (parameters, named) in [
        ("sslcrl=/x.pem", "sslcrl is not supported"),
        ("SSLMODE=require", "is not supported"),
        ("pgbouncer=true", "pgbouncer is not supported"),
        ("passfile=x", "passfile is not supported"),
        ("sslmode=requir", "sslmode: write one of disable, allow, prefer, require, verify-ca, verify-full"),
        ("sslmode=require&sslmode=disable", "sslmode is given twice"),
        ("user=other", "user is given twice"),
        ("sslmode=verify-full", "need sslrootcert"),
        ("sslmode=require&sslrootcert=system", "sslrootcert=system needs sslmode=verify-full"),
        ("sslnegotiation=direct", "sslnegotiation=direct needs sslmode=require"),
        ("channel_binding=require", "channel_binding=require needs sslmode=require"),
        ("sslcert=c", "sslcert and sslkey go together"),
        ("connect_timeout=0", "connect_timeout: write a number of seconds from 1 to 60"),
        ("connect_timeout=61", "connect_timeout: "),
        ("connect_timeout=x", "connect_timeout: "),
        ("keepalives=yes", "keepalives: write one of 0, 1"),
        ("keepalives_count=x", "keepalives_count: "),
        ("tcp_user_timeout=x", "tcp_user_timeout: "),
        ("target_session_attrs=master", "target_session_attrs: write one of any, read-write"),
        ("gssencmode=require", "gssencmode: write one of disable, prefer"),
        ("hostaddr=db", "hostaddr: write an IP address"),
        ("hostaddr=1.2.3.4,1.2.3.5", "hostaddr: write as many as there are hosts"),
        ("sslmode", "has no value"),
    ] {
        let said = refusal(&format!("postgres://me@db/d?{parameters}"));
        assert!(said.contains(named), "{parameters}: {said}");
    }
}

#[test]
fn a_wrong_url_is_refused_and_no_part_of_its_password_repeated() {
    for text in [
        "mysql://me:hush@db/d",
        "postgres:me:hush@db",
        "postgres://me:hu@sh@db/d",
        "postgres://me:hu/sh@db/d",
        "postgres://me:hu:sh@db/d",
        "postgres://me:hu#sh@db/d",
        "postgres://me:hu?sh@db/d",
        "postgres://me:hu?sh=x@db/d",
        "postgres://me:x@h?hush=x@db/d",
        "postgres://me:hu%sh@db/d",
        "postgres://me:hush%00@db/d",
        "postgres://me:hush%FF@db/d",
        "postgres://me:hush@db:port/d",
        "postgres://me:hush@db:0/d",
        "postgres://me:hush@db:65536/d",
        "postgres://me:hush@,b/d",
        "postgres://me:hush@/d",
        "postgres://:hush@db/d",
        "postgres://db/d",
    ] {
        let said = refusal(text);
        for part in ["hush", "hu", "sh"] {
            assert!(!said.split(|c: char| !c.is_alphanumeric()).any(|word| word == part), "{text}: {said}");
        }
    }
}
