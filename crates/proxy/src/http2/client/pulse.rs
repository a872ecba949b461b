//! Whether a connection to an origin lives: found out from what comes, and by a PING where an answer is owed and nothing does.

use irongate_traffic::Time;
use std::time::Duration;

/// A connection without a request for so long is closed. Long, since the origin can end it without loss (GOAWAY).
const IDLE: Duration = Duration::from_secs(300);
/// An origin that owes an answer and has said nothing for so long is asked for a sign of life. Many answers take long, and
/// any origin acknowledges a PING at once.
const SILENT: Duration = Duration::from_secs(10);
/// Without a sign after so long, new requests go elsewhere.
const DOUBTFUL: Duration = Duration::from_secs(15);
/// And after so long it is taken for dead: TCP would find out after a quarter of an hour.
const DEAD: Duration = Duration::from_secs(30);

/// What is known of a connection's life.
pub(super) struct Pulse {
    /// Bytes that had come when it was last looked at, and when there was last more, or nothing was owed.
    received: u64,
    heard: Time,
    /// Requests begun by then, and when there was last a new one.
    begun: u64,
    used: Time,
    asked: bool,
}

/// What a connection shows, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Nothing is wrong.
    Well,
    /// It is to be asked by a PING.
    Silent,
    /// It was asked and has not answered.
    Asked,
    /// New requests should not rely on it.
    Doubtful,
    /// It is over.
    Dead,
    /// Nobody has used it for long.
    Idle,
}

impl Pulse {
    pub(super) fn new(now: Time) -> Self {
        Self { received: 0, heard: now, begun: 0, used: now, asked: false }
    }

    /// Looks at a connection on which so many bytes have come, and so many requests begun, of which so many are under way.
    pub(super) fn look(&mut self, now: Time, received: u64, begun: u64, active: usize) -> Sign {
        let owes_nothing = active == 0 && begun == self.begun && !self.asked;
        if received != self.received || owes_nothing {
            (self.received, self.heard, self.asked) = (received, now, false);
        }
        if begun != self.begun || active > 0 {
            (self.begun, self.used) = (begun, now);
        }
        let silent = now.saturating_since(self.heard);
        match () {
            () if self.asked && silent >= DEAD => Sign::Dead,
            () if self.asked && silent >= DOUBTFUL => Sign::Doubtful,
            () if self.asked => Sign::Asked,
            () if silent >= SILENT => {
                self.asked = true;
                Sign::Silent
            }
            () if now.saturating_since(self.used) >= IDLE => Sign::Idle,
            () => Sign::Well,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks once a second, until the sign changes: from which second on there is which. `state` tells of a second what has come,
    /// what was begun, and what is under way.
    #[track_caller]
    fn check(seconds: u64, state: impl Fn(u64) -> (u64, u64, usize), expected: &[(u64, Sign)]) {
        let mut pulse = Pulse::new(Time::ZERO);
        let mut seen = vec![(0, Well)];
        for second in 1..=seconds {
            let (received, begun, active) = state(second);
            let sign = pulse.look(Time::ZERO.after(Duration::from_secs(second)), received, begun, active);
            if seen.last().is_some_and(|&(_, last)| last != sign) {
                seen.push((second, sign));
            }
        }
        assert_eq!(seen[1..], *expected);
    }

    use Sign::{Asked, Dead, Doubtful, Idle, Silent, Well};

    #[test]
    fn silence_is_asked_about_and_then_taken_for_death() {
        let dies = [(10, Silent), (11, Asked), (15, Doubtful), (30, Dead)];
        check(30, |_| (0, 1, 1), &dies);
        check(30, |second| (0, second, 1), &dies);
        check(30, |second| (0, second, second as usize), &dies);
        // The request gave up; it is still not known whether the origin is there.
        check(30, |second| (0, 1, usize::from(second < 12)), &dies);
    }

    #[test]
    fn any_byte_is_a_sign_of_life() {
        check(100, |second| (second, 1, 1), &[]);
        check(100, |second| (second / 9, 1, 1), &[]);
        check(16, |second| (second / 12, 1, 1), &[(10, Silent), (11, Asked), (12, Well)]);
        let cycle = [(10, Silent), (11, Asked), (12, Well), (22, Silent), (23, Asked), (24, Well)];
        check(25, |second| (second / 12, 1, 1), &cycle);
    }

    #[test]
    fn what_nobody_uses_is_idle_and_owes_nothing() {
        check(305, |_| (0, 0, 0), &[(300, Idle)]);
        check(405, |second| (second.min(100), second.min(100), 0), &[(400, Idle)]);
        check(400, |second| (second / 5, 1, 1), &[]);
    }
}
