//! From PEM to certificates: what is read is usable, and what is not says why. No problem quotes a key.

use crate::kinds::Secret;
use irongate_config::{Certificate, SecretBytes, SubjectName};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::IpAddr;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The key of a Secret that holds a certificate chain.
const CHAIN: &str = "tls.crt";
/// The key of a Secret that holds the private key.
const KEY: &str = "tls.key";

/// The certificate of a Secret, with its key.
///
/// # Errors
/// What is wrong, as the rest of a sentence about the Secret.
pub(super) fn certificate(secret: &Secret) -> Result<Certificate, String> {
    let bytes = |key| secret.get(key).map_or(&[][..], SecretBytes::expose);
    let chain = certificates(bytes(CHAIN)).map_err(|fault| format!("{fault} in {CHAIN}"))?;
    let Some(key) = secret.get(KEY) else { return Err(format!("has no {KEY}")) };
    let parsed =
        PrivateKeyDer::from_pem_slice(key.expose()).map_err(|_| format!("has no PEM key in {KEY}"))?;
    let signing = any_supported_type(&parsed).map_err(|_| {
        format!(
            "has a key in {KEY} that cannot be used: it is broken, or of a kind or size that is not supported"
        )
    })?;
    match CertifiedKey::new(chain.clone(), signing).keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
        Err(Error::InconsistentKeys(_)) => {
            return Err(format!("has a key in {KEY} that is not that of the first certificate in {CHAIN}"));
        }
        Err(error) => return Err(format!("has a certificate in {CHAIN} that cannot be used: {error}")),
    }
    let (names, expires) = facts(&chain[0]).map_err(|fault| format!("{fault} in {CHAIN}"))?;
    Ok(Certificate { chain, key: key.clone(), names, expires })
}

/// Certificates of authorities.
///
/// # Errors
/// What is wrong, as the rest of a sentence about what holds them.
pub(super) fn authorities(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = certificates(pem)?;
    let mut roots = RootCertStore::empty();
    for (place, certificate) in certificates.iter().enumerate() {
        let usable = roots.add(certificate.clone());
        usable.map_err(|error| format!("has a certificate ({}) that cannot be used: {error}", place + 1))?;
    }
    Ok(certificates)
}

/// The certificates of a text, at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|_| "has a PEM certificate that is broken".to_owned())?;
    if found.is_empty() {
        return Err("has no PEM certificate".into());
    }
    for (place, certificate) in found.iter().enumerate() {
        parsed(certificate).map_err(|fault| format!("{fault} (number {})", place + 1))?;
    }
    Ok(found)
}

fn parsed<'c>(certificate: &'c CertificateDer<'_>) -> Result<X509Certificate<'c>, String> {
    match X509Certificate::from_der(certificate) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err("has a PEM section that is no X.509 certificate".into()),
    }
}

/// Whom a certificate is for, and when its validity ends.
fn facts(certificate: &CertificateDer<'_>) -> Result<(Vec<SubjectName>, i64), String> {
    let certificate = parsed(certificate)?;
    let expires = certificate.validity().not_after.timestamp();
    let alternatives = certificate.subject_alternative_name();
    let alternatives = alternatives.map_err(|_| "has a certificate whose names are broken".to_owned())?;
    let mut names: Vec<SubjectName> = alternatives
        .iter()
        .flat_map(|extension| &extension.value.general_names)
        .filter_map(subject_name)
        .collect();
    if alternatives.is_none() {
        // As browsers did it before RFC 2818 was dropped; here it only shows and chooses the certificate.
        let common = certificate.subject().iter_common_name().next();
        let common = common.and_then(|name| name.as_str().ok());
        names.extend(common.map(|name| SubjectName::Host(name.to_ascii_lowercase().into())));
    }
    Ok((names, expires))
}

fn subject_name(name: &GeneralName<'_>) -> Option<SubjectName> {
    match name {
        GeneralName::DNSName(host) => Some(SubjectName::Host(host.to_ascii_lowercase().into())),
        GeneralName::URI(uri) => Some(SubjectName::Uri((*uri).into())),
        GeneralName::IPAddress(octets) => {
            let four = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from));
            address.ok().map(SubjectName::Address)
        }
        _ => None,
    }
}
