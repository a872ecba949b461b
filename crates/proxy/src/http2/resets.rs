//! How many streams a client may have cut short.

use irongate_traffic::Time;

/// Resets that a client may cause at once; a browser that leaves a page resets dozens.
const BURST: u64 = 1000;
/// And then so many a second, in the long run.
const A_SECOND: u64 = 33;

/// Counts the streams that a client resets, or makes us reset (CVE-2023-44487 and its kin): each costs us the work
/// of a request and the client nothing. A bucket of [`BURST`] that fills up by [`A_SECOND`].
pub(crate) struct Resets {
    /// Thousandths of resets that were not forgiven yet.
    level: u64,
    at: Time,
}

impl Resets {
    pub(crate) fn new(now: Time) -> Self {
        Self { level: 0, at: now }
    }

    pub(crate) fn note(&mut self, now: Time) {
        // Milliseconds by resets a second are thousandths of a reset.
        let elapsed = now.saturating_since(self.at).as_millis();
        let forgiven = u64::try_from(elapsed).unwrap_or(u64::MAX).saturating_mul(A_SECOND);
        if forgiven > 0 {
            self.level = self.level.saturating_sub(forgiven);
            self.at = now;
        }
        self.level += 1000;
    }

    /// Whether the client has gone too far.
    pub(crate) fn are_too_many(&self) -> bool {
        self.level > BURST * 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_passes_and_a_flood_does_not() {
        let start = Time(1_000_000);
        let mut resets = Resets::new(start);
        (0..BURST).for_each(|_| resets.note(start));
        assert!(!resets.are_too_many());
        resets.note(start);
        assert!(resets.are_too_many());
    }

    #[test]
    fn a_steady_rate_within_the_bound_passes_for_ever() {
        let mut now = Time(1_000_000);
        let mut resets = Resets::new(now);
        for _ in 0..100_000 {
            now = now.after(Duration::from_micros(31_000));
            resets.note(now);
        }
        assert!(!resets.are_too_many());
        for _ in 0..100_000 {
            now = now.after(Duration::from_micros(20_000));
            resets.note(now);
        }
        assert!(resets.are_too_many());
    }
}
