//! The handshake of WebSocket between versions of HTTP: HTTP/1.1 has a key that the server hashes (RFC 6455 §1.3), HTTP/2
//! has none (RFC 8441 §5).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use irongate_message::TextEncoder;

/// What a server appends to a key before it hashes it.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A key for an origin over HTTP/1.1, of 16 random bytes. It proves that the origin knows the protocol; nothing is secret.
pub(crate) fn key(random: [u64; 2]) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    let mut encoder = TextEncoder::default();
    random.iter().for_each(|part| encoder.encode(&part.to_ne_bytes(), &mut out));
    encoder.flush(&mut out);
    out
}

/// What a server answers to a key.
pub(crate) fn accept(key: &[u8]) -> Vec<u8> {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat());
    let mut out = Vec::with_capacity(28);
    let mut encoder = TextEncoder::default();
    encoder.encode(hash.as_ref(), &mut out);
    encoder.flush(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455 §1.3.
    #[test]
    fn keys_are_answered() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(key([0, 0]), b"AAAAAAAAAAAAAAAAAAAAAA==");
    }
}
