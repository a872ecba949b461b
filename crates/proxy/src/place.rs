//! What is listened on: a socket address, and which kind of socket has it.

use irongate_config::{Listener, ListenerProtocol};
use std::fmt;
use std::net::SocketAddr;

/// A socket address of one kind of socket: TCP and UDP have ports of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) kind: PlaceKind,
}

/// The kind of a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum PlaceKind {
    /// TCP.
    Stream,
    /// UDP.
    Datagram,
    /// UDP, for QUIC.
    Quic,
}

impl Place {
    /// Where a listener is.
    pub(crate) fn of(listener: &Listener) -> impl Iterator<Item = Self> {
        let kind = match listener.protocol {
            ListenerProtocol::Udp => PlaceKind::Datagram,
            ListenerProtocol::Http
            | ListenerProtocol::Https
            | ListenerProtocol::Tls
            | ListenerProtocol::Tcp => PlaceKind::Stream,
        };
        let quic = speaks_http3(listener).then_some(PlaceKind::Quic);
        let kinds = [Some(kind), quic].into_iter().flatten();
        kinds.flat_map(|kind| listener.addresses.iter().map(move |&address| Self { address, kind }))
    }
}

/// Whether a listener speaks HTTP/3, beside what it speaks over TCP.
pub(crate) fn speaks_http3(listener: &Listener) -> bool {
    listener.protocol == ListenerProtocol::Https && listener.options.http3
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            PlaceKind::Stream => write!(f, "{}", self.address),
            PlaceKind::Datagram => write!(f, "{} (UDP)", self.address),
            PlaceKind::Quic => write!(f, "{} (UDP, HTTP/3)", self.address),
        }
    }
}
