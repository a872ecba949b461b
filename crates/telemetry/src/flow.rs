//! What policies did to requests: limits that refused them, faults that were made on purpose.

use crate::Counter;
use crate::series::Metrics;
use std::sync::Arc;

/// What is counted together.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowLabels {
    /// The policy and its target.
    pub scope: Arc<str>,
    /// The name of the limit; empty for faults.
    pub limit: Arc<str>,
}

/// What one core counts of a limit, or of a policy's faults. Written by that core alone.
#[derive(Debug, Default)]
#[repr(align(64))] // Cores share no cache line.
pub struct FlowMetrics {
    pub(crate) refused: Counter,
    pub(crate) would_refuse: Counter,
    pub(crate) delayed: Counter,
    pub(crate) aborted: Counter,
    pub(crate) buffered: Counter,
    pub(crate) unbuffered: Counter,
    pub(crate) held: Counter,
}

impl FlowMetrics {
    /// A limit was reached: the request was refused, or in a dry run would have been.
    pub fn limited(&self, is_dry_run: bool) {
        if is_dry_run { self.would_refuse.increment() } else { self.refused.increment() }
    }

    /// A request was delayed on purpose.
    pub fn delayed(&self) {
        self.delayed.increment();
    }

    /// A request's body was read whole before it was sent.
    pub fn buffered(&self) {
        self.buffered.increment();
    }

    /// The same was wanted, and there was no memory for it: it was passed on as it came.
    pub fn unbuffered(&self) {
        self.unbuffered.increment();
    }

    /// A piece of a body was held back.
    pub fn held(&self) {
        self.held.increment();
    }

    /// A request was answered with a failure on purpose.
    pub fn aborted(&self) {
        self.aborted.increment();
    }
}

impl Metrics for FlowMetrics {
    type Labels = FlowLabels;
    type Source = ();

    fn new(_: &Arc<FlowLabels>, (): &(), _: usize) -> Self {
        Self::default()
    }
}
