//! Stores that count rate limits for all replicas.

use crate::series::Metrics;
use crate::{CoarseHistogram, Counter};
use std::sync::Arc;

/// What one core counts of a store. Written by that core alone.
#[derive(Debug, Default)]
#[repr(align(64))] // Cores share no cache line.
pub struct LimitStoreMetrics {
    pub(crate) durations: CoarseHistogram,
    pub(crate) unanswered: [Counter; Unanswered::ALL.len()],
    pub(crate) instead: [Counter; Instead::ALL.len()],
}

/// Why a store gave a request no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// There is no connection to it, or it is not asked because it failed too often.
    Away,
    /// Too many requests wait for it.
    Busy,
    /// It did not answer in time.
    Timeout,
    /// The connection broke, or it answered with an error.
    Error,
}

impl Unanswered {
    pub(crate) const ALL: [Self; 4] = [Self::Away, Self::Busy, Self::Timeout, Self::Error];

    /// The token of metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::Error => "error",
        }
    }
}

/// What became of a limit that a store did not answer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// The process counted the request by itself.
    Local,
    /// The limit let the request pass.
    Allow,
    /// The request was refused.
    Deny,
}

impl Instead {
    pub(crate) const ALL: [Self; 3] = [Self::Local, Self::Allow, Self::Deny];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl LimitStoreMetrics {
    /// It answered a request after so many microseconds.
    pub fn answered(&self, micros: u64) {
        self.durations.record(micros);
    }

    /// It gave a request no answer.
    pub fn unanswered(&self, why: Unanswered) {
        self.unanswered[why as usize].increment();
    }

    /// Something else decided about a limit of a request.
    pub fn instead(&self, what: Instead) {
        self.instead[what as usize].increment();
    }
}

impl Metrics for LimitStoreMetrics {
    /// The store, as it is shown.
    type Labels = Arc<str>;
    type Source = ();

    fn new(_: &Arc<Arc<str>>, (): &(), _: usize) -> Self {
        Self::default()
    }
}

/// How a store does at the moment of a scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitStoreReading {
    /// The store, as it is shown.
    pub store: Arc<str>,
    /// It is connected to and asked.
    pub is_up: bool,
    /// Connections to it that were made.
    pub connections: u64,
}
