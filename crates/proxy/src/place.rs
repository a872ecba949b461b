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
        listener.addresses.iter().map(move |&address| Self { address, kind })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            PlaceKind::Stream => write!(f, "{}", self.address),
            PlaceKind::Datagram => write!(f, "{} (UDP)", self.address),
        }
    }
}
