//! What of all that is understood is served. Whatever learns to serve more says so here, and nowhere else.

use crate::kinds::{HttpRoute, Kind, Protocol, TlsMode};

/// Whether the data plane speaks a protocol. Listeners of the others are judged in every other respect; they are not
/// programmed.
pub(super) fn is_served(protocol: Protocol) -> bool {
    match protocol {
        Protocol::Http => true,
        Protocol::Https | Protocol::Tls | Protocol::Tcp | Protocol::Udp => false,
    }
}

/// The kinds of routes that go with a protocol, of those that are served.
pub(super) fn route_kinds(protocol: Protocol, mode: Option<TlsMode>) -> &'static [&'static str] {
    match (protocol, mode) {
        (Protocol::Http | Protocol::Https, _) => &[HttpRoute::KIND],
        (Protocol::Tls | Protocol::Tcp | Protocol::Udp, _) => &[],
    }
}

/// Every kind of route of the API, served or not.
pub(super) const ROUTE_KINDS: &[&str] = &["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"];
