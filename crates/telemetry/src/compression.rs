//! What was compressed of answers.

use crate::Counter;
use crate::series::Metrics;
use std::sync::Arc;

/// What is counted together.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompressionLabels {
    /// The policy and its target.
    pub scope: Arc<str>,
    /// The coding, as `Content-Encoding` says it.
    pub coding: &'static str,
}

/// What one core counts of a policy's coding. Written by that core alone.
#[derive(Debug, Default)]
#[repr(align(64))] // Cores share no cache line.
pub struct CompressionMetrics {
    pub(crate) answers: Counter,
    pub(crate) left: Counter,
    pub(crate) before: Counter,
    pub(crate) after: Counter,
}

impl CompressionMetrics {
    /// An answer was compressed, all of it or until it broke off: so many bytes became so many.
    pub fn compressed(&self, before: u64, after: u64) {
        self.answers.increment();
        self.before.add(before);
        self.after.add(after);
    }

    /// An answer was sent as it is, since too much memory was in use for others.
    pub fn left(&self) {
        self.left.increment();
    }
}

impl Metrics for CompressionMetrics {
    type Labels = CompressionLabels;
    type Source = ();

    fn new(_: &Arc<CompressionLabels>, (): &(), _: usize) -> Self {
        Self::default()
    }
}
