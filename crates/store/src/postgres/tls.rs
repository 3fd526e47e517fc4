//! TLS to PostgreSQL: what libpq's `sslmode` asks for, by rustls.

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

use super::failure::Failure;
use super::url::{Encryption, Host, HostName, Identity, Negotiation, Roots, SslMode};

/// The protocol's name, by which a server knows it where TLS comes first.
const ALPN: &[u8] = b"postgresql";

/// What makes TLS connections as `encryption` asks for. Files are read each time, so that new certificates are found.
pub(super) async fn connector(encryption: &Encryption) -> Result<MakeRustlsConnect, Failure> {
    let encryption = encryption.clone();
    let config = spawn_blocking(move || config(&encryption)).await;
    let config = config.unwrap_or_else(|error| Err(Failure::unavailable("the program is ending", error)))?;
    Ok(MakeRustlsConnect::new(config))
}

/// The name that the server's certificate is to be for, and that is told to the server. A name that TLS cannot carry is
/// the address instead where nobody checks it.
pub(super) fn server_name(host: &Host, address: IpAddr, mode: SslMode) -> String {
    match &host.name {
        HostName::Tcp(name) if mode == SslMode::VerifyFull || ServerName::try_from(name.as_str()).is_ok() => {
            name.clone()
        }
        _ => address.to_string(),
    }
}

fn config(encryption: &Encryption) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(ring::default_provider());
    let names = if encryption.mode == SslMode::VerifyFull { Names::Checked } else { Names::Unchecked };
    let verifier = Verifier { roots: roots(&encryption.roots)?, names, provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Misuse(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &encryption.identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = identity_of(identity)?;
            config.with_client_auth_cert(chain, key).map_err(|error| {
                let detail = format!("the key of sslkey={} is of no use", identity.key.display());
                Failure::unavailable(detail, error)
            })?
        }
    };
    if encryption.negotiation == Negotiation::Direct {
        config.alpn_protocols = vec![ALPN.to_vec()];
    }
    Ok(config)
}

/// The certificates of those who may sign for the server; nothing where anybody may.
#[derive(Debug)]
struct TrustedRoots {
    store: RootCertStore,
    /// As they came: the server's own certificate may be among them.
    certificates: Vec<CertificateDer<'static>>,
}

fn roots(roots: &Roots) -> Result<Option<TrustedRoots>, Failure> {
    let (certificates, place) = match roots {
        Roots::Unchecked => return Ok(None),
        Roots::System => {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "a certificate that this machine trusts cannot be read");
            }
            (found.certs, "this machine (sslrootcert=system)".to_owned())
        }
        Roots::File(file) => (certificates(file, "sslrootcert")?, format!("sslrootcert={}", file.display())),
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
    if added == 0 {
        return Err(Failure::Unavailable { detail: format!("{place} holds no certificate"), source: None });
    }
    Ok(Some(TrustedRoots { store, certificates }))
}

fn identity_of(
    identity: &Identity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Failure> {
    let chain = certificates(&identity.certificate, "sslcert")?;
    let key = PrivateKeyDer::from_pem_file(&identity.key).map_err(|error| {
        let detail =
            format!("sslkey={} holds no private key that can be read unencrypted", identity.key.display());
        Failure::unavailable(detail, error)
    })?;
    Ok((chain, key))
}

fn certificates(file: &Path, parameter: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
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

/// Whether the certificate must be for the name by which the server was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Checked,
    Unchecked,
}

/// Checks of the server's certificate what the mode asks for.
#[derive(Debug)]
struct Verifier {
    roots: Option<TrustedRoots>,
    names: Names,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
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
        signed.or_else(|error| if roots.pin(end_entity, &error) { Ok(()) } else { Err(error) })?;
        if self.names == Names::Checked {
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

impl TrustedRoots {
    /// Whether the certificate stands among the roots itself, and `error` is only that it may sign others too: what
    /// `openssl req -x509` makes is used for servers, and libpq takes it. That it has not expired was checked before that.
    fn pin(&self, certificate: &CertificateDer<'_>, error: &rustls::Error) -> bool {
        matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(_)))
            && self.certificates.iter().any(|root| root == certificate)
    }
}
