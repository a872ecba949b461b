//! Certificates, made for a test.

use irongate_config::{Certificate, ListenerTls, SecretBytes, SubjectName};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::sync::Arc;

/// An authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A certificate for names.
    pub(crate) fn issue(&self, names: &[&str]) -> Certificate {
        self.issue_with(names, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    pub(crate) fn issue_with(&self, names: &[&str], kind: &'static rcgen::SignatureAlgorithm) -> Certificate {
        let owned: Vec<String> = names.iter().map(|&name| name.into()).collect();
        let params = CertificateParams::new(owned).expect("valid names");
        let names = names.iter().map(|&name| SubjectName::Host(name.into())).collect();
        self.sign(&params, &KeyPair::generate_for(kind).expect("a key"), names)
    }

    /// A certificate for names, which is valid from one year to another.
    pub(crate) fn issue_between(&self, names: &[&str], first: i32, last: i32) -> Certificate {
        let owned: Vec<String> = names.iter().map(|&name| name.into()).collect();
        let mut params = CertificateParams::new(owned).expect("valid names");
        params.not_before = rcgen::date_time_ymd(first, 1, 1);
        params.not_after = rcgen::date_time_ymd(last, 1, 1);
        self.sign(&params, &KeyPair::generate().expect("a key"), Vec::new())
    }

    /// A certificate for a URI.
    pub(crate) fn issue_to_uri(&self, uri: &str) -> Certificate {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
        self.sign(&params, &KeyPair::generate().expect("a key"), Vec::new())
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair, names: Vec<SubjectName>) -> Certificate {
        let certificate = params.signed_by(key, &self.issuer).expect("a certificate");
        Certificate {
            chain: vec![certificate.der().clone()],
            key: SecretBytes::new(key.serialize_pem().into_bytes()),
            names,
            expires: i64::MAX,
        }
    }

    /// What a client has that trusts this authority.
    pub(crate) fn client(&self, alpn: &[&str]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a good certificate");
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }
}

/// How TLS ends where these certificates are shown and clients are asked for none.
pub(crate) fn shown(certificates: Vec<Certificate>) -> ListenerTls {
    ListenerTls { certificates: certificates.into_iter().map(Arc::new).collect(), clients: None }
}

/// A connection to a name.
pub(crate) fn connection(config: &Arc<ClientConfig>, name: &str) -> ClientConnection {
    let name = name.to_owned().try_into().expect("a name");
    ClientConnection::new(config.clone(), name).expect("a configuration that is complete")
}

/// What an origin has that shows a certificate, and asks for one of an authority's.
pub(crate) fn origin(
    certificate: &Certificate,
    alpn: &[&str],
    clients: Option<&Authority>,
) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from_pem_slice(certificate.key.expose()).expect("a key");
    let builder = ServerConfig::builder();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate.clone()).expect("a good certificate");
            let verifier = WebPkiClientVerifier::builder(roots.into()).build().expect("a verifier");
            builder.with_client_cert_verifier(verifier)
        }
    };
    let config = builder.with_single_cert(certificate.chain.clone(), key);
    let mut config = config.expect("a certificate with its key");
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// An origin's side of a connection.
pub(crate) fn accepted(config: &Arc<ServerConfig>) -> ServerConnection {
    ServerConnection::new(config.clone()).expect("a configuration that is complete")
}
