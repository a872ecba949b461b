//! Certificates with their keys, and which one a client is shown.

use super::provider::provider;
use irongate_config::{Certificate, SubjectName};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};
use std::collections::HashMap;
use std::sync::Arc;

/// A certificate with its key, ready to sign.
///
/// # Errors
/// A sentence about what is wrong with the key.
pub(super) fn certified_key(certificate: &Certificate) -> Result<Arc<CertifiedKey>, String> {
    let key = PrivateKeyDer::from_pem_slice(certificate.key.expose())
        .map_err(|error| format!("its private key cannot be read: {error}"))?;
    let key = provider().key_provider.load_private_key(key);
    let key = key.map_err(|error| format!("its private key cannot be used: {error}"))?;
    let certified = CertifiedKey::new(certificate.chain.clone(), key);
    match certified.keys_match() {
        // A key that does not tell its public half is taken as it is.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(Arc::new(certified))
        }
        Err(error) => Err(format!("it and its private key do not belong together: {error}")),
    }
}

/// The certificates of a listener, by the names that they are for.
#[derive(Debug)]
pub(super) struct Certificates {
    exact: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// By what follows the `*.`, which stands for one label.
    wildcard: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// In the order in which they are configured: for names that none is for.
    all: Vec<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Each with the names that it is for.
    pub(super) fn new(keys: Vec<(Arc<CertifiedKey>, &[SubjectName])>) -> Self {
        let (mut exact, mut wildcard) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for (key, names) in &keys {
            for name in *names {
                let SubjectName::Host(name) = name else { continue };
                match name.strip_prefix("*.") {
                    Some(parent) => wildcard.entry(parent.into()).or_default().push(key.clone()),
                    None => exact.entry((**name).into()).or_default().push(key.clone()),
                }
            }
        }
        Self { exact, wildcard, all: keys.into_iter().map(|(key, _)| key).collect() }
    }

    /// Those for a name: by the name itself, else by a wildcard.
    fn named(&self, name: &str) -> Option<&Vec<Arc<CertifiedKey>>> {
        let parent = || name.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
        self.exact.get(name).or_else(parent)
    }

    /// One that the client can verify; one that is for the name, if there is any, and then one with an elliptic curve if
    /// there is any: signing with it costs us a tenth of what RSA does. A client that can verify none is shown one all the
    /// same, so that it can say what it misses.
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Arc<CertifiedKey>> {
        let is_usable = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let is_curve = |key: &&Arc<CertifiedKey>| key.key.algorithm() != SignatureAlgorithm::RSA;
        let Some(named) = name.and_then(|name| self.named(name)) else {
            return self.all.iter().find(is_usable).or(self.all.first());
        };
        let curve = named.iter().find(|key| is_usable(key) && is_curve(key));
        curve.or_else(|| named.iter().find(is_usable)).or(named.first())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls gives the name in lower case.
        self.choose(hello.server_name(), hello.signature_schemes()).cloned()
    }
}
