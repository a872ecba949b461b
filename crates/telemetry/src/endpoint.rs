//! The attempts at one endpoint.

use crate::Counter;
use crate::histogram::{FineHistogram, HistogramReading};
use crate::series::{Metrics, Series};
use std::net::SocketAddr;
use std::sync::Arc;

/// Which endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointLabels {
    /// `BackendKey` of its backend, as it is shown.
    pub backend: Arc<str>,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What one core counts of the attempts at one endpoint. Written by that core alone.
///
/// Not exported by default: endpoints come and go by the thousand, and a scrape should not grow with them.
/// The demo's table and the admin API read it in the process ([`crate::Registry::endpoints`]).
#[derive(Debug, Default)]
#[repr(align(64))] // Cores share no cache line.
pub struct EndpointMetrics {
    attempts: Counter,
    failures: Counter,
    latency: FineHistogram,
}

/// What there is to say about an attempt when it is over. A request has one, or several when it is tried again.
#[derive(Clone, Copy, Debug)]
pub struct AttemptRecord<'a> {
    /// Where it went.
    pub endpoint: &'a EndpointMetrics,
    /// Whether the endpoint failed it: by its connection, its answer's status, or its silence.
    pub failed: bool,
    /// From the first byte sent to the first byte of the answer, in microseconds; `None` if none came.
    pub first_byte_micros: Option<u64>,
}

impl AttemptRecord<'_> {
    /// Counts the attempt. About twenty instructions.
    #[inline]
    pub fn record(&self) {
        let endpoint = self.endpoint;
        endpoint.attempts.increment();
        endpoint.failures.add(u64::from(self.failed));
        if let Some(micros) = self.first_byte_micros {
            endpoint.latency.record(micros);
        }
    }
}

impl EndpointMetrics {
    /// An attempt that was counted as answered has failed after all: trailers say so.
    pub fn failed_at_last(&self) {
        self.failures.increment();
    }
}

impl Metrics for EndpointMetrics {
    type Labels = EndpointLabels;
    type Source = ();

    fn new(_: &Arc<EndpointLabels>, (): &(), _: usize) -> Self {
        Self::default()
    }
}

/// What was counted of one endpoint on all cores, up to one moment or between two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointReading {
    /// Attempts, failed ones too.
    pub attempts: u64,
    /// Attempts that it failed.
    pub failures: u64,
    /// Time to the first byte of the answer, of the attempts that were answered.
    pub latency: HistogramReading<2, 78>,
}

impl EndpointReading {
    /// What was counted since an earlier reading of the same endpoint.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            attempts: self.attempts.saturating_sub(earlier.attempts),
            failures: self.failures.saturating_sub(earlier.failures),
            latency: self.latency.since(&earlier.latency),
        }
    }

    pub(crate) fn of(series: &Series<EndpointMetrics>) -> Self {
        let mut reading = Self::default();
        for part in series.parts() {
            reading.attempts += part.attempts.value();
            reading.failures += part.failures.value();
            part.latency.add_to(&mut reading.latency);
        }
        reading
    }
}
