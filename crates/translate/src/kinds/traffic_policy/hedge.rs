//! `hedge` of a `TrafficPolicy`.

use crate::kinds::GatewayDuration;
use schemars::JsonSchema;
use serde::Deserialize;

/// A request that waits for an answer for long is sent to another instance besides, and the first good answer counts. Only for
/// requests of safe methods without a body, once each, and within the retry budget of the backend.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HedgeFields {
    /// How long it waits before that. Somewhat more than most answers take: at the 95th percentile a twentieth of the requests is
    /// sent twice. 0s: no request is.
    pub after: GatewayDuration,
}
