//! What is asked of the requests of a rule (`TrafficPolicy`), apart from timeouts and retries.

use crate::{Compression, SharedLimit};
use std::sync::Arc;
use std::time::Duration;

/// What is asked of a rule's requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficOptions {
    /// How many requests there may be; all of them have to let a request pass.
    pub rate_limits: Vec<RateLimit>,
    /// Failures that are made on purpose; the first that is drawn is made.
    pub faults: Vec<Fault>,
    /// How many may be under way at once; `None`: any number.
    pub concurrency: Option<Concurrency>,
    /// How important they are, for limits of what is under way.
    pub priorities: Priorities,
    /// A request that waits for so long is sent to another endpoint besides, if that does no harm; `None`: it is not. Longer than
    /// nothing.
    pub hedge_after: Option<Duration>,
    /// The longest body of a request, in bytes; `None`: any.
    pub max_request_body: Option<u64>,
    /// How answers are compressed; `None`: not at all.
    pub compression: Option<Compression>,
    /// Bodies of requests are read whole before anything is sent to a backend; `None`: they are passed on as they come.
    pub request_buffer: Option<RequestBuffer>,
    /// How fast bodies of requests are passed on; `None`: as fast as they come.
    pub request_bandwidth: Option<Bandwidth>,
    /// The same for answers.
    pub response_bandwidth: Option<Bandwidth>,
}

/// How fast bodies are passed on, in bytes a second; each at least 1 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// What it counts together, as it is shown: its policy and target.
    pub scope: Arc<str>,
    /// One body; `None`: no bound.
    pub per_request: Option<u64>,
    /// All of the target together, on all cores; `None`: no bound.
    pub total: Option<u64>,
}

/// Bodies of requests are read whole first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestBuffer {
    /// What it counts under, as it is shown: its policy and target.
    pub scope: Arc<str>,
    /// The longest body that is taken, in bytes; at least 1.
    pub max_size: u64,
    /// How long a body may take to come; longer than nothing.
    pub timeout: Duration,
}

/// How many requests there may be of one key. Exact over all cores (GCRA): in any time w at most
/// `burst + requests × w / per`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Its name, for clients and metrics; one of a kind in its scope.
    pub name: Arc<str>,
    /// What it counts together, as it is shown: its policy and target.
    pub scope: Arc<str>,
    /// So many in `per`; at least 1.
    pub requests: u32,
    /// Longer than nothing.
    pub per: Duration,
    /// So many at once; at least 1.
    pub burst: u32,
    /// What tells requests apart that are counted apart. Empty: all are counted together.
    pub key: Vec<RateLimitKey>,
    /// How many keys are kept apart; at least 1. Beyond, those are forgotten that would soonest have their whole burst again.
    pub max_keys: u32,
    /// Requests are counted and none is refused.
    pub dry_run: bool,
    /// Who counts for all replicas; `None`: the process counts for itself. The numbers of a limit that a service counts are the
    /// service's: those here count while it is away.
    pub shared: Option<SharedLimit>,
}

/// A part of the key of a [`RateLimit`]. A request that has it not is counted with all others that have it not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateLimitKey {
    /// The client's address, cut to so many bits.
    Client {
        /// Of an IPv4 address, 1 to 32.
        ipv4_bits: u8,
        /// Of an IPv6 address, 1 to 128.
        ipv6_bits: u8,
    },
    /// The values of a header field; the name is valid per RFC 9110 §5.1.
    Header(Arc<str>),
    /// The first value of a query parameter.
    Query(Arc<str>),
    /// The canonical path.
    Path,
    /// The method.
    Method,
    /// The same for every request.
    Constant(Arc<str>),
}

/// A failure that is made on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What it counts under, as it is shown: its policy and target.
    pub scope: Arc<str>,
    /// The share of the requests, in millionths.
    pub millionths: u32,
    /// Only requests that have all of these fields with these values.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// How long a request waits first: by chance from the first to the second.
    pub delay: Option<(Duration, Duration)>,
    /// How it is answered then, if no backend is to do it.
    pub abort: Option<FaultAbort>,
}

/// How a request is answered on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAbort {
    /// With this status, 400 to 599.
    Status(u16),
    /// With this status of gRPC, 1 to 16; to clients that do not speak it with 503.
    Grpc(u8),
    /// Not at all: the stream or the connection is reset.
    Reset,
}

/// How many requests may be under way at once: a limit that follows what those who serve them can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// What it counts together, as it is shown: its policy and target.
    pub scope: Arc<str>,
    /// The limit is never lower; at least 1.
    pub min: u32,
    /// And never higher; at least `min`.
    pub max: u32,
    /// Where requests wait that find no room; `None`: they are refused at once.
    pub queue: Option<ConcurrencyQueue>,
}

/// Where requests wait for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrencyQueue {
    /// So many at once, at least 1.
    pub size: u32,
    /// For so long at most; longer than nothing.
    pub timeout: Duration,
}

/// How important the requests of a rule are where not all can be served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Priorities {
    /// Of those that no rule is for.
    pub default: Priority,
    /// The first that is for a request counts.
    pub rules: Vec<PriorityRule>,
}

/// Which requests are how important.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorityRule {
    /// Those that have all of these fields with these values.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// How important they are.
    pub priority: Priority,
}

/// How important a request is where not all can be served; the more important is the lesser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Let pass up to twice the limit.
    High,
    /// Up to the limit.
    #[default]
    Normal,
    /// Up to four fifths of it.
    Low,
}

impl Priority {
    /// All of them, the most important first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// As metrics and views say it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}
