//! TLS to PostgreSQL with rustls: the checks that libpq's `sslmode` asks for.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use context_domain::error::Source;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::task::spawn_blocking;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::failure::Failure;
use super::parameters::{ClientCertificate, Encryption, SslMode, SslNegotiation, TrustedRoots};
use super::url::{Host, HostLocation};

/// The protocol's name in ALPN, which a server requires with `sslnegotiation=direct`.
const ALPN: &[u8] = b"postgresql";

/// Makes a TLS connector as `encryption` asks. Files are read each time, so that renewed certificates are
/// used.
pub(super) async fn connector(encryption: &Encryption) -> Result<MakeRustlsConnect, Failure> {
    let encryption = encryption.clone();
    let config = spawn_blocking(move || client_config(&encryption)).await;
    let config = config.unwrap_or_else(|error| Err(Failure::unavailable("the program is ending", error)))?;
    Ok(MakeRustlsConnect::new(config))
}

/// Returns the name that is checked against the server's certificate and sent to the server. If TLS cannot
/// carry the name and it is not checked, this is the address.
pub(super) fn server_name(host: &Host, address: IpAddr, mode: SslMode) -> String {
    match &host.location {
        HostLocation::Tcp(name)
            if mode == SslMode::VerifyFull || ServerName::try_from(name.as_str()).is_ok() =>
        {
            name.clone()
        }
        _ => address.to_string(),
    }
}

fn client_config(encryption: &Encryption) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(ring::default_provider());
    let name = if encryption.mode == SslMode::VerifyFull { NameCheck::Checked } else { NameCheck::Unchecked };
    let roots = load_roots(&encryption.roots)?;
    let verifier = CertificateVerifier { roots, name, provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Misuse(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &encryption.identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = load_identity(identity)?;
            config.with_client_auth_cert(chain, key).map_err(|error| {
                let detail = format!("the key in sslkey={} cannot be used", identity.key.display());
                Failure::unavailable(detail, error)
            })?
        }
    };
    if encryption.negotiation == SslNegotiation::Direct {
        config.alpn_protocols = vec![ALPN.to_vec()];
    }
    Ok(config)
}

/// The certificates of the authorities that may have signed the server's.
#[derive(Debug)]
struct RootCertificates {
    store: RootCertStore,
    /// The certificates as they were read: the server's own may be among them.
    certificates: Vec<CertificateDer<'static>>,
}

/// Loads the authorities; `None` if the server's certificate is not checked.
fn load_roots(roots: &TrustedRoots) -> Result<Option<RootCertificates>, Failure> {
    let (certificates, name) = match roots {
        TrustedRoots::Unchecked => return Ok(None),
        TrustedRoots::System => {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "a certificate that this machine trusts cannot be read");
            }
            (found.certs, "this machine (sslrootcert=system)".to_owned())
        }
        TrustedRoots::File(file) => {
            (load_certificates(file, "sslrootcert")?, format!("sslrootcert={}", file.display()))
        }
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
    if added == 0 {
        return Err(Failure::Unavailable { detail: format!("{name} holds no certificate"), source: None });
    }
    Ok(Some(RootCertificates { store, certificates }))
}

fn load_identity(
    identity: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Failure> {
    let chain = load_certificates(&identity.certificate, "sslcert")?;
    let key = PrivateKeyDer::from_pem_file(&identity.key).map_err(|error| {
        let detail =
            format!("sslkey={} holds no private key that can be read unencrypted", identity.key.display());
        Failure::unavailable(detail, error)
    })?;
    Ok((chain, key))
}

fn load_certificates(file: &Path, parameter: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let unreadable = |source: Source| {
        Failure::unavailable(
            format!("{parameter}={} holds no certificates that can be read", file.display()),
            source,
        )
    };
    let found = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(Box::new(error)))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| unreadable(Box::new(error)))?;
    if found.is_empty() { Err(unreadable("no certificate".into())) } else { Ok(found) }
}

/// Whether the certificate must be for the server's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameCheck {
    Checked,
    Unchecked,
}

/// Checks the server's certificate as `sslmode` asks.
#[derive(Debug)]
struct CertificateVerifier {
    roots: Option<RootCertificates>,
    name: NameCheck,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for CertificateVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(roots) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let signed = verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &roots.store,
            intermediates,
            now,
            algorithms,
        );
        signed.or_else(|error| if roots.is_pinned(end_entity, &error) { Ok(()) } else { Err(error) })?;
        if self.name == NameCheck::Checked {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl RootCertificates {
    /// Whether the certificate is itself among the roots, and `error` says only that it may sign others too.
    /// `openssl req -x509` creates such certificates, and libpq accepts them. The expiry was checked before.
    fn is_pinned(&self, certificate: &CertificateDer<'_>, error: &rustls::Error) -> bool {
        matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(_)))
            && self.certificates.iter().any(|root| root == certificate)
    }
}
