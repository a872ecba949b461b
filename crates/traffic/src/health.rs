//! Whether an endpoint can be used: known to all cores and routes at once.
//!
//! There are two ways to be out. *Unreachable*: connecting failed, once. Nothing is lost by leaving it alone, so
//! there is no bound; somebody connects to it in the background at [`EndpointState::next_probe`], after 100 ms at
//! first and each second later, until that works. *Ejected*: it answers, and it failed several times in a row. At most
//! half of a backend (by default) is out in this way; it comes back by **one** real request (one after the other where it
//! was ejected before), which one core claims by compare-and-swap once the [time out](ejection) is over, and which can be
//! sent elsewhere if it fails.
//!
//! [Active checks](checks) lead to the same two: who cannot be connected to is unreachable, and who answers wrongly is ejected for
//! as long as it does. So do the [share of successes and latency](outliers), where a policy asks for it.
//!
//! Besides there is *doubt*: a score that a failure raises for all cores at once, and that successes and time
//! take back. The balancer makes doubtful endpoints dear, and a failure of one may be tried elsewhere.
//!
//! What a request tells about an endpoint counts only if it began after the endpoint's health last changed: what
//! was under way when an instance was killed says nothing about the one that was started in its place.

mod backend;
mod checks;
mod doubt;
mod ejection;
mod limits;
mod outliers;
mod report;
mod sighting;
mod suspicion;
mod word;

pub use backend::BackendState;
pub use checks::CheckFault;
pub use limits::{Limited, LimitsState};
pub use outliers::eject_slow;
pub use report::{Cause, Change, Health, HealthReport};

use crate::{Time, stable};
use doubt::Doubt;
use ejection::TRIAL_TIME;
use outliers::Window;
pub(crate) use sighting::Sighting;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::time::Duration;
pub(crate) use word::Kind;
use word::Word;

/// The first pause between background probes of an unreachable endpoint; doubles.
const FIRST_PROBE: Duration = Duration::from_millis(100);
/// The longest: an instance that was started again is found within a second.
const LONGEST_PROBE: Duration = Duration::from_secs(1);
/// What all cores know of an endpoint of a backend. One per backend and address, kept beside the snapshots.
///
/// On the path of a successful request it is only read.
#[derive(Debug)]
pub struct EndpointState {
    address: SocketAddr,
    /// See [`EndpointState::id`].
    id: u64,
    backend: Arc<BackendState>,
    /// See [`Word`].
    word: AtomicU64,
    /// When the health last changed.
    since: AtomicU64,
    /// Failures in a row.
    streak: AtomicU32,
    /// Ejections in a row, for the doubling.
    ejections: AtomicU32,
    /// While it is ejected: the end of its time out for requests that cannot be sent again.
    lasting: AtomicU64,
    /// While it is ejected: trials passed in a row.
    passed: AtomicU32,
    /// When it last came back from an ejection.
    returned: AtomicU64,
    /// How often it came back from whatever; balancers forget what they measured before.
    incarnation: AtomicU32,
    doubt: Doubt,
    /// The last look at it after it was left alone for being slow.
    sighting: Sighting,
    cause: AtomicU32,
    /// See [`checks::Checked`].
    checked: AtomicU32,
    /// Requests and failures of late, and answers and their times.
    rate: Window,
    latency: Window,
    /// When it may be suspected next, and how often it was.
    suspicion: AtomicU64,
    suspicions: AtomicU32,
}

