//! Sources of endpoints: DNS, Consul.

use std::sync::Arc;
use std::time::Duration;

/// How the source of a backend's endpoints does, at the moment of a scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryReading {
    /// `BackendKey`, as it is shown.
    pub backend: Arc<str>,
    /// `DNS` or `Consul`.
    pub source: &'static str,
    /// Answers that changed the endpoints.
    pub changed: u64,
    /// Answers that changed nothing.
    pub unchanged: u64,
    /// Times that it could not be asked, or gave nothing that can be used.
    pub failed: u64,
    /// How long ago its last answer came; `None`: none has.
    pub age: Option<Duration>,
}
