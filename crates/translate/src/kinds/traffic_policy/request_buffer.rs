//! `requestBuffer` of a `TrafficPolicy`.

use crate::checks::Checks;
use crate::kinds::{Bytes, GatewayDuration};
use crate::yaml::path::At;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// The longest body that may be asked for: a core has 64 MiB for all of them.
const MOST: u64 = 16 << 20;
/// No body may take longer.
const LONGEST: Duration = Duration::from_secs(3600);

/// Bodies of requests are read whole before a backend gets anything of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestBufferFields {
    /// The longest body that is taken, at most 16Mi: a longer one is refused with 413. 0: bodies are passed on as they come.
    pub max_size: Bytes,
    /// How long a body may take to come: then it is refused with 408.
    #[schemars(extend("default" = "60s"))]
    pub timeout: Option<GatewayDuration>,
}

impl RequestBufferFields {
    /// Checks it.
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        if self.max_size.0 > MOST {
            let advice = "Longer bodies can only be passed on as they come.";
            checks.invalid(&at.field("maxSize"), "must be at most 16Mi", advice);
        }
        if self.timeout.is_some_and(|timeout| timeout.0.is_zero() || timeout.0 > LONGEST) {
            checks.invalid(&at.field("timeout"), "must be longer than nothing, and at most 1h", "");
        }
    }
}
