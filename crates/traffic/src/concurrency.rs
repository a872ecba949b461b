//! How many requests may be under way at once: a limit that follows what those who serve them can do.
//!
//! A request begins ([`ConcurrencyState::begin`]), perhaps after a wait, and ends; how long it took until it was answered is
//! a sample ([`ConcurrencyState::record`]). Every window of samples moves the limit ([`rule`]). What is let pass changes
//! atomics alone. A lock is taken where somebody waits, and where a window ends.

mod queue;
mod rule;
mod samples;
#[cfg(test)]
mod tests;

use crate::Time;
use irongate_config::{Concurrency, Priority};
use queue::{Added, Queue};
use rule::Rule;
use samples::Samples;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

pub use queue::Waited;

/// The least time from one move of the limit to the next.
const WINDOW: Duration = Duration::from_millis(100);
/// A window has so many samples at least, or so many fewer and lasts a second. One with less lasts on.
const ENOUGH: u32 = 50;
const FEW: u32 = 10;
const PATIENCE: Duration = Duration::from_millis(900);

/// A limit and what is under way, shared by the cores; it outlives configurations.
#[derive(Debug)]
pub struct ConcurrencyState {
    under_way: AtomicU32,
    /// The limit in force, and that for requests of high priority.
    limit: AtomicU32,
    limit_for_high: AtomicU32,
    /// The most that were under way in the window.
    peak: AtomicU32,
    /// Of what began before, nothing is learned.
    learns_from: AtomicU64,
    /// When the window may end; 0: none has begun.
    window_end: AtomicU64,
    samples: Samples,
    rule: Mutex<Rule>,
    /// How many may wait, and how many do.
    room: AtomicU32,
    waiting: AtomicU32,
    queue: Mutex<Queue>,
}

/// What becomes of a request that wants to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// It is under way: [`ConcurrencyState::end`] must follow exactly once.
    Admitted,
    /// It waits, under this number: [`ConcurrencyState::poll_wait`] tells of it, until [`ConcurrencyState::leave`].
    Waits(u64),
    /// There is no room for it.
    Refused,
}

/// A limit at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrencyReading {
    /// The limit in force.
    pub limit: u32,
    /// Requests under way.
    pub under_way: u32,
    /// Requests that wait.
    pub waiting: u32,
    /// Microseconds that a request takes while none stands in another's way, as far as is known; 0: nothing is.
    pub undisturbed_micros: u64,
}

impl ConcurrencyState {
    /// Nothing is under way, and nothing is known.
    #[must_use]
    pub fn new(options: &Concurrency) -> Self {
        let rule = Rule::new(options.min, options.max);
        Self {
            under_way: AtomicU32::new(0),
            limit: AtomicU32::new(rule.in_force()),
            limit_for_high: AtomicU32::new(rule.in_force_for_high()),
            peak: AtomicU32::new(0),
            learns_from: AtomicU64::new(0),
            window_end: AtomicU64::new(0),
            samples: Samples::default(),
            rule: Mutex::new(rule),
            room: AtomicU32::new(room(options)),
            waiting: AtomicU32::new(0),
            queue: Mutex::default(),
        }
    }

    /// Takes other bounds; what was learned, what is under way and who waits stays.
    pub fn set(&self, options: &Concurrency) {
        self.room.store(room(options), Relaxed);
        let mut rule = self.rule.lock().unwrap_or_else(PoisonError::into_inner);
        rule.set(options.min, options.max);
        self.note_limit(&rule);
        drop(rule);
        self.grant_if_somebody_waits();
    }

    /// How it stands.
    #[must_use]
    pub fn reading(&self) -> ConcurrencyReading {
        let undisturbed = self.rule.lock().unwrap_or_else(PoisonError::into_inner).undisturbed();
        ConcurrencyReading {
            limit: self.limit.load(Relaxed),
            under_way: self.under_way.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            undisturbed_micros: undisturbed as u64,
        }
    }

    /// Lets a request pass if there is room for its priority, and nobody waits who comes before it.
    #[inline]
    #[must_use]
    pub fn begin(&self, priority: Priority) -> Begin {
        if self.waiting.load(SeqCst) == 0 && self.take(priority) {
            return Begin::Admitted;
        }
        self.begin_late(priority)
    }

