//! What is asked of clients: a certificate that one of the trusted authorities issued.

use super::provider::provider;
use irongate_config::ClientValidation;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use std::sync::Arc;

/// The authorities as trust anchors.
///
/// # Errors
/// None of them can be used; a sentence about the first.
pub(super) fn roots(authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let mut problem = None;
    for authority in authorities {
        if let Err(error) = roots.add(authority.clone()) {
            problem.get_or_insert(error);
        }
    }
    match problem {
        Some(error) if roots.is_empty() => Err(format!("no authority's certificate can be used: {error}")),
        _ => Ok(roots),
    }
}

/// Whether a chain was refused only because its first certificate may issue others, and that very certificate is
/// trusted. Self-signed certificates are often made so; their dates have been looked at before.
pub(super) fn is_trusted_itself(
    error: &Error,
    certificate: &CertificateDer<'_>,
    trusted: &[CertificateDer<'static>],
) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(reason))) = error else { return false };
    reason.downcast_ref::<webpki::Error>() == Some(&webpki::Error::CaUsedAsEndEntity)
        && trusted.iter().any(|trusted| trusted == certificate)
}

/// Verifies clients as a listener's configuration says.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    chains: Arc<dyn ClientCertVerifier>,
    validation: Arc<ClientValidation>,
}

impl ClientVerifier {
    /// # Errors
    /// A sentence about what makes the configured authorities unusable.
    pub(super) fn new(validation: &Arc<ClientValidation>) -> Result<Arc<Self>, String> {
        let roots = Arc::new(roots(&validation.authorities)?);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
        let chains = builder.build().map_err(|error| error.to_string())?;
        Ok(Arc::new(Self { chains, validation: validation.clone() }))
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        !self.validation.allows_invalid
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chains.verify_client_cert(certificate, intermediates, now);
        verified.or_else(|error| {
            let accepted = self.validation.allows_invalid
                || is_trusted_itself(&error, certificate, &self.validation.authorities);
            if accepted { Ok(ClientCertVerified::assertion()) } else { Err(error) }
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}
