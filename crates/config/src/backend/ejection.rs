//! When an endpoint is left out by what its answers are.

use std::time::Duration;

/// When an endpoint that answers badly is left out (ejected) for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// How many failures in a row; 0 switches this off. Default 5.
    pub consecutive_failures: u32,
    /// When too many of its requests fail, in a row or not. Default: not looked at.
    pub success_rate: Option<SuccessRate>,
    /// When it is much slower than the others. Default: not looked at.
    pub latency: Option<LatencyOutlier>,
    /// The first time out; doubles up to `max_time` each time that it fails again soon after it came back. Default 1 s.
    pub base_time: Duration,
    /// The longest time out. Default 60 s.
    pub max_time: Duration,
    /// At most this share of a backend is out at once, in per cent. Default 50.
    pub max_percent: u8,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            success_rate: None,
            latency: None,
            base_time: Duration::from_secs(1),
            max_time: Duration::from_secs(60),
            max_percent: 50,
        }
    }
}

/// The least share of requests that has to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuccessRate {
    /// In per cent, 1 to 100.
    pub percent: u8,
    /// Over how long.
    pub window: Duration,
    /// With fewer requests in the window nothing is concluded.
    pub min_requests: u32,
}

impl Default for SuccessRate {
    fn default() -> Self {
        Self { percent: 80, window: Duration::from_secs(10), min_requests: 20 }
    }
}

/// How much slower than the others an endpoint may be: its mean time to the head of an answer, beside the median of the means
/// of all endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyOutlier {
    /// So many times the median; at least 2.
    pub factor: u32,
    /// And at least so much more than it.
    pub at_least: Duration,
    /// Over how long.
    pub window: Duration,
    /// With fewer answers of an endpoint in the window nothing is concluded about it.
    pub min_requests: u32,
}

impl Default for LatencyOutlier {
    fn default() -> Self {
        Self {
            factor: 5,
            at_least: Duration::from_millis(100),
            window: Duration::from_secs(10),
            min_requests: 20,
        }
    }
}
