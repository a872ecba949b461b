//! What the requests of a listener that went to one backend came to, whatever their route.

use crate::histogram::CoarseHistogram;
use crate::request::RequestRecord;
use crate::series::{CoreTotals, Metrics};
use crate::{Counter, Gauge};
use std::sync::{Arc, OnceLock};

/// Statuses of gRPC: 0 to 16.
pub(crate) const GRPC_CODES: usize = 17;

/// Which listener and which backend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeLabels {
    /// `ListenerKey`, as it is shown.
    pub listener: Arc<str>,
    /// `BackendKey`, as it is shown; empty when none was chosen (redirects, refusals).
    pub backend: Arc<str>,
}

/// What one core counts of the requests between one listener and one backend. Written by that core alone.
///
/// It takes 27 lines of a scrape, where the number of a route's requests takes one for each status, and most
/// routes have one. By route, a scrape of 10,000 routes would be 38 MB of text instead of 1.3 MB.
#[derive(Debug)]
#[repr(align(64))] // Cores share no cache line.
pub struct ExchangeMetrics {
    pub(crate) durations: CoarseHistogram,
    pub(crate) retries: Counter,
    pub(crate) request_bytes: Counter,
    pub(crate) response_bytes: Counter,
    pub(crate) in_flight: Gauge,
    /// By gRPC's status; made when the first request of gRPC ends.
    pub(crate) grpc: OnceLock<Box<[Counter; GRPC_CODES]>>,
    totals: Arc<CoreTotals>,
}

impl ExchangeMetrics {
    /// Counts all of a request but its status.
    #[inline]
    pub(crate) fn record(&self, request: &RequestRecord<'_>) {
        self.durations.record(request.duration_micros);
        self.request_bytes.add(request.request_bytes);
        self.response_bytes.add(request.response_bytes);
        if request.attempts > 1 {
            self.retries.add(u64::from(request.attempts - 1));
        }
        if let Some(code) = request.grpc {
            self.record_grpc(code);
        }
        if let Some(reason) = request.reason {
            self.totals.failures.record(reason);
        }
    }
}

impl ExchangeMetrics {
    #[cold]
    fn record_grpc(&self, code: u8) {
        let counts = self.grpc.get_or_init(Box::default);
        counts[usize::from(code).min(GRPC_CODES - 1)].increment();
    }

    /// What was counted by gRPC's status.
    pub(crate) fn add_grpc_to(&self, reading: &mut [u64; GRPC_CODES]) {
        if let Some(counts) = self.grpc.get() {
            reading.iter_mut().zip(&**counts).for_each(|(sum, count)| *sum += count.value());
        }
    }
}

impl Metrics for ExchangeMetrics {
    type Labels = ExchangeLabels;
    type Source = Arc<[Arc<CoreTotals>]>;

    fn new(_: &Arc<ExchangeLabels>, totals: &Arc<[Arc<CoreTotals>]>, core: usize) -> Self {
        Self {
            durations: CoarseHistogram::default(),
            retries: Counter::default(),
            request_bytes: Counter::default(),
            response_bytes: Counter::default(),
            in_flight: Gauge::default(),
            grpc: OnceLock::new(),
            totals: totals[core].clone(),
        }
    }
}
