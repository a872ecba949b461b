//! Endpoints from which nothing comes any more: connections to them stay open, and their requests wait.
//!
//! Nobody can tell such a silence from a long answer by looking at it. So somebody connects: a host that is there accepts or
//! refuses at once, and from one that is not nothing comes. Then it is unreachable, and those who wait may leave.

use super::word::Kind;
use super::{Cause, Change, EndpointState};
use crate::Time;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Between two probes of an endpoint that is suspected; doubled with each up to the longest, so that one whose answers are always
/// slow is hardly bothered.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MOST_DOUBLINGS: u32 = 6;
/// An endpoint that was not suspected for so long is as good as new.
const FORGIVEN: Duration = Duration::from_secs(300);

impl EndpointState {
    /// Requests wait for much longer than they usually do. True for one caller now and then: it has somebody connect to the
    /// endpoint, who says what came of it if nothing did ([`connect_timed_out`](Self::connect_timed_out)).
    #[must_use]
    pub fn suspect(&self, now: Time) -> bool {
        let next = self.suspicion.load(Relaxed);
        if now.0 < next || self.load().kind() == Kind::Unreachable {
            return false;
        }
        let count = if now.micros_since(Time(next)) > FORGIVEN.as_micros() as u64 {
            0
        } else {
            self.suspicions.load(Relaxed)
        };
        let pause = FIRST_PAUSE * (1 << count.min(MOST_DOUBLINGS));
        let is_first = self.suspicion.compare_exchange(next, now.after(pause).0, Relaxed, Relaxed).is_ok();
        if is_first {
            self.suspicions.store(count.saturating_add(1), Relaxed);
        }
        is_first
    }

    /// Nothing came back when somebody connected.
    pub fn connect_timed_out(&self, now: Time) -> Option<Change> {
        self.unreachable(now, Cause::Silent)
    }

    /// Whether nothing comes from it: what waits for it waits in vain.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.load().kind() == Kind::Unreachable && self.cause.load(Relaxed) == Cause::Silent.pack()
    }
}

#[cfg(test)]
mod tests {
    use super::super::BackendState;
    use super::*;
    use irongate_config::BackendOptions;

    #[test]
    fn suspicion_is_raised_now_and_then() {
        let backend = BackendState::new(&BackendOptions::default());
        let endpoint = EndpointState::new(([127, 0, 0, 1], 1).into(), &backend, Time::ZERO);
        // Asked each tenth of a second for two minutes.
        let raised = |from: u64| {
            let asked = (0..1200).map(|tenth| from + tenth);
            asked.filter(|tenth| endpoint.suspect(Time(tenth * 100_000))).collect::<Vec<_>>()
        };
        assert_eq!(vec![10_000, 10_010, 10_030, 10_070, 10_150, 10_310, 10_630], raised(10_000));
        assert_eq!(vec![100_000, 100_010], raised(100_000)[..2], "forgiven");
    }

    #[test]
    fn who_does_not_answer_is_silent_and_who_refuses_is_not() {
        let backend = BackendState::new(&BackendOptions::default());
        let endpoint = EndpointState::new(([127, 0, 0, 1], 1).into(), &backend, Time::ZERO);
        let second = |count: u64| Time(count * 1_000_000);
        assert_eq!(Some(Change::Unreachable), endpoint.connect_timed_out(second(1)));
        assert!(endpoint.is_silent() && !endpoint.suspect(second(1)));
        assert_eq!(Cause::Silent, endpoint.report(second(2)).cause);
        assert_eq!(None, endpoint.connect_failed(second(2)));
        assert!(!endpoint.is_silent(), "its host is there");
        assert_eq!(Some(Change::Ready), endpoint.connect_succeeded(second(3)));
        assert!(!endpoint.is_silent());
    }
}
