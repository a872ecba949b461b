//! Routes: which request goes where, and what is done to it on the way.

use crate::{BackendKey, Cors, ObjectName, RetryPolicy, SessionPersistence, TrafficOptions};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The kind of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteKind {
    /// `HTTPRoute`.
    Http,
    /// `GRPCRoute`: our own answers to its requests are gRPC's.
    Grpc,
    /// `TLSRoute`.
    Tls,
    /// `TCPRoute`.
    Tcp,
    /// `UDPRoute`.
    Udp,
}

/// A route's place. Shown as `HTTPRoute namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey {
    /// Its kind.
    pub kind: RouteKind,
    /// Its name.
    pub name: ObjectName,
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            RouteKind::Http => "HTTPRoute",
            RouteKind::Grpc => "GRPCRoute",
            RouteKind::Tls => "TLSRoute",
            RouteKind::Tcp => "TCPRoute",
            RouteKind::Udp => "UDPRoute",
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// A route of connections or datagrams: a `TLSRoute`, `TCPRoute` or `UDPRoute`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRoute {
    /// Its place.
    pub key: RouteKey,
    /// As [`Route::age`].
    pub age: u32,
    /// The name of its one rule, where it has one.
    pub rule: Option<Arc<str>>,
    /// Where connections and sessions go, by weight; without filters. What goes to one that does not resolve is closed.
    pub backends: Vec<BackendRef>,
}

/// A route of requests: an `HTTPRoute` or a `GRPCRoute`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its place.
    pub key: RouteKey,
    /// Its rank by age among all routes of its Config: the lower is the older, and wins between equals
    /// (ties by `namespace/name` are already part of it).
    pub age: u32,
    /// Its rules, in the order written.
    pub rules: Vec<Arc<RouteRule>>,
}

/// One rule of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteRule {
    /// Its index in the route as it was written; some of those before it may not be served.
    pub place: usize,
    /// Its name, where it has one.
    pub name: Option<Arc<str>>,
    /// A request fits the rule if it fits one of these; never empty.
    pub matches: Vec<RequestMatch>,
    /// What is done to requests and answers, in the order written.
    pub filters: Vec<Filter>,
    /// Where requests go, by weight. Empty: 500, unless a redirect answers.
    pub backends: Vec<BackendRef>,
    /// How long things may take.
    pub timeouts: RouteTimeouts,
    /// What is tried again; `None`: only what is tried again for every route.
    pub retry: Option<RetryPolicy>,
    /// How requests of one session get to one backend and instance.
    pub session: Option<Arc<SessionPersistence>>,
    /// What else policies ask of its requests; `None`: nothing.
    pub traffic: Option<Arc<TrafficOptions>>,
}

impl RouteRule {
    /// The backends that it refers to, each as often as it does: where requests go, and where copies of them do.
    pub fn targets(&self) -> impl Iterator<Item = &BackendKey> {
        let filters = self.backends.iter().flat_map(|backend| &backend.filters).chain(&self.filters);
        let mirrors = filters.filter_map(|filter| match filter {
            Filter::Mirror(mirror) => Some(&mirror.backend),
            _ => None,
        });
        let targets = self.backends.iter().filter_map(|backend| match &backend.target {
            BackendTarget::Backend(key) => Some(key),
            BackendTarget::Invalid(_) => None,
        });
        targets.chain(mirrors)
    }
}

/// Conditions on a request; all of them must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestMatch {
    /// On the canonical path, without the query.
    pub path: PathMatch,
    /// The method, in the case written; `None`: any.
    pub method: Option<Arc<str>>,
    /// On header fields; names in lower case, each at most once.
    pub headers: Vec<FieldMatch>,
    /// On query parameters; names with case, each at most once. The first value of a name counts.
    pub query: Vec<FieldMatch>,
}

impl Default for RequestMatch {
    /// Every request: prefix `/`.
    fn default() -> Self {
        Self { path: PathMatch::Prefix("/".into()), method: None, headers: Vec::new(), query: Vec::new() }
    }
}

/// A condition on the path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathMatch {
    /// The whole path; begins with `/`.
    Exact(Arc<str>),
    /// By path element: `/v2` fits `/v2` and `/v2/x`, not `/v2example`. Begins with `/`; a `/` at the end is
    /// dropped, except for `/` itself.
    Prefix(Arc<str>),
    /// A regular expression (the `regex` crate's syntax) that must fit the whole path. Checked.
    Regex(Arc<str>),
}

