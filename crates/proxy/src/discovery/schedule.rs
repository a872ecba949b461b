//! When a source is asked again, and when it is believed that there is nothing. Pure: times and dice are arguments.

use std::time::Duration;
use tokio::time::Instant;

/// No source is asked more often than this.
const LEAST_PAUSE: Duration = Duration::from_millis(100);
/// The first pause after a failure; doubles.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// The longest: a server that is there again is noticed within this.
const LONGEST_RETRY: Duration = Duration::from_secs(15);
/// How often, and for how long, a source has to say that there is no endpoint before the last ones are given up.
const LEAST_DENIALS: u32 = 3;
const LEAST_DENIED: Duration = Duration::from_secs(30);
/// How soon a source that says so is asked again.
pub(super) const DENIAL_PAUSE: Duration = Duration::from_secs(10);

/// How long to wait while all is well: as long as the answer is good for, and up to a tenth more, so that those who learned
/// together do not ask together. (Not less: a DNS cache would give the rest of the old answer's time.)
pub(super) fn pause(good_for: Duration, random: u64) -> Duration {
    let pause = good_for.max(LEAST_PAUSE);
    pause + spread(pause / 10, random)
}

/// How long to wait after so many failures in a row, from 1: between half of a pause that doubles, and all of it.
pub(super) fn retry_pause(failures: u32, random: u64) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let bounded = doubled.min(LONGEST_RETRY);
    bounded / 2 + spread(bounded / 2, random)
}

/// From nothing to `most`.
fn spread(most: Duration, random: u64) -> Duration {
    let micros = u128::from(u64::try_from(most.as_micros()).unwrap_or(u64::MAX));
    Duration::from_micros(u64::try_from((micros * u128::from(random)) >> 64).unwrap_or_default())
}

/// A source that says that there is no endpoint: NXDOMAIN, an empty list. A mistake in a zone or a catalog that lost its
/// memory would otherwise end a service whose instances are well.
#[derive(Debug, Default)]
pub(super) struct Denials {
    count: u32,
    first: Option<Instant>,
}

impl Denials {
    /// It says so once more. True: it is believed.
    pub(super) fn another(&mut self, now: Instant) -> bool {
        self.count = self.count.saturating_add(1);
        let first = *self.first.get_or_insert(now);
        self.count >= LEAST_DENIALS && now.saturating_duration_since(first) >= LEAST_DENIED
    }

    /// It says something else.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// How often it said so in a row.
    pub(super) fn count(&self) -> u32 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_used_for_its_time_and_up_to_a_tenth_more() {
        let seconds = Duration::from_secs;
        for (good_for, random, expected) in [
            (seconds(60), 0, seconds(60)),
            (seconds(60), u64::MAX / 2, seconds(63)),
            (seconds(60), u64::MAX, seconds(66)),
            (Duration::ZERO, 0, Duration::from_millis(100)),
            (Duration::from_millis(30), 0, Duration::from_millis(100)),
        ] {
            let pause = pause(good_for, random);
            let difference = pause.abs_diff(expected);
            assert!(difference < Duration::from_millis(1), "{good_for:?} {random}: {pause:?}");
        }
    }

    #[test]
    fn failures_are_tried_again_after_growing_pauses() {
        let millis = |failures, random| retry_pause(failures, random).as_millis();
        let longest: Vec<_> = (1..9).map(|failures| millis(failures, u64::MAX)).collect();
        assert_eq!(longest, [499, 999, 1999, 3999, 7999, 14_999, 14_999, 14_999]);
        let shortest: Vec<_> = (1..9).map(|failures| millis(failures, 0)).collect();
        assert_eq!(shortest, [250, 500, 1000, 2000, 4000, 7500, 7500, 7500]);
        assert_eq!(millis(u32::MAX, 0), 7500);
    }

    #[test]
    fn that_there_is_nothing_is_believed_after_three_times_over_half_a_minute() {
        let start = Instant::now();
        let believed = |seconds: &[u64]| {
            let mut denials = Denials::default();
            let at = |second: &u64| denials.another(start + Duration::from_secs(*second));
            seconds.iter().map(at).collect::<Vec<_>>()
        };
        assert_eq!(believed(&[0, 10, 20, 30]), [false, false, false, true]);
        assert_eq!(
            believed(&[0, 1, 2, 3, 4, 29, 31, 40]),
            [false, false, false, false, false, false, true, true]
        );
        assert_eq!(believed(&[0, 300, 600]), [false, false, true]);
        let mut denials = Denials::default();
        for round in 0..10 {
            assert!(!denials.another(start + Duration::from_secs(round * 100)));
            assert!(!denials.another(start + Duration::from_secs(round * 100 + 50)));
            assert_eq!(denials.count(), 2);
            denials.clear();
        }
    }
}
