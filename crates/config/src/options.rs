//! What belongs to the proxy and not to a route (`GatewayParameters`), with the defaults that keep it safe.

use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Duration;

/// Options of a Gateway's listeners.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProxyOptions {
    /// Peers whose forwarding fields (`X-Forwarded-For` and the like) are believed and extended, and who are
    /// told the reason of a failure in a header.
    pub trusted_proxies: Vec<IpNet>,
    /// Peers whose connections begin with a PROXY header (version 1 or 2), which then says who the client is. One of them
    /// that sends none is refused; of other peers none is taken.
    pub proxy_protocol_from: Vec<IpNet>,
    /// HTTPS listeners speak HTTP/3 too, over UDP at the same port. Default no: it is experimental.
    pub http3: bool,
    /// Bounds on what is taken from peers.
    pub limits: Limits,
    /// Bounds on waits.
    pub timeouts: Timeouts,
}

impl ProxyOptions {
    /// Whether a peer's forwarding fields are believed.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&peer))
    }

    /// Whether a peer's connections begin with a PROXY header.
    #[must_use]
    pub fn expects_proxy_header(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.proxy_protocol_from.iter().any(|network| network.contains(&peer))
    }
}

/// Bounds on what is taken from peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The head of a request or an answer, and trailers, in bytes. Default 64 KiB.
    pub head_bytes: usize,
    /// Fields in a head. Default 256, at most 1,024.
    pub head_fields: usize,
    /// The request target, in bytes. Default 16 KiB.
    pub target_bytes: usize,
    /// Pipelined requests served in one turn of a connection. Default 16.
    pub pipelined: u32,
    /// HTTP/2 streams at once on one client connection. Default 100.
    pub streams: u32,
    /// Bytes of a request's body that are kept so that it can be sent again. Default 64 KiB.
    pub replay_bytes: usize,
    /// Clients that exchange datagrams at once, a UDP listener and core. Default 4,096.
    pub sessions: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 64 << 10,
            head_fields: 256,
            target_bytes: 16 << 10,
            pipelined: 16,
            streams: 100,
            replay_bytes: 64 << 10,
            sessions: 4096,
        }
    }
}

/// Bounds on waits. Zero switches none of them off: what may take for ever is not offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a head, from its first byte. Default 10 s.
    pub head: Duration,
    /// Idle keep-alive of an HTTP/1.1 client. Default 75 s.
    pub idle: Duration,
    /// Idle keep-alive of an HTTP/2 client. Default 5 min.
    pub http2_idle: Duration,
    /// Bytes wait for a peer, and it takes none. Default 60 s.
    pub stalled_write: Duration,
    /// Nothing moves either way on a stream. Default 5 min.
    pub stream_idle: Duration,
    /// The same for upgraded connections, gRPC, and connections that are passed on as bytes. Default 1 h.
    pub tunnel_idle: Duration,
    /// No datagram passes between a client of a UDP listener and its backend. Default 60 s.
    pub session_idle: Duration,
    /// From the end of the request to the head of the answer; not for gRPC, where `grpc-timeout` rules. Default 60 s.
    pub response: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            http2_idle: Duration::from_secs(300),
            stalled_write: Duration::from_secs(60),
            stream_idle: Duration::from_secs(300),
            tunnel_idle: Duration::from_secs(3600),
            session_idle: Duration::from_secs(60),
            response: Duration::from_secs(60),
        }
    }
}