    #[cold]
    fn begin_late(&self, priority: Priority) -> Begin {
        let room = self.room.load(Relaxed);
        if room == 0 {
            // Those who wait since before the queue was taken away come first.
            return if self.take(priority) { Begin::Admitted } else { Begin::Refused };
        }
        let mut queue = self.queue();
        if !queue.has_before(priority) && self.take(priority) {
            return Begin::Admitted;
        }
        let Added { number, displaced } = queue.add(priority, room);
        self.note_waiting(&queue);
        drop(queue);
        displaced.into_iter().for_each(Waker::wake);
        let Some(number) = number else { return Begin::Refused };
        // Room that came free before the others could see that somebody waits would else be seen by nobody.
        self.grant();
        Begin::Waits(number)
    }

    /// A request that was let pass is over.
    #[inline]
    pub fn end(&self) {
        self.under_way.fetch_sub(1, SeqCst);
        self.grant_if_somebody_waits();
    }

    /// What became of a request that waits; `None`: nothing yet, and the waker is woken when something has. Once something
    /// has, its number is forgotten, and [`ConcurrencyState::end`] must follow if it was let pass.
    #[must_use]
    pub fn poll_wait(&self, number: u64, waker: &Waker) -> Option<Waited> {
        self.queue().poll(number, waker)
    }

    /// A request that waits does so no more. True: it had just been let pass, so it is under way now, and
    /// [`ConcurrencyState::end`] must follow.
    #[must_use]
    pub fn leave(&self, number: u64) -> bool {
        let mut queue = self.queue();
        let was_admitted = queue.leave(number);
        self.note_waiting(&queue);
        was_admitted
    }

    /// A request that began at a time was answered just now. `random` spreads the times at which things are measured anew.
    pub fn record(&self, begun: Time, now: Time, random: u64) {
        if begun.0 < self.learns_from.load(Relaxed) {
            return;
        }
        let count = self.samples.add(now.micros_since(begun));
        let end = self.window_end.load(Relaxed);
        if now.0 < end || (count < ENOUGH && (count < FEW || now.0 < Time(end).after(PATIENCE).0)) {
            return;
        }
        let next = now.after(WINDOW).0;
        // Of several cores one ends the window.
        if self.window_end.compare_exchange(end, next, Relaxed, Relaxed).is_ok() {
            self.end_window(now, random);
        }
    }

    #[cold]
    fn end_window(&self, now: Time, random: u64) {
        let Some(median) = self.samples.take_median() else { return };
        let peak = self.peak.swap(self.under_way.load(Relaxed), Relaxed);
        let mut rule = self.rule.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(from) = rule.take(median, peak, now, random) {
            self.learns_from.store(from.0, Relaxed);
            self.window_end.store(from.after(WINDOW).0, Relaxed);
        }
        self.note_limit(&rule);
        drop(rule);
        self.grant_if_somebody_waits();
    }

    /// Takes a place, if there is one for this priority.
    #[inline]
    fn take(&self, priority: Priority) -> bool {
        let allowed = match priority {
            Priority::High => self.limit_for_high.load(SeqCst),
            Priority::Normal => self.limit.load(SeqCst),
            Priority::Low => (u64::from(self.limit.load(SeqCst)) * 4 / 5).max(1) as u32,
        };
        let mut before = self.under_way.load(SeqCst);
        while before < allowed {
            match self.under_way.compare_exchange_weak(before, before + 1, SeqCst, SeqCst) {
                Ok(_) => {
                    if before >= self.peak.load(Relaxed) {
                        self.peak.store(before + 1, Relaxed);
                    }
                    return true;
                }
                Err(other) => before = other,
            }
        }
        false
    }

    #[inline]
    fn grant_if_somebody_waits(&self) {
        // Whoever begins to wait says so first and then looks for room, whoever ends makes room first and then looks
        // for waiters, all in one order: one of the two sees the other.
        if self.waiting.load(SeqCst) > 0 {
            self.grant();
        }
    }

    /// Lets those pass who wait, as far as there is room.
    #[cold]
    fn grant(&self) {
        let mut queue = self.queue();
        let mut wakers = Vec::new();
        while let Some(priority) = queue.first()
            && self.take(priority)
        {
            wakers.extend(queue.admit_first());
        }
        self.note_waiting(&queue);
        drop(queue);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn note_limit(&self, rule: &Rule) {
        self.limit.store(rule.in_force(), SeqCst);
        self.limit_for_high.store(rule.in_force_for_high(), SeqCst);
    }

    fn note_waiting(&self, queue: &Queue) {
        self.waiting.store(queue.waiting(), SeqCst);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing that runs under the lock leaves it half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many may wait.
fn room(options: &Concurrency) -> u32 {
    options.queue.map_or(0, |queue| queue.size)
}
