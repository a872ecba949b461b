//! `ejection.successRate` and `ejection.latency`: what is told from many answers together.

use crate::checks::Checks;
use crate::kinds::GatewayDuration;
use crate::yaml::path::At;
use irongate_config::{LatencyOutlier, SuccessRate};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// The least share of an instance's requests that has to succeed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SuccessRateFields {
    /// In per cent. Not written: 80.
    #[schemars(range(min = 1, max = 100))]
    pub percent: Option<u8>,
    /// Over how long. Not written: 10s.
    pub window: Option<GatewayDuration>,
    /// With fewer requests in the window nothing is concluded. Not written: 20.
    #[schemars(range(min = 1))]
    pub min_requests: Option<u32>,
}

/// How much slower than the others an instance may be: its mean time to the head of an answer, beside the median of the means of
/// all.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LatencyOutlierFields {
    /// So many times the median. Not written: 5.
    #[schemars(range(min = 2))]
    pub factor: Option<u32>,
    /// And at least so much more than it. Not written: 100ms.
    pub at_least: Option<GatewayDuration>,
    /// Over how long. Not written: 10s.
    pub window: Option<GatewayDuration>,
    /// With fewer answers of an instance in the window nothing is concluded about it. Not written: 20.
    #[schemars(range(min = 1))]
    pub min_requests: Option<u32>,
}

impl SuccessRateFields {
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        if self.percent.is_some_and(|percent| !(1..=100).contains(&percent)) {
            checks.invalid(&at.field("percent"), "must be from 1 to 100", "");
        }
        window(self.window, &at.field("window"), checks);
        requests(self.min_requests, &at.field("minRequests"), checks);
    }

    pub(crate) fn meant(&self) -> SuccessRate {
        let default = SuccessRate::default();
        SuccessRate {
            percent: self.percent.unwrap_or(default.percent).clamp(1, 100),
            window: self.window.map_or(default.window, |window| window.0),
            min_requests: self.min_requests.unwrap_or(default.min_requests).max(1),
        }
    }
}

impl LatencyOutlierFields {
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        if self.factor.is_some_and(|factor| factor < 2) {
            checks.invalid(&at.field("factor"), "must be at least 2", "");
        }
        window(self.window, &at.field("window"), checks);
        requests(self.min_requests, &at.field("minRequests"), checks);
    }

    pub(crate) fn meant(&self) -> LatencyOutlier {
        let default = LatencyOutlier::default();
        LatencyOutlier {
            factor: self.factor.unwrap_or(default.factor).max(2),
            at_least: self.at_least.map_or(default.at_least, |time| time.0),
            window: self.window.map_or(default.window, |window| window.0),
            min_requests: self.min_requests.unwrap_or(default.min_requests).max(1),
        }
    }
}

fn window(window: Option<GatewayDuration>, at: &At<'_>, checks: &mut Checks) {
    let bounds = Duration::from_secs(1)..=Duration::from_secs(3600);
    if window.is_some_and(|window| !bounds.contains(&window.0)) {
        checks.invalid(at, "must be from 1s to 1h", "");
    }
}

fn requests(requests: Option<u32>, at: &At<'_>, checks: &mut Checks) {
    if requests == Some(0) {
        checks.invalid(at, "must be at least 1", "");
    }
}