/// A condition on the value of a named header field or query parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldMatch {
    /// Whose value.
    pub name: Arc<str>,
    /// The condition.
    pub value: ValueMatch,
}

/// A condition on a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueMatch {
    /// The same bytes.
    Exact(Arc<str>),
    /// A regular expression that must fit the whole value. Checked.
    Regex(Arc<str>),
}

/// Something done to a request or its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Edits the request's header.
    RequestHeaders(HeaderEdits),
    /// Edits the answer's header.
    ResponseHeaders(HeaderEdits),
    /// Answers with a redirect; no backend is asked.
    Redirect(Redirect),
    /// Rewrites the path or the host before the backend sees them.
    Rewrite(Rewrite),
    /// Sends a copy of the request elsewhere.
    Mirror(Mirror),
    /// Answers cross-origin questions, and says in answers who may read them.
    Cors(Box<Cors>),
}

/// Edits of a header, applied in the order: set, add, remove. Names and values are valid per RFC 9110 §5.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Replaces every line of the name.
    pub set: Vec<(Arc<str>, Arc<str>)>,
    /// Adds another line.
    pub add: Vec<(Arc<str>, Arc<str>)>,
    /// Removes every line of the name; the case of names is ignored.
    pub remove: Vec<Arc<str>>,
}

/// The scheme of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`, port 80 unless said otherwise.
    Http,
    /// `https`, port 443 unless said otherwise.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// 80 or 443.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// `requestRedirect`: what is not given stays as the request had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The new scheme.
    pub scheme: Option<Scheme>,
    /// The new host, without a port.
    pub hostname: Option<Arc<str>>,
    /// The new path.
    pub path: Option<PathRewrite>,
    /// The new port. Absent: the scheme's own if a scheme is given, else the listener's.
    pub port: Option<u16>,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// `urlRewrite`: what is not given stays as the request had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The host that the backend sees.
    pub hostname: Option<Arc<str>>,
    /// The path that the backend sees.
    pub path: Option<PathRewrite>,
}

/// A new path. Both hold canonical paths that begin with `/` (a missing one is added on translation).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// The whole path; the query stays.
    Full(Arc<str>),
    /// Only what the rule's prefix match fitted; elements are joined without a double slash.
    Prefix(Arc<str>),
}

/// `requestMirror`: of so many requests a copy is sent to another backend, whose answers are thrown away.
///
/// A mirror whose reference does not resolve is none: translation leaves it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Where the copies go.
    pub backend: BackendKey,
    /// This many of [`Mirror::denominator`] requests are copied; not more than that.
    pub numerator: u32,
    /// At least 1.
    pub denominator: u32,
}

/// One of a rule's backends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendRef {
    /// Its share is this over the sum; 0 gets nothing.
    pub weight: u32,
    /// Which.
    pub target: BackendTarget,
    /// What is done only to what this one gets.
    pub filters: Vec<Filter>,
    /// How requests of one session get to one of its instances, where the rule does not say it.
    pub session: Option<Arc<SessionPersistence>>,
}

/// What a backend reference came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendTarget {
    /// It resolves.
    Backend(BackendKey),
    /// It does not: its share is answered with 500.
    Invalid(InvalidBackend),
}

/// Why a backend reference does not resolve; the names are Gateway API's reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InvalidBackend {
    /// There is no such object, or no such port.
    BackendNotFound,
    /// Its kind is not one that requests can go to.
    InvalidKind,
    /// It is in another namespace, and no `ReferenceGrant` allows it.
    RefNotPermitted,
    /// Its `appProtocol` is not one that we speak.
    UnsupportedProtocol,
    /// A `BackendTLSPolicy` asks for TLS to it and is not valid itself: nothing may go there in cleartext.
    InvalidTls,
    /// What says where its instances are found names something that is not there.
    InvalidDiscovery,
}

impl InvalidBackend {
    /// The reason as Gateway API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BackendNotFound => "BackendNotFound",
            Self::InvalidKind => "InvalidKind",
            Self::RefNotPermitted => "RefNotPermitted",
            Self::UnsupportedProtocol => "UnsupportedProtocol",
            Self::InvalidTls => "InvalidTls",
            Self::InvalidDiscovery => "InvalidDiscovery",
        }
    }
}

/// A rule's timeouts; `None`: not given (defaults of the listener's options rule), zero: switched off (GEP-1742).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteTimeouts {
    /// From the request's head to the end of the answer, retries and all.
    pub request: Option<Duration>,
    /// One attempt, from its first byte sent to the head of its answer.
    pub backend_request: Option<Duration>,
}
