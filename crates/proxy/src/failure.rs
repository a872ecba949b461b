//! Why a request was not answered as its backend would have: whose fault, with which status, and under which
//! name in log and metrics. What is sent to the client is in [`reply`](crate::reply), and nowhere else.

use crate::body::BodyFailure;
use irongate_config::{FaultAbort, InvalidBackend};
use irongate_message::{GrpcCode, HeadError};
use irongate_telemetry::Reason;
use irongate_traffic::Limited;

/// A request's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The request's head is refused.
    Head(HeadError),
    /// The head did not come in time.
    HeadTimeout,
    /// A rate limit was reached.
    RateLimited,
    /// As many requests are under way as those who serve them can bear.
    Overloaded,
    /// A store that counts it for a rate limit gave no answer.
    LimitUnanswered,
    /// The request's body is longer than the route takes.
    BodyTooLarge,
    /// It was made on purpose.
    Injected(FaultAbort),
    /// `CONNECT` is not offered.
    Connect,
    /// The host belongs to another listener than the one that the connection's TLS was begun with.
    Misdirected,
    /// No listener is for the host, or no route fits.
    NoRoute,
    /// The rule has no backends at all, or all have weight 0.
    NoBackend,
    /// The rule's backend reference does not resolve.
    InvalidBackend(InvalidBackend),
    /// The backend has no endpoint that could be tried.
    NoEndpoint,
    /// Connecting failed, to every endpoint that was tried.
    ConnectFailed,
    /// Connecting took too long.
    ConnectTimeout,
    /// TLS could not be begun with the endpoint; the reason is a stable token.
    Tls(&'static str),
    /// All connections that may be opened to the endpoint are full.
    UpstreamFull,
    /// The backend's policy allows no more at once.
    Limit(Limited),
    /// Nothing comes from the endpoint any more, new connections neither.
    UpstreamSilent,
    /// The connection ended before an answer came.
    UpstreamClosed,
    /// The origin reset the stream before an answer came, with this code.
    UpstreamReset(u32),
    /// What came is no valid answer.
    BadAnswer(&'static str),
    /// The route's request timeout.
    RequestTimeout,
    /// The route's backend request timeout, or the listener's response timeout.
    AttemptTimeout,
    /// The client's body stopped coming.
    BodyStalled,
    /// The origin stopped taking the body, or stopped sending its own.
    UpstreamStalled,
    /// Nothing moved in a tunnel for too long.
    TunnelIdle,
    /// It was ended from our side before it was over: by the end of a drain, or a panic.
    Stopped,
    /// The client's body is malformed.
    BadBody(&'static str),
    /// The client went away.
    ClientGone,
    /// The client stopped taking the answer.
    ClientStalled,
    /// The origin broke off its answer after it had begun.
    AnswerBroken(&'static str),
    /// The same by resetting the stream, with this code.
    AnswerReset(u32),
}

impl Failure {
    /// What the client is answered, if the answer has not begun. 0: nothing can be answered.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Head(error) => error.status(),
            Self::HeadTimeout | Self::BodyStalled => 408,
            Self::RateLimited => 429,
            Self::BodyTooLarge => 413,
            Self::Injected(FaultAbort::Status(status)) => status,
            Self::Injected(FaultAbort::Grpc(_)) => 503,
            Self::Injected(FaultAbort::Reset) => 0,
            Self::Connect => 501,
            Self::Misdirected => 421,
            Self::NoRoute => 404,
            Self::NoBackend | Self::InvalidBackend(_) => 500,
            Self::Overloaded
            | Self::LimitUnanswered
            | Self::NoEndpoint
            | Self::ConnectFailed
            | Self::ConnectTimeout
            | Self::UpstreamFull
            | Self::Limit(_) => 503,
            Self::UpstreamClosed
            | Self::UpstreamReset(_)
            | Self::Tls(_)
            | Self::BadAnswer(_)
            | Self::AnswerBroken(_)
            | Self::AnswerReset(_) => 502,
            Self::RequestTimeout
            | Self::AttemptTimeout
            | Self::UpstreamSilent
            | Self::UpstreamStalled
            | Self::TunnelIdle => 504,
            Self::BadBody(_) => 400,
            Self::ClientGone | Self::ClientStalled | Self::Stopped => 0,
        }
    }

    /// What a client that speaks gRPC is told.
    pub(crate) fn grpc_code(self) -> GrpcCode {
        match self {
            Self::UpstreamReset(code) | Self::AnswerReset(code) => GrpcCode::of_reset(code),
            Self::ClientGone | Self::ClientStalled => GrpcCode::CANCELLED,
            Self::RateLimited | Self::BodyTooLarge => GrpcCode::RESOURCE_EXHAUSTED,
            Self::Injected(FaultAbort::Grpc(code)) => GrpcCode::of_number(code),
            _ => GrpcCode::of_http(self.status()),
        }
    }

    /// The stable name for log, metrics and the header for trusted clients.
    pub(crate) fn reason(self) -> Reason {
        Reason::new(match self {
            Self::Head(error) => error.reason(),
            Self::HeadTimeout => "head_timeout",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::LimitUnanswered => "limit_unanswered",
            Self::BodyTooLarge => "body_too_large",
            Self::Injected(_) => "fault_injected",
            Self::Connect => "connect_not_offered",
            Self::Misdirected => "misdirected",
            Self::NoRoute => "no_route",
            Self::NoBackend => "no_backend",
            Self::InvalidBackend(InvalidBackend::BackendNotFound) => "backend_not_found",
            Self::InvalidBackend(InvalidBackend::InvalidKind) => "backend_invalid_kind",
            Self::InvalidBackend(InvalidBackend::RefNotPermitted) => "backend_ref_not_permitted",
            Self::InvalidBackend(InvalidBackend::UnsupportedProtocol) => "backend_unsupported_protocol",
            Self::InvalidBackend(InvalidBackend::InvalidTls) => "backend_invalid_tls",
            Self::InvalidBackend(InvalidBackend::InvalidDiscovery) => "backend_invalid_discovery",
            Self::NoEndpoint => "no_endpoint",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::UpstreamFull => "upstream_full",
            Self::Limit(Limited::Connections) => "limit_connections",
            Self::Limit(Limited::Pending) => "limit_pending",
            Self::Limit(Limited::Requests) => "limit_requests",
            Self::Limit(Limited::Retries) => "limit_retries",
            Self::UpstreamSilent => "upstream_silent",
            Self::UpstreamClosed => "upstream_closed",
            Self::UpstreamReset(_) => "upstream_reset",
            Self::AnswerReset(_) => "answer_reset",
            Self::Tls(reason)
            | Self::BadAnswer(reason)
            | Self::BadBody(reason)
            | Self::AnswerBroken(reason) => reason,
            Self::RequestTimeout => "request_timeout",
            Self::AttemptTimeout => "backend_timeout",
            Self::BodyStalled => "body_stalled",
            Self::UpstreamStalled => "upstream_stalled",
            Self::TunnelIdle => "tunnel_idle",
            Self::Stopped => "stopped",
            Self::ClientGone => "client_gone",
            Self::ClientStalled => "client_stalled",
        })
    }

    /// The sentence for the client: what happened, nothing of how the inside looks.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Head(_) => match self.status() {
                414 => "The request target is too long.",
                431 => "The request's header is too large.",
                501 => "The request uses something that this server does not offer.",
                505 => "The HTTP version is not supported.",
                508 => "The request has been here before.",
                _ => "The request is malformed.",
            },
            Self::HeadTimeout | Self::BodyStalled => "The request did not come in time.",
            Self::RateLimited => "There were too many requests.",
            Self::Overloaded => "There is more to do than can be done now.",
            Self::LimitUnanswered => "Whether there were too many requests cannot be told now.",
            Self::BodyTooLarge => "The request's body is too large.",
            Self::Injected(_) => "This failure was made on purpose.",
            Self::Connect => "CONNECT is not offered.",
            Self::Misdirected => "This connection is not for the requested host.",
            Self::NoRoute => "No route matches the request.",
            Self::NoBackend | Self::InvalidBackend(_) => "The route's backend is not configured correctly.",
            Self::NoEndpoint => "No instance of the backend is ready.",
            Self::ConnectFailed | Self::ConnectTimeout => "The backend could not be reached.",
            Self::Tls(_) => "A secure connection to the backend could not be made.",
            Self::UpstreamFull | Self::Limit(_) => "The backend has no room for another request.",
            Self::UpstreamClosed
            | Self::UpstreamReset(_)
            | Self::BadAnswer(_)
            | Self::AnswerBroken(_)
            | Self::AnswerReset(_) => "The backend did not give a valid answer.",
            Self::RequestTimeout
            | Self::AttemptTimeout
            | Self::UpstreamSilent
            | Self::UpstreamStalled
            | Self::TunnelIdle => "The backend did not answer in time.",
            Self::BadBody(_) => "The request's body is malformed.",
            Self::ClientGone | Self::ClientStalled | Self::Stopped => "",
        }
    }

    /// An answer's body that broke off.
    pub(crate) fn of_answer_body(failure: BodyFailure) -> Self {
        match failure {
            BodyFailure::Closed | BodyFailure::Truncated => Self::AnswerBroken("answer_truncated"),
            BodyFailure::Reset(code) => Self::AnswerReset(code),
            BodyFailure::Malformed(reason) => Self::AnswerBroken(reason),
        }
    }

    /// A failure of the client's own body.
    pub(crate) fn of_request_body(failure: BodyFailure) -> Self {
        match failure {
            BodyFailure::Closed | BodyFailure::Reset(_) | BodyFailure::Truncated => Self::ClientGone,
            BodyFailure::Malformed(reason) => Self::BadBody(reason),
        }
    }
}
