//! Ports of 127.0.0.1 for tests.

use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

/// A port kept for the gateway's listener, and the one after it for its admin API.
///
/// The first port is held by a bound socket that never listens: other tests cannot take it, connecting to it is
/// refused, and the gateway can still listen there since both set `SO_REUSEPORT`. The second is only looked at:
/// it belongs to whoever holds the first. Both lie below the ephemeral range, so that no connection's local port
/// takes them. What remains is a race with a foreign program that binds a fixed port; starting the gateway is tried
/// again with other ports then.
pub struct PortReservation {
    port: u16,
    _held: Socket,
}

impl PortReservation {
    /// Finds a free pair.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Test processes begin at different places, so that they seldom meet.
        let start = std::process::id() % 5_000;
        for _ in 0..5_000 {
            let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            let port = 20_000 + 2 * ((start * 37 + step) % 5_000) as u16;
            let Some(held) = bind(port) else { continue };
            // Set after binding: an earlier holder's option must not let us share with it.
            if held.set_reuse_port(true).is_err() || bind(port + 1).is_none() {
                continue;
            }
            return Self { port, _held: held };
        }
        unreachable!("no free pair of ports between 20000 and 30000")
    }

    /// The listener's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The admin API's address.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port + 1))
    }
}

impl Default for PortReservation {
    fn default() -> Self {
        Self::new()
    }
}

fn bind(port: u16) -> Option<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).ok()?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).ok()?;
    Some(socket)
}

/// An address that nobody else can take and that does not accept.
pub struct SilentPort {
    address: SocketAddr,
    socket: Socket,
}

impl SilentPort {
    /// Connecting is refused (a bound socket that does not listen).
    ///
    /// # Panics
    /// If the system gives no socket.
    #[must_use]
    pub fn refusing() -> Self {
        let socket = bind(0).expect("an ephemeral port of 127.0.0.1");
        let address = socket.local_addr().ok().and_then(|address| address.as_socket());
        Self { address: address.expect("a bound IPv4 socket has an address"), socket }
    }

    /// Connecting never ends: it listens with an accept queue that is full already.
    ///
    /// # Panics
    /// If the system gives no sockets.
    #[must_use]
    pub fn hanging() -> HangingPort {
        let silent = Self::refusing();
        silent.socket.listen(0).expect("a bound socket can listen");
        // A backlog of 0 takes one connection; more are tried until one does not get through at once.
        let mut fillers = Vec::new();
        for _ in 0..8 {
            let filler = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
            let connected =
                filler.connect_timeout(&silent.address.into(), std::time::Duration::from_millis(100)).is_ok();
            if !connected {
                break;
            }
            fillers.push(filler);
        }
        HangingPort { silent, _fillers: fillers }
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// See [`SilentPort::hanging`].
pub struct HangingPort {
    silent: SilentPort,
    _fillers: Vec<Socket>,
}

impl HangingPort {
    /// The address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.silent.address
    }
}
