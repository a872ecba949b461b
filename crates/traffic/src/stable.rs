//! Hashes that every process, release and machine works out alike: what is remembered by them outlives a restart, and
//! gateways beside each other agree. XXH3 (github.com/Cyan4973/xxHash), which is specified; not for secrets.

use std::net::{IpAddr, SocketAddr};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The hash of some bytes.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// Another number for each `turn`, as even as hashes are.
pub(crate) fn rehash(hash: u64, turn: u64) -> u64 {
    xxh3_64_with_seed(&hash.to_le_bytes(), turn)
}

/// The hash of an address without a port: the same however it is written.
#[must_use]
pub fn of_address(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => hash(&address.octets()),
        IpAddr::V6(address) => hash(&address.octets()),
    }
}

/// The hash of an address and a port.
pub(crate) fn of_socket(address: SocketAddr) -> u64 {
    rehash(of_address(address.ip()), address.port().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_never_change() {
        // What clients hold of sessions depends on them.
        assert_eq!(0x2D06_8005_38D3_94C2, hash(b""));
        let four: SocketAddr = "192.0.2.1:80".parse().expect("an address");
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:80".parse().expect("an address");
        assert_eq!(of_socket(four), of_socket(mapped));
        assert_ne!(of_socket(four), of_socket("192.0.2.1:81".parse().expect("an address")));
    }
}
