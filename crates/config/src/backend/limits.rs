//! Limits of what a backend is given at once; over them requests are refused early.

/// How much a backend may have at once, over all instances and cores. `None`: any number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackendLimits {
    /// Connections to its instances.
    pub connections: Option<u32>,
    /// Requests that wait for a connection, because there may be no more of these.
    pub pending: Option<u32>,
    /// Requests under way.
    pub requests: Option<u32>,
    /// Requests that are tried again at this moment.
    pub retries: Option<u32>,
}

impl BackendLimits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
