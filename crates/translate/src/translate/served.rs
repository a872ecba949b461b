//! What goes with what: kinds of routes and protocols of listeners.

use crate::kinds::{GrpcRoute, HttpRoute, Kind, Protocol, TcpRoute, TlsMode, TlsRoute, UdpRoute};

/// The kinds of routes that go with a protocol.
pub(super) fn route_kinds(protocol: Protocol, mode: TlsMode) -> &'static [&'static str] {
    match (protocol, mode) {
        (Protocol::Http | Protocol::Https, _) => &[HttpRoute::KIND, GrpcRoute::KIND],
        (Protocol::Tls, TlsMode::Passthrough) => &[TlsRoute::KIND],
        (Protocol::Tls, TlsMode::Terminate) => &[TlsRoute::KIND, TcpRoute::KIND],
        (Protocol::Tcp, _) => &[TcpRoute::KIND],
        (Protocol::Udp, _) => &[UdpRoute::KIND],
    }
}

/// Every kind of route of the API.
pub(super) const ROUTE_KINDS: &[&str] =
    &[HttpRoute::KIND, GrpcRoute::KIND, TlsRoute::KIND, TcpRoute::KIND, UdpRoute::KIND];
