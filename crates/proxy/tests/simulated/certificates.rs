//! Certificates, made for a test.

use irongate_config::{Certificate, ListenerTls, SecretBytes, SubjectName};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
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
        let key = KeyPair::generate_for(kind).expect("a key");
        let owned: Vec<String> = names.iter().map(|&name| name.into()).collect();
        let params = CertificateParams::new(owned).expect("valid names");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Certificate {
            chain: vec![certificate.der().clone()],
            key: SecretBytes::new(key.serialize_pem().into_bytes()),
            names: names.iter().map(|&name| SubjectName::Host(name.into())).collect(),
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
