//! How long a connection to an origin takes requests, and how many. Then it takes no more, and ends with the last of those it
//! has: load comes to lie where instances are now.

use irongate_traffic::Time;
use std::time::Duration;

/// The least age; up to a quarter is added by chance, so that connections that were opened together do not end together.
const AGE: Duration = Duration::from_secs(600);
/// The most requests; up to a quarter fewer by chance. Far fewer than there are numbers for streams (2^30).
const REQUESTS: u64 = 1 << 24;

/// The bounds of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    until: Time,
    requests: u64,
}

impl Lifetime {
    /// Of a connection that begins now; the dice are random numbers.
    pub(super) fn new(now: Time, dice: [u64; 2]) -> Self {
        let [age, requests] = dice;
        let extra = Duration::from_millis(age % (AGE.as_millis() as u64 / 4));
        Self { until: now.after(AGE + extra), requests: REQUESTS - requests % (REQUESTS / 4) }
    }

    /// Whether it is too old for more requests.
    pub(super) fn is_over(&self, now: Time) -> bool {
        now >= self.until
    }

    /// Whether it takes no more after so many requests.
    pub(super) fn is_used_up(&self, requests: u64) -> bool {
        requests >= self.requests
    }
}

#[cfg(test)]
impl Lifetime {
    /// Of a connection that takes so many requests, however old it is.
    pub(super) fn of_requests(requests: u64) -> Self {
        Self { until: Time::NEVER, requests }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_differ_by_chance_and_no_more_than_that() {
        let begin = Time(7);
        let at = |seconds| begin.after(Duration::from_secs(seconds));
        for dice in [0, 1, 149_999, 150_000, u64::MAX / 2, u64::MAX] {
            let lifetime = Lifetime::new(begin, [dice, dice]);
            assert!(!lifetime.is_over(at(599)) && lifetime.is_over(at(750)), "{dice}: {lifetime:?}");
            assert!(!lifetime.is_used_up(3 << 22) && lifetime.is_used_up(1 << 24), "{dice}: {lifetime:?}");
        }
        let shortest = Lifetime::new(begin, [0, 0]);
        assert!(shortest.is_over(at(600)) && !shortest.is_used_up((1 << 24) - 1));
        let longest = Lifetime::new(begin, [149_999, (1 << 22) - 1]);
        assert!(!longest.is_over(at(749)) && longest.is_used_up((3 << 22) + 1));
    }
}
