//! What of a backend's requests is tried again.

use std::time::Duration;

/// What is tried again after which failure: `retry` of a rule (GEP-1731), or of a backend where the rule has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many more tries after the first.
    pub attempts: u32,
    /// Statuses that are tried again, 400 to 599.
    pub codes: Vec<u16>,
    /// gRPC statuses that are tried again, 1 to 16, where an answer has no messages.
    pub grpc_codes: Vec<u8>,
    /// Failures without an answer that are tried again.
    pub conditions: RetryConditions,
    /// How long one attempt may take to the head of its answer, where the route does not say it.
    pub attempt_timeout: Option<Duration>,
    /// The least wait before another try, doubled with each. `None`: none before the first on another endpoint, else 25 ms.
    pub backoff: Option<Duration>,
}

/// Failures without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryConditions {
    /// No connection.
    pub connect_failure: bool,
    /// The peer says that it did not act on the request.
    pub refused_stream: bool,
    /// The connection broke, or the stream was reset.
    pub reset: bool,
    /// The attempt's time was over.
    pub timeout: bool,
}

impl Default for RetryConditions {
    /// All of them.
    fn default() -> Self {
        Self { connect_failure: true, refused_stream: true, reset: true, timeout: true }
    }
}
