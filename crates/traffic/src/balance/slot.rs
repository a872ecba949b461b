//! What one core knows of an endpoint's load.

use crate::Time;
use crate::time::{as_f32, decay};

/// How fast an estimate follows samples below it, e-fold, in microseconds (as Finagle and Linkerd have it).
const FOLLOW: f32 = 10_000_000.0;
/// What one sample below an estimate leaves of the difference at most. By time alone, one pause of 100 ms keeps an endpoint of
/// 6 ms from nearly all of its share for ten seconds, though it answers quickly again; one that is slow gives no such samples.
const KEPT: f32 = 7.0 / 8.0;
/// How fast the estimate of an endpoint that is not asked goes to what is typical: no news makes it worth another try.
/// Half a second of latency among endpoints of 6 ms is tried again after about 11 s.
const FORGET: f32 = 2_000_000.0;
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
        }
    }

    /// It is new, or another process than before: it gets its share little by little, and what was measured is forgotten.
    pub(super) fn start(&mut self, now: Time) {
        self.estimate = -1.0;
        self.started = now;
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

    pub(super) fn begin(&mut self, now: Time, typical: f32) {
        if self.pending == 0 && self.estimate >= 0.0 {
            let estimate = self.faded(now, typical);
            if estimate != self.estimate {
                self.estimate = estimate;
                self.updated = now;
            }
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

    pub(super) fn sample(&mut self, latency: f32, now: Time) {
        self.estimate = if latency >= self.estimate {
            latency
        } else {
            let kept = decay(now.micros_since(self.updated), FOLLOW).min(KEPT);
            latency + (self.estimate - latency) * kept
        };
        self.updated = now;
    }

    /// What it is expected to take: by its estimate, and at least as long as somebody waits already.
    #[inline]
    pub(super) fn latency(&self, now: Time, typical: f32) -> f32 {
        if self.pending == 0 {
            return if self.estimate < 0.0 { typical } else { self.faded(now, typical) };
        }
        let estimate = if self.estimate < 0.0 { typical } else { self.estimate };
        estimate.max(self.oldest(now))
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

    #[inline]
    fn faded(&self, now: Time, typical: f32) -> f32 {
        match now.micros_since(self.updated) {
            0..=IDLE_MICROS => self.estimate,
            idle => typical + (self.estimate - typical) * decay(idle - IDLE_MICROS, FORGET),
        }
    }
}
