//! How TLS is begun with a backend's instances.

use super::certificates::certified_key;
use super::clients::{is_trusted_itself, roots};
use super::provider::provider;
use super::stream::TlsStream;
use crate::core::Core;
use crate::failure::Failure;
use crate::transport::Transport;
use irongate_config::{
    Authorities, Backend, BackendKey, BackendProtocol, BackendTls, Problem, Severity, SubjectName,
};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error,
    RootCertStore, SignatureScheme,
};
use std::future::poll_fn;
use std::io;
use std::net::TcpStream;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// Sessions that are kept for each instance on each core.
const SESSIONS: usize = 8;

/// How TLS is begun with a backend's instances.
pub(crate) struct ClientPlan {
    source: Arc<BackendTls>,
    /// What of it cannot be used.
    pub(crate) problems: Vec<Problem>,
    config: ClientConfig,
    /// `None`: what is configured is none, and nobody can be asked.
    name: Option<ServerName<'static>>,
    protocol: BackendProtocol,
}

/// What one core has for one instance: sessions are resumed with the instance that began them.
pub(crate) type EndpointTls = Arc<ClientConfig>;

impl ClientPlan {
    /// Makes what was configured ready. What cannot be used is a problem, and lets every instance fail: there is no way
    /// back to cleartext.
    pub(crate) fn new(backend: &Backend, tls: &Arc<BackendTls>) -> Arc<Self> {
        let mut problems = Vec::new();
        let mut trouble = |what: String| problems.push(unusable(&backend.key, &what));
        let (name, trusted) = match ServerName::try_from(tls.hostname.to_string()) {
            Ok(name) => (Some(name), trusted(&tls.authorities, &mut trouble)),
            Err(error) => {
                trouble(format!("{:?} is no name to ask for: {error}", tls.hostname));
                (None, Arc::new(RootCertStore::empty()))
            }
        };
        let protocol = backend.key.protocol;
        let config = configuration(tls, trusted, protocol, &mut trouble);
        Arc::new(Self { source: tls.clone(), problems, config, name, protocol })
    }

    /// Whether it was made of this.
    pub(crate) fn is_of(&self, tls: &Arc<BackendTls>) -> bool {
        Arc::ptr_eq(&self.source, tls) || self.source == *tls
    }

    /// What a core needs for one instance.
    pub(crate) fn endpoint(&self) -> EndpointTls {
        let mut config = self.config.clone();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Arc::new(config)
    }

    /// Begins TLS on a fresh connection to an instance. The caller bounds the wait.
    ///
    /// # Errors
    /// [`Failure::Tls`], which names the problem.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        core: &Core,
        endpoint: EndpointTls,
        transport: Transport,
    ) -> Result<Transport, Failure> {
        let connection = self.connection(endpoint)?;
        let stream =
            TlsStream::new(transport, connection.into(), &core.buffers, None).with_plan(self.clone());
        poll_fn(|cx| stream.poll_handshake(cx))
            .await
            .map_err(|error| Failure::Tls(reason(error.as_ref())))?;
        let agreed = stream.with_connection(|connection| connection.alpn_protocol() == Some(b"h2"));
        match self.protocol {
            BackendProtocol::Http2 if !agreed => return Err(Failure::Tls("backend_tls_without_http2")),
            // The instance may speak first, and does so when it has our last word.
            BackendProtocol::Tcp => {
                poll_fn(|cx| stream.poll_flush(cx)).await.map_err(|_| Failure::Tls(reason(None)))?
            }
            _ => {}
        }
        Ok(stream.into())
    }

    fn connection(&self, config: EndpointTls) -> Result<ClientConnection, Failure> {
        let name = self.name.clone().ok_or(Failure::Tls("backend_tls_misconfigured"))?;
        ClientConnection::new(config, name).map_err(|error| Failure::Tls(reason(Some(&error))))
    }

    /// Begins TLS for a check, with these protocols offered. The caller bounds the wait.
    ///
    /// # Errors
    /// What the system says, or what is wrong with the instance.
    pub(crate) async fn begin_check(
        &self,
        stream: tokio::net::TcpStream,
        protocols: &[&[u8]],
    ) -> io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
        let name = self.name.clone().ok_or(io::ErrorKind::InvalidInput)?;
        let mut config = self.config.clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Whether an instance can be reached and is whom it should be. Blocks.
    ///
    /// # Errors
    /// What the system says, or what is wrong with the instance.
    pub(crate) fn probe(&self, mut stream: TcpStream, patience: Duration) -> io::Result<()> {
        let until = Instant::now() + patience;
        stream.set_nonblocking(false)?;
        let mut connection =
            self.connection(Arc::new(self.config.clone())).map_err(|_| io::ErrorKind::InvalidInput)?;
        while connection.is_handshaking() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stream.set_read_timeout(Some(left))?;
            stream.set_write_timeout(Some(left))?;
            while connection.wants_write() {
                connection.write_tls(&mut stream)?;
            }
            if connection.read_tls(&mut stream)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            connection.process_new_packets().map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// What the control side needs to begin TLS with a server that speaks HTTP/1.1 and is no backend's instance.
///
/// # Errors
/// What of it cannot be used, as a sentence.
pub(crate) fn peer_configuration(
    tls: &BackendTls,
) -> Result<(Arc<ClientConfig>, ServerName<'static>), String> {
    let mut faults = Vec::new();
    let mut trouble = |what: String| faults.push(what);
    let trusted = trusted(&tls.authorities, &mut trouble);
    let config = configuration(tls, trusted, BackendProtocol::Http1, &mut trouble);
    let name = ServerName::try_from(tls.hostname.to_string());
    let name = name.map_err(|error| format!("{:?} is no name to ask for: {error}", tls.hostname))?;
    if faults.is_empty() { Ok((Arc::new(config), name)) } else { Err(faults.join("; ")) }
}

/// The authorities that are trusted.
fn trusted(authorities: &Authorities, trouble: &mut impl FnMut(String)) -> Arc<RootCertStore> {
    match authorities {
        Authorities::System => system_roots(trouble),
        Authorities::These(authorities) => Arc::new(roots(authorities).unwrap_or_else(|what| {
            trouble(what);
            RootCertStore::empty()
        })),
    }
}

fn configuration(
    tls: &BackendTls,
    roots: Arc<RootCertStore>,
    protocol: BackendProtocol,
    trouble: &mut impl FnMut(String),
) -> ClientConfig {
    let verifier = Arc::new(ServerVerifier {
        roots,
        these: match &tls.authorities {
            Authorities::System => Arc::default(),
            Authorities::These(authorities) => authorities.clone(),
        },
        names: tls.names.clone(),
    });
    let certificate = tls.certificate.as_ref().and_then(|certificate| {
        certified_key(certificate)
            .map_err(|what| trouble(format!("no client certificate is shown: {what}")))
            .ok()
    });
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has cipher suites for all versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match certificate {
        Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = match protocol {
        BackendProtocol::Http1 => vec![b"http/1.1".to_vec()],
        BackendProtocol::Http2 => vec![b"h2".to_vec()],
        BackendProtocol::Tcp | BackendProtocol::Udp => Vec::new(),
    };
    config
}

/// The authorities that the system trusts; read once.
fn system_roots(trouble: &mut impl FnMut(String)) -> Arc<RootCertStore> {
    static ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    });
    if ROOTS.is_empty() {
        trouble(
            "the system has no trusted authorities (install ca-certificates, or set SSL_CERT_FILE)"
                .to_owned(),
        );
    }
    ROOTS.clone()
}

