//! The cryptography: aws-lc, X25519MLKEM768 first.

use rustls::CipherSuite;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use std::sync::{Arc, LazyLock};

/// What every configuration is built on.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        use aws_lc_rs::kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768};
        let kx_groups = vec![X25519MLKEM768, X25519, SECP256R1, SECP384R1];
        let mut provider = CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() };
        // Those with SHA-256 first: processors have instructions for it and none for SHA-384, with which a handshake costs
        // a fifth more. Stable, so that versions and kinds of keys stay in rustls's order.
        provider.cipher_suites.sort_by_key(|suite| !is_first(suite.suite()));
        Arc::new(provider)
    });
    PROVIDER.clone()
}

fn is_first(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}
