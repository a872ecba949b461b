//! How many retries a backend's requests may have together.

use crate::Time;
use irongate_config::RetryBudget;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Parts that the interval is counted in.
const PARTS: u64 = 10;
/// Counters: the parts of an interval, the one that is running, and one to spare.
const COUNTERS: usize = 12;

/// A backend's retry budget (GEP-3388), shared by the cores without a lock.
///
/// At the moment of each retry, the retries of the interval that ends then are at most `percent` of the requests
/// known in it + `min_per_second` × interval. It errs to the safe side: requests are counted over 9 to 10
/// tenths of the interval, retries over 10 to 11. A balancer tells of its requests in batches (at most 16, at
/// least when it wants a retry), so up to 15 requests a core may be unknown or count as up to a batch younger
/// than they are: with the default 20 %, an error of at most 3 retries a core.
///
/// It has cache lines of its own: its neighbours are read with every pick.
#[derive(Debug)]
#[repr(align(64))]
pub struct RetryBudgetState {
    percent: AtomicU32,
    least: AtomicU32,
    part_micros: AtomicU64,
    requests: [Counter; COUNTERS],
    retries: [Counter; COUNTERS],
}

impl RetryBudgetState {
    /// A budget of which nothing is used.
    #[must_use]
    pub fn new(budget: &RetryBudget) -> Self {
        let state = Self {
            percent: AtomicU32::new(0),
            least: AtomicU32::new(0),
            part_micros: AtomicU64::new(1),
            requests: Default::default(),
            retries: Default::default(),
        };
        state.set(budget);
        state
    }

    /// Takes other bounds; what was counted counts on, unless the interval changes.
    pub fn set(&self, budget: &RetryBudget) {
        let interval = budget.interval.as_micros().clamp(100_000, 3_600_000_000);
        let interval = u64::try_from(interval).unwrap_or(PARTS);
        let least = u64::from(budget.min_per_second).saturating_mul(interval) / 1_000_000;
        self.percent.store(u32::from(budget.percent), Relaxed);
        self.least.store(u32::try_from(least).unwrap_or(u32::MAX), Relaxed);
        self.part_micros.store(interval / PARTS, Relaxed);
    }

    /// Counts requests (not their retries).
    pub fn record_requests(&self, now: Time, count: u32) {
        let part = self.part(now);
        self.requests[counter_of(part)].add(part, count);
    }

    /// Takes a retry from the budget, if it has one.
    #[must_use]
    pub fn try_retry(&self, now: Time) -> bool {
        let part = self.part(now);
        let counter = &self.retries[counter_of(part)];
        // Take first and look then: of two cores that take the last one together neither gets it, and never both.
        counter.add(part, 1);
        if self.retries_until(part) <= self.allowed(part) {
            return true;
        }
        counter.subtract(part);
        false
    }

    /// Retries of about the last interval, and how many there might be.
    #[must_use]
    pub fn used(&self, now: Time) -> (u64, u64) {
        let part = self.part(now);
        (self.retries_until(part), self.allowed(part))
    }

    fn part(&self, now: Time) -> u32 {
        // From 1, so that a counter that was never used belongs to no part that counts.
        (now.0 / self.part_micros.load(Relaxed)) as u32 + 1
    }

    fn retries_until(&self, part: u32) -> u64 {
        self.retries.iter().map(|counter| counter.within(part, PARTS as u32)).sum()
    }

    fn allowed(&self, part: u32) -> u64 {
        let requests: u64 = self.requests.iter().map(|counter| counter.within(part, PARTS as u32 - 1)).sum();
        requests * u64::from(self.percent.load(Relaxed)) / 100 + u64::from(self.least.load(Relaxed))
    }
}

fn counter_of(part: u32) -> usize {
    part as usize % COUNTERS
}

/// The number of a part of time (upper half) and what was counted in it (lower half).
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, part: u32, count: u32) {
        let add = |word: u64| {
            let (of, counted) = split(word);
            let counted = if of == part { counted } else { 0 };
            Some(join(part, counted.saturating_add(count)))
        };
        // The closure never declines.
        let _ = self.0.fetch_update(Relaxed, Relaxed, add);
    }

    fn subtract(&self, part: u32) {
        let subtract = |word: u64| {
            let (of, counted) = split(word);
            (of == part && counted > 0).then(|| join(of, counted - 1))
        };
        // Declined when the counter serves a later part by now: then there is nothing to give back.
        let _ = self.0.fetch_update(Relaxed, Relaxed, subtract);
    }

    /// What was counted, if its part is `part` or one of the `before` parts before it.
    fn within(&self, part: u32, before: u32) -> u64 {
        let (of, counted) = split(self.0.load(Relaxed));
        let counts = of != 0 && part.wrapping_sub(of) <= before;
        if counts { u64::from(counted) } else { 0 }
    }
}

fn split(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

fn join(part: u32, count: u32) -> u64 {
    u64::from(part) << 32 | u64::from(count)
}
