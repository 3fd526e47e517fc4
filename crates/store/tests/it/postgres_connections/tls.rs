//! Every `sslmode`, on servers with several kinds of certificates, and on one without TLS.

use std::path::PathBuf;

use context_testing::{OWNER, Server, postgres};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

use super::{open, refusal, select_text};

const IS_ENCRYPTED: &str =
    "SELECT CASE WHEN ssl THEN 'encrypted' ELSE 'plain' END FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/// A certificate authority.
struct CertificateAuthority(CertifiedIssuer<'static, KeyPair>);

impl CertificateAuthority {
    fn new(name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn certificate(&self) -> String {
        self.0.as_ref().pem()
    }

    /// Issues a certificate, and returns it with its key.
    fn sign(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = params(name, &[name]);
        params.extended_key_usages.push(purpose);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

fn params(name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Starts a server with that certificate. `clients` is the authority for client certificates, `access` a line
/// of `pg_hba.conf`.
async fn server((certificate, key): (String, String), clients: &str, access: &str) -> Server {
    Server::builder()
        .setting("ssl = on")
        .setting("ssl_cert_file = 'own.crt'")
        .setting("ssl_key_file = 'own.key'")
        .setting(if clients.is_empty() { "" } else { "ssl_ca_file = 'clients.crt'" })
        .file("own.crt", certificate)
        .file("own.key", key)
        .file("clients.crt", clients)
        .access(access)
        .start()
        .await
}

/// A folder for the files that URLs name.
struct CertificateFolder(TempDir);

impl CertificateFolder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn put(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn url(server: &Server, parameters: &str) -> String {
    // The tests' servers listen on 127.0.0.1 only, but certificates are for names.
    format!("postgres://{OWNER}@localhost:{}/postgres?hostaddr=127.0.0.1&{parameters}", server.port())
}

async fn encryption(url: &str) -> String {
    select_text(&open(url).await.unwrap(), IS_ENCRYPTED).await
}

#[tokio::test]
async fn a_certificate_is_checked_as_sslmode_asks() {
    let (ours, others) = (CertificateAuthority::new("ours"), CertificateAuthority::new("others"));
    let files = CertificateFolder::new();
    let root = files.put("root.crt", &ours.certificate());
    let other = files.put("other.crt", &others.certificate());
    let (root, other) = (root.display(), other.display());
    let right = server(ours.sign("localhost", ExtendedKeyUsagePurpose::ServerAuth), "", "").await;
    let misnamed = server(ours.sign("elsewhere", ExtendedKeyUsagePurpose::ServerAuth), "", "").await;
    for server in [&right, &misnamed] {
        for mode in ["disable", "allow"] {
            assert_eq!(encryption(&url(server, &format!("sslmode={mode}"))).await, "plain", "{mode}");
        }
        for mode in ["prefer", "require"] {
            assert_eq!(encryption(&url(server, &format!("sslmode={mode}"))).await, "encrypted", "{mode}");
        }
        for mode in ["require", "verify-ca"] {
            let trusted = url(server, &format!("sslmode={mode}&sslrootcert={root}"));
            assert_eq!(encryption(&trusted).await, "encrypted");
            let said = refusal(&url(server, &format!("sslmode={mode}&sslrootcert={other}"))).await;
            assert!(said.contains("not signed by an authority in sslrootcert"), "{said}");
        }
    }
    let full = format!("sslmode=verify-full&sslrootcert={root}");
    assert_eq!(encryption(&url(&right, &full)).await, "encrypted");
    let said = refusal(&url(&misnamed, &full)).await;
    assert!(said.contains("is for another name"), "{said}");
    let said = refusal(&url(&right, "sslrootcert=system")).await;
    assert!(said.contains("not signed by an authority"), "{said}");
}

#[tokio::test]
async fn without_tls_on_the_server_only_modes_connect_that_permit_it() {
    let server = postgres().await;
    let files = CertificateFolder::new();
    let root = files.put("root.crt", &CertificateAuthority::new("ours").certificate());
    for mode in ["disable", "allow", "prefer"] {
        assert_eq!(encryption(&url(server, &format!("sslmode={mode}"))).await, "plain", "{mode}");
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let said = refusal(&url(server, &format!("sslmode={mode}&sslrootcert={}", root.display()))).await;
        assert!(said.contains(&format!("offers no TLS, which sslmode={mode} asks for")), "{said}");
    }
    let version = open(&url(server, "")).await.unwrap();
    if select_text(&version, "SHOW server_version").await.as_str() < "17" {
        let said = refusal(&url(server, "sslmode=require&sslnegotiation=direct")).await;
        assert!(said.contains("sslnegotiation=direct"), "{said}");
    }
}

#[tokio::test]
async fn allow_and_prefer_try_the_other_way_if_the_server_refuses_one() {
    let ours = CertificateAuthority::new("ours");
    let certificate = || ours.sign("localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let encrypted = server(certificate(), "", "hostnossl all context_owner 127.0.0.1/32 reject").await;
    assert_eq!(encryption(&url(&encrypted, "sslmode=allow")).await, "encrypted");
    assert_eq!(encryption(&url(&encrypted, "sslmode=prefer")).await, "encrypted");
    let said = refusal(&url(&encrypted, "sslmode=disable")).await;
    assert!(said.contains("pg_hba.conf has no entry") && said.contains("sslmode=disable"), "{said}");
    let plain = server(certificate(), "", "hostssl all context_owner 127.0.0.1/32 reject").await;
    assert_eq!(encryption(&url(&plain, "sslmode=prefer")).await, "plain");
    refusal(&url(&plain, "sslmode=require")).await;
}

#[tokio::test]
async fn a_client_certificate_is_sent() {
    let (ours, others) = (CertificateAuthority::new("ours"), CertificateAuthority::new("others"));
    let server = server(
        ours.sign("localhost", ExtendedKeyUsagePurpose::ServerAuth),
        &ours.certificate(),
        "hostssl all context_owner 127.0.0.1/32 cert",
    )
    .await;
    let files = CertificateFolder::new();
    let parameters = |authority: &CertificateAuthority, name: &str| {
        let (certificate, key) = authority.sign(name, ExtendedKeyUsagePurpose::ClientAuth);
        let certificate = files.put(&format!("{name}.crt"), &certificate);
        let key = files.put(&format!("{name}.key"), &key);
        format!("sslmode=require&sslcert={}&sslkey={}", certificate.display(), key.display())
    };
    let session = open(&url(&server, &parameters(&ours, OWNER))).await.unwrap();
    let shown = select_text(&session, "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await;
    assert_eq!(shown, format!("/CN={OWNER}"));
    for wrong in [parameters(&ours, "somebody"), parameters(&others, OWNER), "sslmode=require".to_owned()] {
        let said = refusal(&url(&server, &wrong)).await;
        assert!(said.contains("client certificate (sslcert, sslkey)"), "{said}");
    }
}

#[tokio::test]
async fn the_servers_own_certificate_may_be_the_root() {
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let mut params = params("localhost", &["localhost"]);
        params.is_ca = is_ca;
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let files = CertificateFolder::new();
        let root = files.put("own.crt", &certificate);
        let server = server((certificate, key.serialize_pem()), "", "").await;
        let full = format!("sslmode=verify-full&sslrootcert={}", root.display());
        assert_eq!(encryption(&url(&server, &full)).await, "encrypted", "{is_ca:?}");
        let elsewhere = url(&server, &full).replace("@localhost", "@elsewhere");
        let said = refusal(&elsewhere).await;
        assert!(said.contains("for another name"), "{said}");
    }
}

#[tokio::test]
async fn a_certificate_outside_of_its_validity_is_refused() {
    for (from, to, expected) in [(2001, 2002, "has expired"), (2900, 2901, "is not valid yet")] {
        for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
            let mut params = params("localhost", &["localhost"]);
            params.is_ca = is_ca;
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(to, 1, 1);
            let key = KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap().pem();
            let files = CertificateFolder::new();
            let root = files.put("own.crt", &certificate);
            let server = server((certificate, key.serialize_pem()), "", "").await;
            let said =
                refusal(&url(&server, &format!("sslmode=verify-ca&sslrootcert={}", root.display()))).await;
            assert!(said.contains(expected), "{said}");
        }
    }
}

#[tokio::test]
async fn channel_binding_needs_a_password() {
    let ours = CertificateAuthority::new("ours");
    let server = server(ours.sign("localhost", ExtendedKeyUsagePurpose::ServerAuth), "", "").await;
    let bound = format!("sslmode=require&channel_binding=require&password={}", context_testing::PASSWORD);
    let bound = url(&server, &bound).replace(OWNER, context_testing::PASSWORD_USER);
    assert_eq!(encryption(&bound).await, "encrypted");
    let trusted = url(&server, "sslmode=require&channel_binding=require");
    let said = refusal(&trusted).await;
    assert!(said.contains("channel_binding"), "{said}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let server = postgres().await;
    let files = CertificateFolder::new();
    let empty = files.put("empty.pem", "");
    let root = files.put("root.crt", &CertificateAuthority::new("ours").certificate());
    let (empty, root) = (empty.display(), root.display());
    for (parameters, expected) in [
        (format!("sslmode=verify-ca&sslrootcert={empty}"), format!("sslrootcert={empty}")),
        ("sslmode=verify-ca&sslrootcert=/no/such".to_owned(), "sslrootcert=/no/such".to_owned()),
        (format!("sslcert={empty}&sslkey={root}"), format!("sslcert={empty}")),
        (format!("sslcert={root}&sslkey={root}"), format!("sslkey={root}")),
    ] {
        let said = refusal(&url(server, &parameters)).await;
        assert!(said.contains(&expected), "{said}");
    }
}
