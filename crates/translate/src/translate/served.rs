//! What of all that is understood is served. Whatever learns to serve more says so here, and nowhere else.

use crate::kinds::{HttpRoute, Kind, Protocol, TcpRoute, TlsMode, TlsRoute, UdpRoute};

/// Whether routes of a kind are translated.
pub(super) fn is_kind_served(kind: &str) -> bool {
    [HttpRoute::KIND, TlsRoute::KIND, TcpRoute::KIND, UdpRoute::KIND].contains(&kind)
}

/// The kinds of routes that go with a protocol, served or not.
pub(super) fn route_kinds(protocol: Protocol, mode: TlsMode) -> &'static [&'static str] {
    match (protocol, mode) {
        (Protocol::Http | Protocol::Https, _) => &[HttpRoute::KIND, "GRPCRoute"],
        (Protocol::Tls, TlsMode::Passthrough) => &[TlsRoute::KIND],
        (Protocol::Tls, TlsMode::Terminate) => &[TlsRoute::KIND, TcpRoute::KIND],
        (Protocol::Tcp, _) => &[TcpRoute::KIND],
        (Protocol::Udp, _) => &[UdpRoute::KIND],
    }
}

/// Every kind of route of the API, served or not.
pub(super) const ROUTE_KINDS: &[&str] = &["HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"];
