//! What passed between clients and backends as plain bytes or as datagrams.

use crate::histogram::CoarseHistogram;
use crate::reason::ReasonCounts;
use crate::series::Metrics;
use crate::{Counter, Gauge, Reason, RequestLabels};
use std::sync::Arc;

/// What one core counts of the connections, or of the sessions of a UDP listener, of one listener, route and backend.
/// Written by that core alone.
///
/// Bytes are counted as they pass: such a connection may last for days.
#[derive(Debug, Default)]
#[repr(align(64))] // Cores share no cache line.
pub struct StreamMetrics {
    pub(crate) begun: Counter,
    pub(crate) active: Gauge,
    pub(crate) durations: CoarseHistogram,
    pub(crate) received_bytes: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) received_datagrams: Counter,
    pub(crate) sent_datagrams: Counter,
    pub(crate) failures: ReasonCounts,
    pub(crate) drops: ReasonCounts,
}

impl StreamMetrics {
    /// A connection or a session began; [`StreamMetrics::ended`] must follow exactly once.
    pub fn begun(&self) {
        self.begun.increment();
        self.active.increment();
    }

    /// One that began is over, after so many microseconds; with why, if it did not end well.
    pub fn ended(&self, duration_micros: u64, failure: Option<Reason>) {
        self.active.decrement();
        self.durations.record(duration_micros);
        if let Some(reason) = failure {
            self.failures.record(reason);
        }
    }

    /// Bytes of a client were passed on.
    #[inline]
    pub fn received(&self, bytes: u64) {
        self.received_bytes.add(bytes);
    }

    /// Bytes of a backend were passed on.
    #[inline]
    pub fn sent(&self, bytes: u64) {
        self.sent_bytes.add(bytes);
    }

    /// A datagram of a client, with so many bytes, was passed on.
    pub fn received_datagram(&self, bytes: u64) {
        self.received_datagrams.increment();
        self.received_bytes.add(bytes);
    }

    /// A datagram of a backend, with so many bytes, was passed on.
    pub fn sent_datagram(&self, bytes: u64) {
        self.sent_datagrams.increment();
        self.sent_bytes.add(bytes);
    }

    /// A datagram was not passed on.
    pub fn dropped(&self, reason: Reason) {
        self.drops.record(reason);
    }
}

impl Metrics for StreamMetrics {
    type Labels = RequestLabels;
    type Source = ();

    fn new(_: &Arc<RequestLabels>, (): &(), _: usize) -> Self {
        Self::default()
    }
}
