//! What the endpoints of a backend share.

use super::LimitsState;
use crate::RetryBudgetState;
use irongate_config::BackendOptions;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::time::Duration;

/// What all cores know of a backend: its bounds, how much of them is used, and its retry budget. One per backend,
/// kept beside the snapshots.
#[derive(Debug)]
pub struct BackendState {
    /// Changes with each change of an endpoint's health: balancers then look again.
    version: AtomicU32,
    endpoints: AtomicU32,
    ejected: AtomicU32,
    failing: AtomicU32,
    most_in_a_row: AtomicU32,
    most_percent: AtomicU32,
    base_micros: AtomicU64,
    longest_micros: AtomicU64,
    /// The success rate that is asked for, in per cent; 0: none is. And over how long, from how many requests on.
    rate_percent: AtomicU32,
    rate_requests: AtomicU32,
    rate_micros: AtomicU64,
    /// Over how long latencies are compared; 0: they are not.
    latency_micros: AtomicU64,
    limits: LimitsState,
    budget: RetryBudgetState,
}

/// See [`BackendState::pause`]: two seconds, and five trials a second for a whole backend.
const PAUSE_MICROS: u64 = 2_000_000;
const TURN_MICROS: u64 = 200_000;

/// The least share of successes, where one is asked for.
pub(super) struct Rate {
    pub(super) percent: u32,
    pub(super) min_requests: u32,
    pub(super) window_micros: u64,
}

impl BackendState {
    /// With these options.
    #[must_use]
    pub fn new(options: &BackendOptions) -> Arc<Self> {
        let state = Self {
            version: AtomicU32::new(0),
            endpoints: AtomicU32::new(0),
            ejected: AtomicU32::new(0),
            failing: AtomicU32::new(0),
            most_in_a_row: AtomicU32::new(0),
            most_percent: AtomicU32::new(0),
            base_micros: AtomicU64::new(0),
            longest_micros: AtomicU64::new(0),
            rate_percent: AtomicU32::new(0),
            rate_requests: AtomicU32::new(0),
            rate_micros: AtomicU64::new(0),
            latency_micros: AtomicU64::new(0),
            limits: LimitsState::new(&options.limits),
            budget: RetryBudgetState::new(&options.retry_budget),
        };
        state.set_options(options);
        Arc::new(state)
    }

    /// Takes other options; they hold from now on.
    pub fn set_options(&self, options: &BackendOptions) {
        let ejection = &options.ejection;
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.most_in_a_row.store(ejection.consecutive_failures, Relaxed);
        self.most_percent.store(u32::from(ejection.max_percent), Relaxed);
        self.base_micros.store(micros(ejection.base_time), Relaxed);
        self.longest_micros.store(micros(ejection.max_time), Relaxed);
        let rate = ejection.success_rate;
        self.rate_micros.store(rate.map_or(0, |rate| micros(rate.window)), Relaxed);
        self.rate_requests.store(rate.map_or(0, |rate| rate.min_requests), Relaxed);
        self.rate_percent.store(rate.map_or(0, |rate| u32::from(rate.percent)), Relaxed);
        self.latency_micros.store(ejection.latency.map_or(0, |latency| micros(latency.window)), Relaxed);
        self.limits.set(&options.limits);
        self.budget.set(&options.retry_budget);
    }

    /// How much of its limits is used.
    #[must_use]
    pub fn limits(&self) -> &LimitsState {
        &self.limits
    }

    /// The success rate that is asked for, if any is: one load where none is.
    pub(super) fn success_rate(&self) -> Option<Rate> {
        let percent = self.rate_percent.load(Relaxed);
        (percent > 0).then(|| Rate {
            percent,
            min_requests: self.rate_requests.load(Relaxed),
            window_micros: self.rate_micros.load(Relaxed),
        })
    }

    /// Over how many microseconds latencies are compared, if they are.
    pub(super) fn latency_window(&self) -> Option<u64> {
        Some(self.latency_micros.load(Relaxed)).filter(|micros| *micros > 0)
    }

    /// Its retry budget.
    #[must_use]
    pub fn budget(&self) -> &RetryBudgetState {
        &self.budget
    }

    /// How many of its endpoints are ejected.
    #[must_use]
    pub fn ejected(&self) -> u32 {
        self.ejected.load(Relaxed)
    }

    /// More of it fails than may be out: everything that is reachable is used.
    #[must_use]
    pub fn is_panicking(&self) -> bool {
        self.failing.load(Relaxed) > 0 && self.ejected.load(Relaxed) > 0
    }

    /// How many endpoints it has: the bound on those that may be out is a part of them.
    pub fn set_endpoints(&self, count: usize) {
        self.endpoints.store(u32::try_from(count).unwrap_or(u32::MAX), Relaxed);
    }

    pub(crate) fn version(&self) -> u32 {
        self.version.load(Acquire)
    }

    pub(super) fn bump(&self) {
        self.version.fetch_add(1, Release);
    }

    pub(super) fn is_streak(&self, failures: u32) -> bool {
        let most = self.most_in_a_row.load(Relaxed);
        most > 0 && failures >= most
    }

    /// Takes a place among the ejected, if the bound allows: rounded down, so that of two endpoints
    /// one may be out at 50 %, and of one none.
    pub(super) fn claim_ejection(&self) -> bool {
        let endpoints = u64::from(self.endpoints.load(Relaxed));
        let most = endpoints * u64::from(self.most_percent.load(Relaxed)) / 100;
        let claim = |ejected: u32| (u64::from(ejected) < most).then_some(ejected + 1);
        self.ejected.fetch_update(Relaxed, Relaxed, claim).is_ok()
    }

    pub(super) fn release_ejection(&self) {
        self.ejected.fetch_sub(1, Relaxed);
    }

    pub(super) fn note_failing(&self) {
        self.failing.fetch_add(1, Relaxed);
    }

    pub(super) fn forget_failing(&self) {
        self.failing.fetch_sub(1, Relaxed);
    }

    pub(super) fn longest_out(&self) -> Duration {
        Duration::from_micros(self.longest_micros.load(Relaxed))
    }

    /// How long the `count`th ejection in a row lasts: doubled each time up to a bound, and up to half more,
    /// so that those who failed together do not come back together.
    pub(super) fn time_out(&self, count: u32, random: u64) -> Duration {
        let doubled = self.base_micros.load(Relaxed).saturating_mul(1 << count.saturating_sub(1).min(20));
        spread(doubled.min(self.longest_micros.load(Relaxed)), random)
    }

    /// How long an endpoint is left alone at most after a trial that cost nobody anything. Where many are out they take turns, so
    /// that trials use up little of the retry budget.
    pub(super) fn pause(&self, random: u64) -> Duration {
        let turns = u64::from(self.ejected()) * TURN_MICROS;
        spread(self.base_micros.load(Relaxed).max(PAUSE_MICROS).max(turns), random)
    }
}

/// So long, and up to half more.
fn spread(micros: u64, random: u64) -> Duration {
    let more = (u128::from(micros / 2) * u128::from(random >> 32)) >> 32;
    Duration::from_micros(micros.saturating_add(u64::try_from(more).unwrap_or(0)))
}
