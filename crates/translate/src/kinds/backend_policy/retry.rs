//! `retry`: what of a backend's requests is tried again.

use crate::checks::Checks;
use crate::kinds::GatewayDuration;
use crate::yaml::path::At;
use irongate_config::{RetryConditions, RetryPolicy};
use schemars::JsonSchema;
use serde::Deserialize;

/// What is tried again, where a route's rule has no `retry` of its own. Only requests that can be sent again are: those of
/// idempotent methods, and others where the instance cannot have acted on them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryFields {
    /// How many more tries after the first. Not written: 1.
    #[schemars(range(max = 20))]
    pub attempts: Option<u32>,
    /// After which failures without an answer. Not written: all of them.
    pub on: Option<Vec<RetryConditionName>>,
    /// After which statuses, 400 to 599.
    pub statuses: Vec<u16>,
    /// After which statuses of gRPC, where an answer has no messages.
    pub grpc_statuses: Vec<GrpcStatusName>,
    /// How long one try may take to the head of its answer, where the route has no `backendRequest` timeout.
    pub per_try_timeout: Option<GatewayDuration>,
    /// The least wait before another try; it is doubled with each up to ten times that, and up to a quarter more by chance. Not
    /// written: none before the first on another instance, else 25ms.
    pub backoff: Option<GatewayDuration>,
}

/// A failure without an answer.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum RetryConditionName {
    /// No connection.
    ConnectFailure,
    /// The instance says that it did not act on the request.
    RefusedStream,
    /// The connection broke, or the stream was reset.
    Reset,
    /// The time of one try was over.
    Timeout,
}

/// A status of gRPC that is no success.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are gRPC's")]
pub enum GrpcStatusName {
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl RetryFields {
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        if self.attempts.is_some_and(|attempts| attempts > 20) {
            checks.invalid(&at.field("attempts"), "must be from 0 to 20", "");
        }
        let statuses = at.field("statuses");
        checks.no_more_than(&statuses, self.statuses.len(), 64);
        for (place, status) in self.statuses.iter().enumerate() {
            if !(400..=599).contains(status) {
                checks.invalid(&statuses.index(place), "must be from 400 to 599", "");
            }
        }
        if self.per_try_timeout.is_some_and(|timeout| timeout.0.is_zero()) {
            checks.invalid(&at.field("perTryTimeout"), "must be longer than nothing", "");
        }
    }

    pub(crate) fn meant(&self) -> RetryPolicy {
        let on = |name| self.on.as_ref().is_none_or(|on| on.contains(&name));
        RetryPolicy {
            attempts: self.attempts.unwrap_or(1).min(20),
            codes: self.statuses.iter().copied().filter(|status| (400..=599).contains(status)).collect(),
            grpc_codes: self.grpc_statuses.iter().map(|name| *name as u8).collect(),
            conditions: RetryConditions {
                connect_failure: on(RetryConditionName::ConnectFailure),
                refused_stream: on(RetryConditionName::RefusedStream),
                reset: on(RetryConditionName::Reset),
                timeout: on(RetryConditionName::Timeout),
            },
            attempt_timeout: self.per_try_timeout.map(|timeout| timeout.0),
            backoff: self.backoff.map(|backoff| backoff.0),
        }
    }
}
