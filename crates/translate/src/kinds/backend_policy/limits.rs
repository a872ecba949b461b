//! `limits`: how much a backend is given at once.

use schemars::JsonSchema;
use serde::Deserialize;

/// How much a backend may have at once, over all instances. What is over a limit is refused at once, with 503. Not written: any number.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackendLimitFields {
    /// Connections to its instances. Where there may be no more, requests wait for one.
    pub max_connections: Option<u32>,
    /// Requests that wait for a connection.
    pub max_pending: Option<u32>,
    /// Requests under way.
    pub max_requests: Option<u32>,
    /// Requests that are tried again at this moment; what is over it is not tried again.
    pub max_retries: Option<u32>,
}
