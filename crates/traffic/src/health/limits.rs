//! How much of a backend's limits is used, over all cores, exactly.

use irongate_config::BackendLimits;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Connections to the instances.
    Connections,
    /// Requests that wait for one.
    Pending,
    /// Requests under way.
    Requests,
    /// Requests that are tried again.
    Retries,
}

impl Limited {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Connections, Self::Pending, Self::Requests, Self::Retries];

    /// One lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Pending => "pending",
            Self::Requests => "requests",
            Self::Retries => "retries",
        }
    }
}

/// Counters that the cores share: one atomic addition where a limit is set, none where it is not.
#[derive(Debug)]
pub struct LimitsState {
    used: [AtomicU32; 4],
    most: [AtomicU32; 4],
}

impl LimitsState {
    pub(super) fn new(limits: &BackendLimits) -> Self {
        let state = Self { used: Default::default(), most: Default::default() };
        state.set(limits);
        state
    }

    pub(super) fn set(&self, limits: &BackendLimits) {
        let wanted = [limits.connections, limits.pending, limits.requests, limits.retries];
        for (most, wanted) in self.most.iter().zip(wanted) {
            most.store(wanted.unwrap_or(u32::MAX), Relaxed);
        }
    }

    /// Takes one, if there may be another. What was taken has to be [given back](Self::give_back).
    #[must_use]
    pub fn take(&self, what: Limited) -> bool {
        let most = self.most[what as usize].load(Relaxed);
        let take = |used: u32| (used < most).then(|| used.saturating_add(1));
        self.used[what as usize].fetch_update(Relaxed, Relaxed, take).is_ok()
    }

    /// Gives one back that was taken.
    pub fn give_back(&self, what: Limited) {
        let less = |used: u32| Some(used.saturating_sub(1));
        // The closure never declines.
        let _ = self.used[what as usize].fetch_update(Relaxed, Relaxed, less);
    }

    /// How many are taken, and how many there may be; `None`: any number.
    #[must_use]
    pub fn used(&self, what: Limited) -> (u32, Option<u32>) {
        let most = self.most[what as usize].load(Relaxed);
        (self.used[what as usize].load(Relaxed), (most != u32::MAX).then_some(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn limits_are_exact_over_all_cores() {
        let limits = BackendLimits { requests: Some(3), ..BackendLimits::default() };
        let state = LimitsState::new(&limits);
        let most = AtomicU32::new(0);
        let (under_way, refused) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        if state.take(Limited::Requests) {
                            most.fetch_max(under_way.fetch_add(1, Relaxed) + 1, Relaxed);
                            under_way.fetch_sub(1, Relaxed);
                            state.give_back(Limited::Requests);
                        } else {
                            refused.fetch_add(1, Relaxed);
                        }
                    }
                });
            }
        });
        assert!(most.load(Relaxed) <= 3);
        assert_eq!((0, Some(3)), state.used(Limited::Requests));
        assert!((0..100).all(|_| state.take(Limited::Connections)), "no limit");
        state.set(&BackendLimits { requests: Some(0), ..limits });
        assert!(!state.take(Limited::Requests));
    }
}
