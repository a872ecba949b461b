//! The upstream side of a backend.

use crate::series::Metrics;
use crate::{Counter, Gauge};
use std::sync::Arc;

/// What one core counts of its connections to one backend. Written by that core alone.
#[derive(Debug, Default)]
#[repr(align(64))] // Cores share no cache line.
pub struct BackendMetrics {
    pub(crate) opened: Counter,
    pub(crate) active: Gauge,
    pub(crate) idle: Gauge,
    pub(crate) connect_failures: Counter,
    pub(crate) ejections: Counter,
    pub(crate) panics: Counter,
    pub(crate) limited: [Counter; 4],
    pub(crate) hedged: Counter,
    pub(crate) hedges_won: Counter,
    pub(crate) copies_answered: Counter,
    pub(crate) copies_failed: Counter,
    pub(crate) copies_dropped: Counter,
}

impl BackendMetrics {
    /// A connection was made; [`BackendMetrics::closed`] must follow exactly once.
    #[inline]
    pub fn opened(&self) {
        self.opened.increment();
        self.active.increment();
    }

    /// A connection that was made is gone.
    #[inline]
    pub fn closed(&self) {
        self.active.decrement();
    }

    /// A connection is idle in the pool; it is still one of the active ones.
    #[inline]
    pub fn parked(&self) {
        self.idle.increment();
    }

    /// A connection left the pool: it is used again, or closed.
    #[inline]
    pub fn unparked(&self) {
        self.idle.decrement();
    }

    /// A connection could not be made.
    pub fn connect_failed(&self) {
        self.connect_failures.increment();
    }

    /// An endpoint was ejected, on this core's evidence.
    pub fn ejected(&self) {
        self.ejections.increment();
    }

    /// A request was sent to an ejected endpoint because too few were left (panic mode).
    pub fn panicked(&self) {
        self.panics.increment();
    }

    /// Something was refused since a limit was reached: of connections (0), requests that wait for one (1), requests (2) or
    /// retries (3).
    pub fn limited(&self, what: usize) {
        if let Some(counter) = self.limited.get(what) {
            counter.increment();
        }
    }

    /// A request that waited for long was sent to another endpoint besides.
    pub fn hedged(&self) {
        self.hedged.increment();
    }

    /// The answer of that other endpoint is the one that counts.
    pub fn hedge_won(&self) {
        self.hedges_won.increment();
    }

    /// A copy of a request (a mirror) is over: it was answered, whatever the status, or not.
    pub fn copied(&self, answered: bool) {
        if answered { self.copies_answered.increment() } else { self.copies_failed.increment() }
    }

    /// A copy of a request was not sent: too many or too large ones are under way, or its body could not be kept.
    pub fn copy_dropped(&self) {
        self.copies_dropped.increment();
    }
}

impl Metrics for BackendMetrics {
    type Labels = Arc<str>;
    type Source = ();

    fn new(_: &Arc<Arc<str>>, (): &(), _: usize) -> Self {
        Self::default()
    }
}

/// How the endpoints of a backend are, at the moment of a scrape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackendHealth {
    /// `BackendKey`, as it is shown.
    pub backend: Arc<str>,
    /// Endpoints that take requests.
    pub ready: u64,
    /// Endpoints left out because they answer badly.
    pub ejected: u64,
    /// Endpoints left out because connecting to them fails.
    pub unreachable: u64,
    /// Endpoints left out because active checks say so.
    pub unhealthy: u64,
    /// Endpoints that wait for their first check.
    pub waiting: u64,
    /// Active checks so far that passed, and that failed.
    pub checks: [u64; 2],
    /// Endpoints that were ejected on the evidence of the control side: checks, and latencies compared.
    pub ejections: u64,
    /// How much of which limit is in use, of those that are set.
    pub in_use: Vec<(&'static str, u32)>,
}

/// What a backend may have at once, by the place that [`BackendMetrics::limited`] takes.
pub(crate) const LIMITS: [&str; 4] = ["connections", "pending", "requests", "retries"];
