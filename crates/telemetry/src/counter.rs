//! Numbers with one writer and many readers.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that only grows.
///
/// One thread at a time may write to it: adding is a load and a store without the lock prefix, so that a
/// second writer would lose counts (and do no other harm). Any thread may read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds any number; wraps at 2⁶⁴.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// The count, as of some recent moment.
    #[inline]
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down, by the same rule as [`Counter`]: one writer at a time.
///
/// One core's part may be negative when what began on one core ends on another; the sum over the cores is
/// right all the same.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Adds one.
    #[inline]
    pub fn increment(&self) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Takes one away.
    #[inline]
    pub fn decrement(&self) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Relaxed);
    }

    /// The number, as of some recent moment.
    #[inline]
    #[must_use]
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_and_gauges_go_both_ways() {
        let counter = Counter::default();
        counter.increment();
        counter.add(41);
        assert_eq!(counter.value(), 42);
        let gauge = Gauge::default();
        gauge.decrement();
        assert_eq!(gauge.value(), -1);
        gauge.increment();
        gauge.increment();
        assert_eq!(gauge.value(), 1);
    }
}
