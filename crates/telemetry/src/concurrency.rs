//! Limits of what is under way at once.

use crate::Counter;
use crate::series::Metrics;
use std::sync::Arc;

/// By priority: high, normal, low.
pub(crate) const PRIORITIES: [&str; 3] = ["high", "normal", "low"];

/// Why a request was refused by a limit of what is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// There was no room, in the queue neither.
    Full,
    /// It waited in vain.
    Timeout,
    /// A more important one took its place in the queue.
    Displaced,
}

impl Shed {
    pub(crate) const ALL: [Self; 3] = [Self::Full, Self::Timeout, Self::Displaced];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Timeout => "timeout",
            Self::Displaced => "displaced",
        }
    }
}

/// What one core counts of a limit. Written by that core alone.
#[derive(Debug, Default)]
#[repr(align(64))] // Cores share no cache line.
pub struct ConcurrencyMetrics {
    pub(crate) admitted: [Counter; 3],
    pub(crate) shed: [[Counter; 3]; 3],
}

impl ConcurrencyMetrics {
    /// A request was let pass. `priority`: high (0), normal (1) or low (2).
    #[inline]
    pub fn admitted(&self, priority: usize) {
        if let Some(counter) = self.admitted.get(priority) {
            counter.increment();
        }
    }

    /// A request was refused.
    pub fn shed(&self, priority: usize, why: Shed) {
        if let Some(counters) = self.shed.get(priority) {
            counters[why as usize].increment();
        }
    }
}

impl Metrics for ConcurrencyMetrics {
    /// The policy and its target.
    type Labels = Arc<str>;
    type Source = ();

    fn new(_: &Arc<Self::Labels>, (): &(), _: usize) -> Self {
        Self::default()
    }
}

/// A limit at the moment of a scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConcurrencyReading {
    /// The policy and its target.
    pub policy: Arc<str>,
    /// The limit in force.
    pub limit: u32,
    /// Requests under way.
    pub in_flight: u32,
    /// Requests that wait.
    pub queued: u32,
    /// Microseconds that a request takes while none stands in another's way, as far as is known; 0: nothing is.
    pub undisturbed_micros: u64,
}
