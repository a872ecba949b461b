//! The nouns of a configuration: what is meant, in validated types.
//!
//! [`Config`] is the second of the project's three shapes: Resources (what was written) are
//! translated to a `Config` (what is meant), which is compiled to a Snapshot (what runs). Nothing here waits,
//! reads a clock or touches a file. An invalid value cannot be built: names, hosts and patterns are checked
//! by the constructors, and `translate` turns what they refuse into [`Problem`]s.

mod backend;
mod compression;
mod cors;
mod flow;
mod host;
mod limit_store;
mod listener;
mod name;
mod options;
mod problem;
mod reuse;
mod route;
mod secret;
mod tls;

pub use backend::{
    AddressFamily, Algorithm, Backend, BackendKey, BackendKind, BackendLimits, BackendOptions,
    BackendProtocol, BeforeFirstCheck, ConsulSource, DnsRecords, DnsSource, Ejection, Endpoint, Endpoints,
    HashKey, Hashing, HealthCheck, HealthChecks, HttpCheck, LatencyOutlier, Locality, Pool,
    ProxyProtocolVersion, RetryBudget, RetryConditions, RetryPolicy, SessionCarrier, SessionPersistence,
    SuccessRate,
};
pub use compression::{Compression, ContentCoding, MediaRange, MediaRangeError};
pub use cors::{Cors, CorsAllowed, CorsOrigin, CorsOriginError};
pub use flow::{
    Bandwidth, Concurrency, ConcurrencyQueue, Fault, FaultAbort, Priorities, Priority, PriorityRule,
    RateLimit, RateLimitKey, RequestBuffer, TrafficOptions,
};
pub use host::{HostPattern, HostPatternError};
pub use limit_store::{LimitStore, LimitStoreKind, RedisStore, SharedLimit, StoreFailure};
pub use listener::{AttachedRoute, AttachedStreamRoute, Listener, ListenerKey, ListenerProtocol};
pub use name::{NameError, ObjectName};
pub use options::{Limits, ProxyOptions, Timeouts};
pub use problem::{Position, Problem, Severity};
pub use route::{
    BackendRef, BackendTarget, FieldMatch, Filter, HeaderEdits, InvalidBackend, Mirror, PathMatch,
    PathRewrite, Redirect, RequestMatch, Rewrite, Route, RouteKey, RouteKind, RouteRule, RouteTimeouts,
    Scheme, StreamRoute, ValueMatch,
};
pub use secret::SecretBytes;
pub use tls::{Authorities, BackendTls, Certificate, ClientValidation, ListenerTls, SubjectName};

use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that is meant, at one moment: the input of a compile.
///
/// Parts are shared by `Arc`, so that a later `Config` can carry over what did not change.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The listeners that are valid, in order of precedence (the older first).
    pub listeners: Vec<Arc<Listener>>,
    /// Every backend that a route refers to, and those that a policy alone names.
    pub backends: BTreeMap<BackendKey, Arc<Backend>>,
    /// Every store that a rate limit names, by the object that says it.
    pub limit_stores: Vec<Arc<LimitStore>>,
}
