//! A bound on how often the same thing is said in the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Lets one message through in ten seconds, and counts the others. Shared by all threads.
#[derive(Debug, Default)]
pub struct LogLimit {
    /// When something was last let through, in microseconds, plus one; 0: never.
    last: AtomicU64,
    withheld: AtomicU64,
}

impl LogLimit {
    /// How long after one message the next may come.
    pub const INTERVAL: Duration = Duration::from_secs(10);

    /// One that has let nothing through yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: AtomicU64::new(0), withheld: AtomicU64::new(0) }
    }

    /// Whether to say it now: then how often it has happened since it was last said, this time included. `now` is
    /// the time since some fixed moment, the same for all calls.
    pub fn admit(&self, now: Duration) -> Option<u64> {
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX - 1) + 1;
        let last = self.last.load(Ordering::Relaxed);
        let is_due = last == 0 || now.saturating_sub(last) >= Self::INTERVAL.as_micros() as u64;
        // Of several threads that find it due one says it.
        if is_due && self.last.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return Some(self.withheld.swap(0, Ordering::Relaxed) + 1);
        }
        self.withheld.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_ten_seconds_with_a_count() {
        let limit = LogLimit::new();
        let mut said = Vec::new();
        // Every 50 ms, as a failing accept loop would.
        for turn in 0..500 {
            let now = Duration::from_millis(50 * turn);
            said.extend(limit.admit(now).map(|count| (now.as_secs(), count)));
        }
        assert_eq!(said, [(0, 1), (10, 200), (20, 200)]);
        assert_eq!(limit.admit(Duration::from_secs(3600)), Some(100));
    }
}
