//! What one core knows of an endpoint's load.

use crate::Time;
use crate::health::Sighting;
use crate::time::{as_f32, decay};

/// How fast an estimate follows samples below it, e-fold, in microseconds (as Finagle and Linkerd have it).
const FOLLOW: f32 = 10_000_000.0;
/// What one sample below an estimate leaves of the difference at most. By time alone, one pause of 100 ms keeps an endpoint of
/// 6 ms from nearly all of its share for ten seconds, though it answers quickly again; one that is slow gives no such samples.
const KEPT: f32 = 7.0 / 8.0;
/// The same while an endpoint is tried that was left alone: it gets to its share within a second or two if it is quick again.
const KEPT_IN_TRIAL: f32 = 1.0 / 2.0;
/// How fast the estimate of an endpoint that is not asked goes to what is typical: no news makes it worth another try.
/// Half a second of latency among endpoints of 6 ms is tried again after about 3 s, with 300 requests a second.
const FORGET: f32 = 800_000.0;
/// So many times what is typical is slow enough for other cores to be told what became of it.
const NOTABLE: f32 = 2.0;
/// What does not count as being idle.
const IDLE_MICROS: u64 = 1_000_000;
/// A new endpoint, or one that came back, gets to its share within this.
const SLOW_START_MICROS: u64 = 3_000_000;
/// And begins with this part of it.
const SLOW_START_LEAST: f32 = 0.1;

/// Latencies in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// Negative: nothing was measured yet.
    estimate: f32,
    /// The backend's mean weight over this endpoint's.
    pub(super) inverse_weight: f32,
    /// When `estimate` was so.
    updated: Time,
    /// Requests under way, to the end of their answers.
    pub(super) pending: u32,
    /// Requests that wait for an answer, in two groups: those that came while `young` names theirs, and older ones.
    waiting: [u32; 2],
    /// When the last one of each group began to wait.
    latest: [Time; 2],
    young: u8,
    pub(super) is_member: bool,
    pub(super) generation: u32,
    pub(super) weight: u32,
    pub(super) incarnation: u32,
    /// When it was new or came back; `NEVER`: so long ago that it does not matter.
    started: Time,
    /// It was left alone for a while, and is looked at again.
    in_trial: bool,
}

impl Slot {
    pub(super) fn new(generation: u32, incarnation: u32) -> Self {
        Self {
            estimate: -1.0,
            inverse_weight: 1.0,
            updated: Time::ZERO,
            pending: 0,
            waiting: [0; 2],
            latest: [Time::ZERO; 2],
            young: 0,
            is_member: true,
            generation,
            weight: 1,
            incarnation,
            started: Time::NEVER,
            in_trial: false,
        }
    }

    /// It is new, or another process than before: it gets its share little by little, and what was measured is forgotten.
    pub(super) fn start(&mut self, now: Time) {
        self.estimate = -1.0;
        self.updated = now;
        self.started = now;
        self.in_trial = false;
    }

    /// Whether it is still let in little by little.
    pub(super) fn is_starting(&self, now: Time) -> bool {
        self.ramp(now) < 1.0
    }

    /// The part of its share that it gets.
    #[inline]
    pub(super) fn ramp(&self, now: Time) -> f32 {
        if self.started == Time::NEVER {
            return 1.0;
        }
        let part = now.micros_since(self.started) as f32 / SLOW_START_MICROS as f32;
        part.clamp(SLOW_START_LEAST, 1.0)
    }

    /// A request begins. `estimate`: the latency that is expected, if it [was left alone](Self::is_left_alone).
    pub(super) fn begin(&mut self, now: Time, estimate: Option<f32>) {
        if let Some(estimate) = estimate {
            self.estimate = estimate;
            self.updated = now;
            self.in_trial = true;
        }
        if now.micros_since(self.started) > SLOW_START_MICROS {
            self.started = Time::NEVER;
        }
        self.pending += 1;
    }

    /// A request begins to wait for its answer. Returns the group that it is counted in.
    pub(super) fn wait(&mut self, now: Time) -> u8 {
        if self.waiting[usize::from(1 - self.young)] == 0 {
            self.young = 1 - self.young;
        }
        let group = usize::from(self.young);
        self.waiting[group] += 1;
        self.latest[group] = now;
        self.young
    }

    pub(super) fn stop_waiting(&mut self, group: u8) {
        let waiting = &mut self.waiting[usize::from(group)];
        *waiting = waiting.saturating_sub(1);
    }

    /// An answer took so long. Gives what other cores should know, if they should.
    #[must_use]
    pub(super) fn sample(&mut self, latency: f32, now: Time, typical: f32) -> Option<f32> {
        let before = self.estimate;
        self.estimate = if latency >= before {
            latency
        } else {
            let most = if self.in_trial { KEPT_IN_TRIAL } else { KEPT };
            let kept = decay(now.micros_since(self.updated), FOLLOW).min(most);
            latency + (before - latency) * kept
        };
        self.updated = now;
        if !self.in_trial {
            return None;
        }
        // It is over with a slow answer, or when its answers are like others'.
        let notable = NOTABLE * typical;
        self.in_trial = latency < before && self.estimate > notable;
        (before > notable || self.estimate > notable).then_some(self.estimate)
    }

    /// What it is expected to take: by its estimate, and at least as long as somebody waits already.
    #[inline]
    pub(super) fn latency(&self, now: Time, typical: f32) -> f32 {
        let estimate = if self.estimate < 0.0 { typical } else { self.estimate };
        if self.pending == 0 { estimate } else { estimate.max(self.oldest(now)) }
    }

    /// Nothing is under way, and for a while nothing was measured here: what other cores have seen may be newer.
    #[inline]
    pub(super) fn is_left_alone(&self, now: Time) -> bool {
        self.pending == 0 && now.micros_since(self.updated) > IDLE_MICROS && self.estimate >= 0.0
    }

    /// The same for one that was left alone. The longer nobody has asked it, the more it is taken for one like others.
    pub(super) fn latency_left_alone(&self, now: Time, typical: f32, sighting: &Sighting) -> f32 {
        let (updated, estimate) = sighting.after(self.updated).unwrap_or((self.updated, self.estimate));
        let idle = now.micros_since(updated).saturating_sub(IDLE_MICROS);
        typical + (estimate - typical) * decay(idle, FORGET)
    }

    /// What is under way, for its weight: 1 when it is idle, and p + 1 for p requests at the mean weight.
    ///
    /// An endpoint of twice the weight has room for two before a third waits; a plain p / weight would make it look
    /// busier than a light one that is idle, which costs it a tenth of its share at low load.
    #[inline]
    pub(super) fn load(&self) -> f32 {
        (self.pending as f32 * self.inverse_weight + self.inverse_weight.min(1.0)).max(1.0)
    }

    /// A lower bound of the time that the oldest unanswered request has waited.
    ///
    /// Everybody in the older group began no later than its `latest`. Once that group is empty the younger one becomes
    /// it, so a request that hangs is in the older group as soon as the next one comes, and pins it.
    fn oldest(&self, now: Time) -> f32 {
        let (young, old) = (usize::from(self.young), usize::from(1 - self.young));
        let group = if self.waiting[old] > 0 { old } else { young };
        if self.waiting[group] == 0 { 0.0 } else { as_f32(now.micros_since(self.latest[group])) }
    }
}
