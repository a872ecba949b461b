//! `bandwidth` of a `TrafficPolicy`.

use crate::checks::Checks;
use crate::kinds::Bytes;
use crate::yaml::path::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// Less would let a piece of a body wait for longer than anything may stand still.
const LEAST: u64 = 1024;

/// How fast bodies are passed on.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BandwidthFields {
    /// Those of requests.
    pub request: Option<BandwidthBounds>,
    /// Those of answers, as they are sent: after compression.
    pub response: Option<BandwidthBounds>,
}

/// Bytes a second, at least 1Ki. Not written: no bound.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BandwidthBounds {
    /// For one body.
    pub per_request: Option<Bytes>,
    /// For all of the target together.
    pub total: Option<Bytes>,
}

impl BandwidthFields {
    /// Checks it.
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        for (name, bounds) in [("request", &self.request), ("response", &self.response)] {
            let Some(bounds) = bounds else { continue };
            let at = at.field(name);
            for (name, rate) in [("perRequest", bounds.per_request), ("total", bounds.total)] {
                if rate.is_some_and(|rate| rate.0 < LEAST) {
                    let advice = "It is in bytes a second. Leave it out for no bound.";
                    checks.invalid(&at.field(name), "must be at least 1Ki", advice);
                }
            }
        }
    }
}
