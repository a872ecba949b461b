//! TLS: what listeners show and ask of clients, what is asked of backends and shown to them.

use crate::SecretBytes;
use rustls_pki_types::CertificateDer;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// A certificate with its key. The key is the first certificate's: `translate` has checked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate, then those between it and a root. Never empty.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key, PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key: SecretBytes,
    /// Whom the first certificate is for: its alternative names, and its common name where it has none of them.
    pub names: Vec<SubjectName>,
    /// When the first certificate's validity ends, in seconds since 1970.
    pub expires: i64,
}

/// How TLS ends at a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// Its certificates; never empty. A client gets the one whose names fit what it asks for best, and the first where
    /// none fits.
    pub certificates: Vec<Arc<Certificate>>,
    /// What is asked of clients; `None`: no certificate.
    pub clients: Option<Arc<ClientValidation>>,
}

/// How client certificates are validated (`tls.frontend` of a Gateway, GEP-91).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientValidation {
    /// Certificates of the authorities that are trusted; never empty.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Clients without a valid certificate are let in too (`AllowInsecureFallback`).
    pub allows_invalid: bool,
}

/// How TLS is begun with a backend's instances (`BackendTLSPolicy`, GEP-1897).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendTls {
    /// The name that is asked for (SNI), in lower case; the certificate has to be for it where
    /// [`BackendTls::names`] is empty.
    pub hostname: Arc<str>,
    /// One of these the certificate has to be for, in place of the host name.
    pub names: Vec<SubjectName>,
    /// Who is trusted.
    pub authorities: Authorities,
    /// What is shown to instances that ask for a certificate.
    pub certificate: Option<Arc<Certificate>>,
}

/// Authorities whose certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorities {
    /// Those of the system (`wellKnownCACertificates: System`).
    System,
    /// These; never empty.
    These(Arc<Vec<CertificateDer<'static>>>),
}

/// A name in a certificate, and one that a certificate must have (`subjectAltNames` of a `BackendTLSPolicy`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectName {
    /// A DNS name in lower case; `*` may be its first label.
    Host(Arc<str>),
    /// A URI, compared byte by byte.
    Uri(Arc<str>),
    /// An address.
    Address(IpAddr),
}

impl fmt::Display for SubjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(text) | Self::Uri(text) => f.write_str(text),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}
