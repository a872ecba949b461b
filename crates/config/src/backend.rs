//! Backends: the instances of a service, and how they are treated.

mod affinity;
mod discovery;
mod ejection;
mod health_checks;
mod limits;
mod retry;

pub use affinity::{HashKey, Hashing, Locality, SessionCarrier, SessionPersistence};
pub use discovery::{AddressFamily, ConsulSource, DnsRecords, DnsSource};
pub use ejection::{Ejection, LatencyOutlier, SuccessRate};
pub use health_checks::{BeforeFirstCheck, HealthCheck, HealthChecks, HttpCheck};
pub use limits::BackendLimits;
pub use retry::{RetryConditions, RetryPolicy};

use crate::{BackendTls, Concurrency, ObjectName};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a backend is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackendKind {
    /// A core `Service`; its endpoints come from `EndpointSlices`.
    Service,
    /// Our own `Backend`.
    Backend,
}

/// A backend's place, and how its instances are reached from there. Shown as `Service namespace/name:port`, and
/// `Backend namespace/name` where the port is 0; what is spoken follows where it is not HTTP/1.1, and the Gateway where
/// it has a certificate of its own for them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendKey {
    /// What it is made of.
    pub kind: BackendKind,
    /// Its name.
    pub name: ObjectName,
    /// The port that routes name (a Service's own port, not the endpoints'). 0 for a `Backend`, which has none.
    pub port: u16,
    /// What is spoken to it. Part of its place: one port may be reached by an `HTTPRoute` over HTTP/1.1, by a `GRPCRoute`
    /// over HTTP/2 and by a `TCPRoute` as bytes, and connections of one are no use to another.
    pub protocol: BackendProtocol,
    /// The Gateway whose client certificate is shown to it. `None`: none is shown.
    pub identity: Option<ObjectName>,
}

impl BackendKey {
    /// What is made of it, whatever is spoken there: `Service namespace/name:port` or `Backend namespace/name`.
    #[must_use]
    pub fn place(&self) -> String {
        let place = Self { protocol: BackendProtocol::Http1, identity: None, ..self.clone() };
        place.to_string()
    }
}

impl fmt::Display for BackendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            BackendKind::Service => "Service",
            BackendKind::Backend => "Backend",
        };
        write!(f, "{kind} {}", self.name)?;
        if self.port != 0 {
            write!(f, ":{}", self.port)?;
        }
        match self.protocol {
            BackendProtocol::Http1 => {}
            BackendProtocol::Http2 => f.write_str(" h2")?,
            BackendProtocol::Tcp => f.write_str(" tcp")?,
            BackendProtocol::Udp => f.write_str(" udp")?,
        }
        self.identity.as_ref().map_or(Ok(()), |gateway| write!(f, " as {gateway}"))
    }
}

/// A backend: where its instances are, and how requests are sent to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Backend {
    /// Its place.
    pub key: BackendKey,
    /// Where its instances are found.
    pub endpoints: Endpoints,
    /// How TLS is begun with them; `None`: cleartext. What is spoken inside is the key's protocol. It is not begun for the
    /// bytes of a TLS listener that passes them on: they are TLS already.
    pub tls: Option<Arc<BackendTls>>,
    /// How they are treated.
    pub options: Arc<BackendOptions>,
}

/// Where the instances of a backend are found.
#[derive(Clone, Debug, PartialEq)]
pub enum Endpoints {
    /// They are known; sorted by address, no address twice. May be empty: 503.
    Static(Vec<Endpoint>),
    /// A name that is looked up again and again.
    Dns(Arc<DnsSource>),
    /// A service that Consul is asked for.
    Consul(Arc<ConsulSource>),
}

/// One instance of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its share relative to the others'; at least 1.
    pub weight: u32,
    /// The zones whose requests it is for: its own, or those that its hints name. Empty: not known.
    pub zones: Box<[Arc<str>]>,
    /// It is used when those of a lower number are not to be had (RFC 2782). Usually 0.
    pub priority: u16,
}

