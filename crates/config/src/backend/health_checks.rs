//! Active checks: an instance is asked now and then, whether requests go there or not.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// How the instances of a backend are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthChecks {
    /// From the beginning of one check to that of the next. Default 10 s.
    pub interval: Duration,
    /// Up to this share of the interval is added by chance, in per cent, so that checks do not come together. Default 20.
    pub jitter_percent: u8,
    /// How long one may take, connecting and all. Default 2 s.
    pub timeout: Duration,
    /// So many in a row that fail take an instance out. At least 1; default 3.
    pub unhealthy_threshold: u32,
    /// So many in a row that pass bring it back. At least 1; default 2.
    pub healthy_threshold: u32,
    /// Where it is asked; `None`: at the endpoint's own port.
    pub port: Option<u16>,
    /// What holds for a new instance until it was checked.
    pub before_first: BeforeFirstCheck,
    /// What is asked.
    pub check: HealthCheck,
}

/// What holds for a new instance until its first check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BeforeFirstCheck {
    /// It gets requests.
    #[default]
    Ready,
    /// It gets none until a check has passed, while there is another instance that may have them.
    Waiting,
}

/// What a check asks, and what it has to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthCheck {
    /// A request of HTTP, in the version that the backend is spoken to.
    Http(HttpCheck),
    /// `grpc.health.v1.Health/Check`.
    Grpc {
        /// Of which service; empty: of the server as a whole.
        service: Arc<str>,
    },
    /// A connection.
    Tcp {
        /// What is sent on it; may be empty.
        send: Arc<[u8]>,
        /// What has to come back first; may be empty.
        expect: Arc<[u8]>,
    },
}

/// A check by a request of HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// Path and query; begins with `/`.
    pub path: Arc<str>,
    /// `Host`; `None`: the endpoint's address.
    pub host: Option<Arc<str>>,
    /// Default `GET`.
    pub method: Arc<str>,
    /// Statuses that are good. Never empty; default 200 to 299.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// A text that the first 64 KiB of the answer's body must hold.
    pub body: Option<Arc<str>>,
}