/// Why TLS with an instance failed, as a stable token. `None`: the connection ended.
pub(crate) fn reason(error: Option<&Error>) -> &'static str {
    use AlertDescription as Alert;
    use CertificateError as Certificate;
    match error {
        None => "backend_tls_closed",
        Some(Error::InvalidCertificate(error)) => match error {
            Certificate::Expired | Certificate::ExpiredContext { .. } => "backend_certificate_expired",
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                "backend_certificate_not_yet_valid"
            }
            // The signature does not fit where an authority that is not trusted has the name of one that is.
            Certificate::UnknownIssuer | Certificate::BadSignature => "backend_certificate_unknown_issuer",
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "backend_certificate_name_mismatch"
            }
            _ => "backend_certificate_invalid",
        },
        Some(Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied,
        )) => "backend_refuses_certificate",
        Some(Error::AlertReceived(Alert::NoApplicationProtocol)) => "backend_tls_without_protocol",
        Some(Error::AlertReceived(Alert::UnrecognisedName)) => "backend_tls_unknown_name",
        Some(Error::AlertReceived(_)) => "backend_tls_refused",
        Some(Error::PeerIncompatible(_)) => "backend_tls_incompatible",
        Some(Error::InvalidMessage(_)) => "backend_speaks_no_tls",
        Some(_) => "backend_tls_failed",
    }
}

/// Verifies instances: a chain to a trusted authority, and a name.
#[derive(Debug)]
struct ServerVerifier {
    roots: Arc<RootCertStore>,
    /// The authorities themselves, where they are configured.
    these: Arc<Vec<CertificateDer<'static>>>,
    names: Vec<SubjectName>,
}

impl ServerVerifier {
    fn is_named(&self, certificate: &CertificateDer<'_>, parsed: &ParsedCertificate<'_>) -> bool {
        let Ok(names) = webpki::EndEntityCert::try_from(certificate) else { return false };
        self.names.iter().any(|name| match name {
            SubjectName::Host(host) => match host.strip_prefix('*') {
                Some(suffix) => names.valid_dns_names().any(|name| {
                    let first = name.len().checked_sub(suffix.len()).map(|length| name.split_at(length));
                    first.is_some_and(|(label, rest)| {
                        !label.is_empty() && !label.contains('.') && rest.eq_ignore_ascii_case(suffix)
                    })
                }),
                None => {
                    ServerName::try_from(&**host).is_ok_and(|name| verify_server_name(parsed, &name).is_ok())
                }
            },
            SubjectName::Uri(uri) => names.valid_uri_names().any(|name| name == &**uri),
            SubjectName::Address(address) => {
                verify_server_name(parsed, &ServerName::IpAddress((*address).into())).is_ok()
            }
        })
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = provider().signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)
            .or_else(
                |error| {
                    if is_trusted_itself(&error, certificate, &self.these) { Ok(()) } else { Err(error) }
                },
            )?;
        if self.names.is_empty() {
            verify_server_name(&parsed, name)?;
        } else if !self.is_named(certificate, &parsed) {
            return Err(CertificateError::NotValidForName.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

fn unusable(backend: &BackendKey, what: &str) -> Problem {
    Problem {
        severity: Severity::Error,
        position: None,
        resource: backend.to_string(),
        field: "TLS to its instances".to_owned(),
        reason: "InvalidCACertificateRef",
        message: format!("{what}."),
        advice: "Check what the BackendTLSPolicy and the Gateway's tls.backend name: certificates as PEM."
            .to_owned(),
    }
}