impl Endpoint {
    /// An instance of no known zone.
    #[must_use]
    pub fn new(address: SocketAddr, weight: u32) -> Self {
        Self { address, weight, zones: Box::default(), priority: 0 }
    }
}

/// What is spoken to a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackendProtocol {
    /// HTTP/1.1. Over TLS it is offered by ALPN, and an instance that knows no ALPN is taken to speak it.
    #[default]
    Http1,
    /// HTTP/2: in cleartext with prior knowledge (`kubernetes.io/h2c`, and what a `GRPCRoute` names without saying
    /// otherwise), over TLS by ALPN.
    Http2,
    /// Bytes that are passed on as they come.
    Tcp,
    /// Datagrams that are passed on as they come.
    Udp,
}

/// A version of the PROXY protocol (haproxy.org, `proxy-protocol.txt`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyProtocolVersion {
    /// One line of text.
    V1,
    /// A binary header.
    V2,
}

/// How a request's instance is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Power of two choices by peak EWMA of latency times load.
    #[default]
    PeakEwma,
    /// Power of two choices by requests under way.
    LeastRequest,
    /// In turn.
    RoundRobin,
    /// By chance.
    Random,
    /// By a key of the request, on a ring of hashes.
    RingHash,
    /// By a key of the request, in a table (Eisenbud et al., Maglev, 2016).
    Maglev,
}

impl Algorithm {
    /// Whether it goes by a key of the request.
    #[must_use]
    pub fn is_hashed(self) -> bool {
        matches!(self, Self::RingHash | Self::Maglev)
    }
}

/// How a backend's instances are treated (`BackendPolicy`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackendOptions {
    /// How one is chosen.
    pub algorithm: Algorithm,
    /// What requests are told apart by, where the algorithm goes by a key.
    pub hashing: Hashing,
    /// Which are preferred by their zone.
    pub locality: Locality,
    /// How requests of one session get to one of them, where a rule does not say it.
    pub session: Option<Arc<SessionPersistence>>,
    /// How long connecting may take. `None`: 1 s while another endpoint is left to try, else 5 s.
    pub connect_timeout: Option<Duration>,
    /// Whether connections begin with a PROXY header that tells the client's address, and of which version. Datagrams have
    /// none.
    pub proxy_protocol: Option<ProxyProtocolVersion>,
    /// Idle connections.
    pub pool: Pool,
    /// How they are checked; `None`: not at all.
    pub health_checks: Option<HealthChecks>,
    /// When one that answers badly is left out for a while.
    pub ejection: Ejection,
    /// How much they are given at once.
    pub limits: BackendLimits,
    /// How many requests may be under way at once, by what they can do; `None`: any number. Whatever its scope says, it counts
    /// those of all routes together, whatever is spoken.
    pub concurrency: Option<Concurrency>,
    /// What is tried again where a route does not say it; `None`: what is tried again for every route.
    pub retry: Option<RetryPolicy>,
    /// How many retries there may be.
    pub retry_budget: RetryBudget,
}

/// What is kept of idle connections to a backend's instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// How long one may be idle. Default 4 s: many servers close theirs after 5.
    pub idle_timeout: Duration,
    /// How many are kept idle, an endpoint and core. Default 256.
    pub max_idle: u32,
}

impl Default for Pool {
    fn default() -> Self {
        Self { idle_timeout: Duration::from_secs(4), max_idle: 256 }
    }
}

/// How many retries a backend's requests may have together (GEP-3388): in any interval, retries ≤ percent of
/// the requests + `min_per_second` × interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// Share of the requests. Default 20.
    pub percent: u8,
    /// Over how long. Default 10 s.
    pub interval: Duration,
    /// Retries a second that are always allowed. Default 10.
    pub min_per_second: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { percent: 20, interval: Duration::from_secs(10), min_per_second: 10 }
    }
}
