//! Limits of what is under way at once, ready to be asked; and what is kept of them beside the snapshots.

use super::flow::{FieldValues, field_values, have};
use irongate_config::{Concurrency, Priorities, Priority};
use irongate_message::Fields;
use irongate_telemetry::{ConcurrencyMetrics, ConcurrencyReading, Registry as Metrics, Series};
use irongate_traffic::ConcurrencyState;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// A limit of what is under way.
pub(crate) struct ConcurrencyUse {
    pub(crate) state: Arc<ConcurrencyState>,
    /// How long a request waits at most.
    pub(crate) timeout: Duration,
    pub(crate) metrics: Arc<Series<ConcurrencyMetrics>>,
}

/// How important the requests of a rule are.
#[derive(Default)]
pub(crate) struct PriorityPlan {
    default: Priority,
    rules: Box<[(FieldValues, Priority)]>,
}

impl PriorityPlan {
    pub(super) fn new(from: &Priorities) -> Self {
        let rules = from.rules.iter().map(|rule| (field_values(&rule.headers), rule.priority));
        Self { default: from.default, rules: rules.collect() }
    }

    /// How important a request is.
    pub(crate) fn of(&self, fields: &Fields) -> Priority {
        let is_for = |(wanted, _): &&(FieldValues, Priority)| have(fields, wanted);
        self.rules.iter().find(is_for).map_or(self.default, |(_, priority)| *priority)
    }
}

/// What is kept of limits, by what they count together; it outlives snapshots.
#[derive(Default)]
pub(crate) struct ConcurrencyLimits {
    states: Mutex<BTreeMap<Arc<str>, Weak<ConcurrencyState>>>,
}

impl ConcurrencyLimits {
    /// Makes a limit ready: with what was learned so far and what is under way, where it is one that there is already.
    pub(crate) fn plan(&self, options: &Concurrency, metrics: &Metrics) -> Arc<ConcurrencyUse> {
        let mut states = self.states();
        states.retain(|_, state| state.strong_count() > 0);
        let state = match states.get(&options.scope).and_then(Weak::upgrade) {
            Some(state) => {
                state.set(options);
                state
            }
            None => {
                let state = Arc::new(ConcurrencyState::new(options));
                states.insert(options.scope.clone(), Arc::downgrade(&state));
                state
            }
        };
        let timeout = options.queue.map(|queue| queue.timeout).unwrap_or_default();
        Arc::new(ConcurrencyUse { state, timeout, metrics: metrics.concurrency(&options.scope) })
    }

    /// All limits as they stand.
    pub(crate) fn readings(&self) -> Vec<ConcurrencyReading> {
        let states = self.states();
        let known = states.iter().filter_map(|(policy, state)| Some((policy.clone(), state.upgrade()?)));
        let read = |(policy, state): (Arc<str>, Arc<ConcurrencyState>)| {
            let reading = state.reading();
            ConcurrencyReading {
                policy,
                limit: reading.limit,
                in_flight: reading.under_way,
                queued: reading.waiting,
                undisturbed_micros: reading.undisturbed_micros,
            }
        };
        known.map(read).collect()
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Weak<ConcurrencyState>>> {
        // Nothing that runs under the lock leaves it half done.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
