//! The record of a request.

use crate::series::{Metrics, Series};
use crate::status::StatusCounts;
use crate::{ExchangeLabels, ExchangeMetrics, Reason};
use std::sync::Arc;

/// Which requests are counted together.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestLabels {
    /// `ListenerKey`, as it is shown.
    pub listener: Arc<str>,
    /// `RouteKey`, as it is shown; empty for requests that no route took, and those refused before routing.
    pub route: Arc<str>,
    /// `BackendKey`, as it is shown; empty when none was chosen (redirects, refusals).
    pub backend: Arc<str>,
}

impl RequestLabels {
    /// Those of everything that is not told apart by route.
    pub(crate) fn exchange(&self) -> ExchangeLabels {
        ExchangeLabels { listener: self.listener.clone(), backend: self.backend.clone() }
    }
}

/// What one core counts of the requests of one listener, route and backend: how many there were, by status, in
/// one cache line; and the way to what it counts of them without regard to their route. Written by that core
/// alone.
#[derive(Debug)]
#[repr(align(64))] // Cores share no cache line.
pub struct RequestMetrics {
    pub(crate) statuses: StatusCounts,
    exchanges: Arc<ExchangeMetrics>,
    labels: Arc<RequestLabels>,
}

/// What there is to say about a request when it is over: written once, by the core that served it. Plain
/// data, borrowed; nothing is allocated.
#[derive(Clone, Copy, Debug)]
pub struct RequestRecord<'a> {
    /// Who served it: listener, route and backend by [`RequestMetrics::labels`].
    pub metrics: &'a RequestMetrics,
    /// The status that the client was sent; 0 if none was.
    pub status: u16,
    /// How it ended in gRPC, 0 to 16; `None` if it is no request of gRPC.
    pub grpc: Option<u8>,
    /// Why the proxy refused or failed it, or broke it off; `None` for whatever the backend answered.
    pub reason: Option<Reason>,
    /// From the first byte of its head to the last byte of its answer, in microseconds.
    pub duration_micros: u64,
    /// How many attempts were made; 0 if no backend was asked.
    pub attempts: u32,
    /// Bytes of its body taken from the client, without framing.
    pub request_bytes: u64,
    /// Bytes of the answer's body given to the client, without framing.
    pub response_bytes: u64,
}

impl RequestRecord<'_> {
    /// Counts the request. About fifty instructions when it went well.
    #[inline]
    pub fn record(&self) {
        self.metrics.statuses.record(self.status);
        self.metrics.exchanges.record(self);
    }
}

impl RequestMetrics {
    /// A request is under way; [`RequestMetrics::end`] must follow exactly once, also when it is dropped
    /// half-way. Separate from the record, because a request that is refused at once was never under way.
    #[inline]
    pub fn begin(&self) {
        self.exchanges.in_flight.increment();
    }

    /// A request that [`RequestMetrics::begin`] counted is over.
    #[inline]
    pub fn end(&self) {
        self.exchanges.in_flight.decrement();
    }

    /// Whose requests are counted.
    #[must_use]
    pub fn labels(&self) -> &RequestLabels {
        &self.labels
    }
}

impl Metrics for RequestMetrics {
    type Labels = RequestLabels;
    type Source = Arc<Series<ExchangeMetrics>>;

    fn new(labels: &Arc<RequestLabels>, exchanges: &Arc<Series<ExchangeMetrics>>, core: usize) -> Self {
        Self {
            statuses: StatusCounts::default(),
            exchanges: exchanges.core(core).clone(),
            labels: labels.clone(),
        }
    }
}
