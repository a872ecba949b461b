//! How an endpoint is ejected, and how it comes back: by one request, the trial.
//!
//! The time out doubles with each ejection that follows another, and with each trial that fails. A trial that fails by an answer
//! costs its caller nothing as long as it can be sent elsewhere, so requests that can be sent again try the endpoint every
//! few seconds, however long it has been failing: one that is well again is found soon. Where a trial waits until its time is over,
//! where the ejection came of many answers rather than of failures in a row, and for requests that cannot be sent again, the time
//! out holds as it is.
//!
//! One that was ejected before, not long ago, has to pass as many trials in a row as it was ejected, up to [`MOST_TRIALS`]. They
//! follow each other at once, so one that is well passes them soon; one that fails half of the time hardly ever does.

use super::word::{Kind, Word};
use super::{Change, EndpointState};
use crate::Time;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::Duration;

/// How long the request that may bring an ejected endpoint back may take; then it counts as failed.
pub(super) const TRIAL_TIME: Duration = Duration::from_secs(10);
/// How long an ejected endpoint waits for a request that can be sent again, once its time is over; then any
/// request may bring it back (a backend may get nothing but POST).
const TRIAL_GRACE: Duration = Duration::from_secs(5);
/// Trials that an endpoint has to pass at most, one after the other.
const MOST_TRIALS: u32 = 8;

impl EndpointState {
    /// When a request may be its trial; `NEVER` if it is not out.
    pub(crate) fn due(&self, replayable: bool) -> Time {
        let word = self.load();
        match word.kind() {
            Kind::Ejected if word.is_held() => Time::NEVER,
            Kind::Ejected if replayable => word.until(),
            Kind::Ejected => Time(self.lasting.load(Relaxed)).after(TRIAL_GRACE),
            Kind::Trial => word.until(),
            Kind::Ready | Kind::Failing | Kind::Unreachable | Kind::Waiting => Time::NEVER,
        }
    }

    /// Takes the one trial of an ejected endpoint whose time is over. `replayable`: the request can be sent again
    /// elsewhere, without harm, if it fails.
    #[must_use]
    pub(crate) fn claim_trial(&self, now: Time, replayable: bool, random: u64) -> bool {
        let word = self.load();
        match word.kind() {
            Kind::Ejected if self.due(replayable) <= now => {
                let claimed =
                    self.exchange(word, Word::new(Kind::Trial, word.count(), now.after(TRIAL_TIME)));
                if claimed {
                    self.backend.bump();
                }
                claimed
            }
            Kind::Trial if word.until() <= now => {
                // The last trial never came to an end.
                let _ = self.eject_again(word, now, random, true);
                false
            }
            _ => false,
        }
    }

    /// Gives a trial back that came to nothing: its client left.
    pub(crate) fn release_trial(&self, now: Time, begun: Time) {
        let word = self.load();
        let ours = word.kind() == Kind::Trial && word.until() == begun.after(TRIAL_TIME);
        if ours && self.exchange(word, Word::new(Kind::Ejected, word.count(), now)) {
            self.backend.bump();
        }
    }

    /// A trial was passed, and others have to follow: `false` if it was the last.
    pub(super) fn has_more_to_pass(&self, word: Word, now: Time) -> bool {
        let passed = self.passed.fetch_add(1, Relaxed).saturating_add(1);
        if word.kind() != Kind::Trial || passed >= self.ejections.load(Relaxed).min(MOST_TRIALS) {
            return false;
        }
        if self.exchange(word, Word::new(Kind::Ejected, word.count(), now)) {
            self.backend.bump();
        }
        true
    }

    /// Out, if the backend's bound allows. `in_a_row`: for failures in a row that nobody had to wait for.
    pub(super) fn eject(&self, word: Word, now: Time, random: u64, in_a_row: bool) -> Option<Change> {
        if !self.backend.claim_ejection() {
            if word.kind() == Kind::Ready && self.exchange(word, Word::new(Kind::Failing, 0, Time::ZERO)) {
                self.changed(Kind::Ready, Kind::Failing, now);
                return Some(Change::Failing);
            }
            return None;
        }
        let returned = Time(self.returned.load(Relaxed));
        let lately = returned != Time::ZERO && now.saturating_since(returned) < self.backend.longest_out();
        let count = if lately { self.ejections.load(Relaxed).saturating_add(1) } else { 1 };
        let lasting = self.backend.time_out(count, random);
        let until = now.after(if in_a_row { lasting.min(self.backend.pause(random)) } else { lasting });
        if !self.exchange(word, Word::new(Kind::Ejected, count, until)) {
            self.backend.release_ejection();
            return None;
        }
        self.lasting.store(now.after(lasting).0, Relaxed);
        self.ejections.store(count, Relaxed);
        self.passed.store(0, Relaxed);
        self.since.store(now.0, Release);
        self.forget_answers();
        if word.kind() == Kind::Failing {
            self.backend.forget_failing();
        }
        self.backend.bump();
        Some(Change::Ejected { until })
    }

    /// A trial failed: out for longer. `costly`: whoever made it waited in vain.
    pub(super) fn eject_again(&self, word: Word, now: Time, random: u64, costly: bool) -> Option<Change> {
        let count = word.count() + 1;
        let lasting = self.backend.time_out(count, random);
        let pause = if costly { lasting } else { lasting.min(self.backend.pause(random)) };
        let until = now.after(pause);
        if !self.exchange(word, Word::new(Kind::Ejected, count, until)) {
            return None;
        }
        self.lasting.store(now.after(lasting).0, Relaxed);
        self.passed.store(0, Relaxed);
        if costly {
            self.ejections.store(count, Relaxed);
        }
        self.backend.bump();
        Some(Change::Ejected { until })
    }
}
