//! `faults` of a `TrafficPolicy`.

use crate::checks::{Checks, field_value, header_name};
use crate::kinds::{GatewayDuration, Header};
use crate::yaml::path::At;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// No request waits longer.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// A failure that is made on purpose.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FaultFields {
    /// The share of the requests, in per cent.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub percent: f64,
    /// Only requests that have all of these fields with these values.
    #[serde(default)]
    pub headers: Vec<Header>,
    /// The request waits before anything else is done.
    pub delay: Option<FaultDelayFields>,
    /// The request is answered without any backend.
    pub abort: Option<FaultAbortFields>,
}

/// How long a request waits: at most 60s.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FaultDelayFields {
    /// At least so long.
    pub time: GatewayDuration,
    /// And by chance up to so much longer.
    pub spread: Option<GatewayDuration>,
}

/// How a request is answered: exactly one of these fields.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FaultAbortFields {
    /// With this status.
    #[schemars(range(min = 400, max = 599))]
    pub status: Option<u16>,
    /// With this status of gRPC; clients that do not speak it get 503.
    #[schemars(range(min = 1, max = 16))]
    pub grpc_status: Option<u8>,
    /// `true`: the stream or the connection is reset.
    pub reset: Option<bool>,
}

/// Checks the list.
pub(super) fn check(faults: &[FaultFields], at: &At<'_>, checks: &mut Checks) {
    checks.no_more_than(at, faults.len(), 16);
    for (place, fault) in faults.iter().enumerate() {
        fault.check(&at.index(place), checks);
    }
}

impl FaultFields {
    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        if !(0.0..=100.0).contains(&self.percent) {
            checks.invalid(&at.field("percent"), "must be from 0 to 100", "");
        }
        let headers = at.field("headers");
        checks.no_more_than(&headers, self.headers.len(), 16);
        for (place, header) in self.headers.iter().enumerate() {
            let at = headers.index(place);
            header_name(&header.name, &at.field("name"), checks);
            field_value(&header.value, &at.field("value"), checks);
        }
        if self.delay.is_none() && self.abort.is_none() {
            checks.invalid(at, "has neither delay nor abort", "Write one of them, or both.");
        }
        if let Some(delay) = &self.delay {
            let longest = delay.time.0 + delay.spread.map(|spread| spread.0).unwrap_or_default();
            if longest > LONGEST_DELAY {
                checks.invalid(&at.field("delay"), "must not come to more than 60s", "");
            }
        }
        if let Some(abort) = &self.abort {
            abort.check(&at.field("abort"), checks);
        }
    }
}

impl FaultAbortFields {
    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let said = [self.status.is_some(), self.grpc_status.is_some(), self.reset == Some(true)];
        if said.iter().filter(|said| **said).count() != 1 {
            checks.invalid(at, "must have exactly one of status, grpcStatus and reset", "");
        }
        if self.status.is_some_and(|status| !(400..=599).contains(&status)) {
            checks.invalid(&at.field("status"), "must be from 400 to 599", "");
        }
        if self.grpc_status.is_some_and(|status| !(1..=16).contains(&status)) {
            checks.invalid(&at.field("grpcStatus"), "must be from 1 to 16", "");
        }
    }
}
