//! Ports of 127.0.0.1 for tests.

use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

/// A port for the gateway's listener and one for its admin API, kept from other tests.
///
/// The gateway insists on having its port alone, so nothing may hold it. What is held instead, by a bound socket
/// that never listens, is a third port beside the two: they belong to whoever holds that. All lie below the
/// ephemeral range, so that no connection's local port takes them. What remains is a race with a foreign program
/// that binds a fixed port; starting the gateway is tried again with other ports then.
pub struct PortReservation {
    port: u16,
    _held: Socket,
}

/// Where the ports begin.
const FIRST: u16 = 20_000;
/// How many groups of ports there are.
const GROUPS: u32 = 2_500;
/// Ports in a group; the fourth is not used.
const GROUP: u16 = 4;

impl PortReservation {
    /// Finds a free group.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Test processes begin at different places, so that they seldom meet.
        let start = std::process::id().wrapping_mul(37);
        for _ in 0..GROUPS {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let port = FIRST + GROUP * (start.wrapping_add(step) % GROUPS) as u16;
            let Some(held) = bind(port + 2) else { continue };
            if bind(port).is_some() && bind(port + 1).is_some() {
                return Self { port, _held: held };
            }
        }
        unreachable!("no free ports between {FIRST} and 30000")
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