impl EndpointState {
    /// An endpoint of which nothing bad is known.
    #[must_use]
    pub fn new(address: SocketAddr, backend: &Arc<BackendState>, now: Time) -> Arc<Self> {
        Arc::new(Self {
            address,
            id: stable::of_socket(address),
            backend: backend.clone(),
            word: AtomicU64::new(Word::READY.0),
            since: AtomicU64::new(now.0),
            streak: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            lasting: AtomicU64::new(0),
            passed: AtomicU32::new(0),
            returned: AtomicU64::new(0),
            incarnation: AtomicU32::new(0),
            doubt: Doubt::default(),
            sighting: Sighting::default(),
            cause: AtomicU32::new(0),
            checked: AtomicU32::new(0),
            rate: Window::default(),
            latency: Window::default(),
            suspicion: AtomicU64::new(0),
            suspicions: AtomicU32::new(0),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A number for its address, the same everywhere and always.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whose endpoint it is.
    #[must_use]
    pub fn backend(&self) -> &Arc<BackendState> {
        &self.backend
    }

    /// Connecting failed at once, as by a refusal. `Some(Change::Unreachable)` goes to one caller only: who
    /// gets it sees to it that the endpoint is probed (see [`next_probe`](Self::next_probe)).
    pub fn connect_failed(&self, now: Time) -> Option<Change> {
        self.unreachable(now, Cause::Connect)
    }

    fn unreachable(&self, now: Time, cause: Cause) -> Option<Change> {
        let word = self.load();
        let pause = match word.kind() {
            Kind::Unreachable if now < word.until() => return None,
            Kind::Unreachable => probe_pause(word.count() + 1),
            _ => probe_pause(0),
        };
        let count = if word.kind() == Kind::Unreachable { word.count() + 1 } else { 0 };
        let next = Word::new(Kind::Unreachable, count, now.after(pause));
        if !self.exchange(word, next) {
            return None;
        }
        self.cause.store(cause.pack(), Relaxed);
        if word.kind() == Kind::Unreachable {
            return None;
        }
        self.doubt.clear();
        self.changed(word.kind(), Kind::Unreachable, now);
        Some(Change::Unreachable)
    }

    /// Connecting worked. Cheap, and without effect unless it was unreachable.
    pub fn connect_succeeded(&self, now: Time) -> Option<Change> {
        let word = self.load();
        if word.kind() != Kind::Unreachable {
            return None;
        }
        if self.is_failing_checks() {
            // Somebody listens; checks say when it may have requests.
            return self.hold(now, Cause::unpack(self.cause.load(Relaxed)));
        }
        if !self.exchange(word, Word::READY) {
            return None;
        }
        // Most likely another process than the one that failed.
        self.streak.store(0, Relaxed);
        self.ejections.store(0, Relaxed);
        self.incarnation.fetch_add(1, Relaxed);
        self.changed(Kind::Unreachable, Kind::Ready, now);
        Some(Change::Ready)
    }

    /// When to connect to it in the background next; `None` if it is not unreachable (any more). Whoever does it then
    /// reports by [`connect_succeeded`](Self::connect_succeeded) or [`connect_failed`](Self::connect_failed) and
    /// asks again; it holds the endpoint by `Weak`, so that a removed one ends it.
    #[must_use]
    pub fn next_probe(&self) -> Option<Time> {
        let word = self.load();
        (word.kind() == Kind::Unreachable).then(|| word.until())
    }

    /// A request that began at `begun` got its answer, and it is no failure.
    pub fn record_success(&self, now: Time, begun: Time) -> Option<Change> {
        self.doubt.success(now);
        let _ = self.count_success(now, false);
        if self.streak.load(Relaxed) == 0 && self.word.load(Relaxed) == Word::READY.0 {
            return None;
        }
        if begun.0 < self.since.load(Acquire) {
            return None;
        }
        let word = self.load();
        match word.kind() {
            Kind::Unreachable => return self.connect_succeeded(now),
            Kind::Ready => {
                self.streak.store(0, Relaxed);
                return None;
            }
            Kind::Waiting => return None,
            Kind::Failing | Kind::Ejected | Kind::Trial => {}
        }
        if self.is_failing_checks() || self.has_more_to_pass(word, now) || !self.exchange(word, Word::READY) {
            return None;
        }
        self.streak.store(0, Relaxed);
        if word.kind() != Kind::Failing {
            // It is let in by a slow start; doubt on top of that would keep it from its share for long.
            self.doubt.clear();
            self.returned.store(now.0, Relaxed);
            self.incarnation.fetch_add(1, Relaxed);
        }
        self.changed(word.kind(), Kind::Ready, now);
        Some(Change::Ready)
    }

    /// A request that began at `begun` failed, by transport or by its answer. `random` spreads the time out.
    pub fn record_failure(&self, now: Time, begun: Time, cause: Cause, random: u64) -> Option<Change> {
        if begun.0 < self.since.load(Acquire) {
            return None;
        }
        self.doubt.failure(now);
        if !cause.counts_in_a_row() {
            return None;
        }
        let rate = self.count_success(now, true);
        let streak = self.streak.fetch_add(1, Relaxed).saturating_add(1);
        let word = self.load();
        match word.kind() {
            Kind::Ready | Kind::Failing if self.backend.is_streak(streak) => {
                self.cause.store(cause.pack(), Relaxed);
                self.eject(word, now, random, cause != Cause::Timeout)
            }
            Kind::Ready | Kind::Failing if let Some(percent) = rate => {
                self.eject_for(now, Cause::SuccessRate(percent), random)
            }
            Kind::Trial if begun.after(TRIAL_TIME) >= word.until() => {
                self.cause.store(cause.pack(), Relaxed);
                self.eject_again(word, now, random, cause == Cause::Timeout)
            }
            _ => None,
        }
    }

    /// It is no endpoint of its backend any more: what it takes of the backend's bounds is free again. It can
    /// come back later, as good as new.
    pub(crate) fn retire(&self, now: Time) {
        let word = self.load();
        if word.kind() != Kind::Ready && self.exchange(word, Word::READY) {
            self.streak.store(0, Relaxed);
            self.doubt.clear();
            self.changed(word.kind(), Kind::Ready, now);
        }
    }

    /// How much its failures of late weigh: 0 (none) to 1 (nothing but failures).
    #[must_use]
    pub fn doubt(&self, now: Time) -> f32 {
        self.doubt.at(now)
    }

    /// What the core that looked at it last saw, after it was left alone for being slow: see [`Sighting`].
    pub(crate) fn sighting(&self) -> &Sighting {
        &self.sighting
    }

    pub(crate) fn word(&self) -> Word {
        self.load()
    }

    pub(crate) fn incarnation(&self) -> u32 {
        self.incarnation.load(Relaxed)
    }

    /// What follows from a change of kind, but for an ejection.
    fn changed(&self, from: Kind, to: Kind, now: Time) {
        self.since.store(now.0, Release);
        self.forget_answers();
        self.let_go(from);
        if to == Kind::Failing {
            self.backend.note_failing();
        }
        self.backend.bump();
    }

    /// Gives back what a kind takes of the backend's bounds.
    fn let_go(&self, kind: Kind) {
        match kind {
            Kind::Ejected | Kind::Trial => self.backend.release_ejection(),
            Kind::Failing => self.backend.forget_failing(),
            Kind::Ready | Kind::Unreachable | Kind::Waiting => {}
        }
    }

    fn load(&self) -> Word {
        Word(self.word.load(Acquire))
    }

    fn exchange(&self, from: Word, to: Word) -> bool {
        self.word.compare_exchange(from.0, to.0, AcqRel, Acquire).is_ok()
    }
}

impl Drop for EndpointState {
    fn drop(&mut self) {
        self.let_go(self.load().kind());
    }
}

fn probe_pause(count: u32) -> Duration {
    (FIRST_PROBE * (1 << count.min(4))).min(LONGEST_PROBE)
}

#[cfg(test)]
mod tests;
