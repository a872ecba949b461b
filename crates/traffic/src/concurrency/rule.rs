//! How the limit moves.
//!
//! The rule is the gradient of Netflix's concurrency-limits and of Envoy's adaptive concurrency filter: with each window the
//! limit is multiplied by how much shorter an undisturbed request is than those of the window, and gets head room of its
//! square root. It begins by doubling, until requests stand in each other's way. How long an undisturbed one takes is
//! learned wherever far fewer were under way than might; under lasting load it is measured anew now and then, with the
//! half under way for a moment: soon where the last measurement said something new, rarely where it did not.

use crate::Time;
use std::time::Duration;

/// Where the limit begins.
const BEGIN: f32 = 20.0;
/// How much longer than undisturbed a request may take before the limit sinks.
const TOLERANCE: f32 = 1.25;
/// How long a measurement is believed: so long at first, twice as long each time that the next one agrees.
const BELIEVED: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// Measurements agree that differ by no more than this share.
const AGREEMENT: f32 = 0.2;
/// While it is measured, the limit is this share of what it was.
const MEASURED_AT: f32 = 0.5;
/// The share of what a window without load says that is taken over.
const DRIFT: f32 = 0.2;
/// The limit is in the way where so large a share of it was reached.
const HINDERED: f32 = 0.9;
/// After so many windows in which the limit had sunk to less than half, it is measured whether those who serve have become
/// slower altogether.
const SUNK: u32 = 5;

/// What is known, and the limit that follows from it.
#[derive(Debug)]
pub(super) struct Rule {
    least: f32,
    most: f32,
    limit: f32,
    /// Microseconds of an undisturbed request; 0: not known.
    undisturbed: f32,
    /// How long the next measurement will be believed if it agrees.
    believed: Duration,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing is known yet.
    Starting,
    /// An undisturbed request is measured.
    Measuring,
    /// What was measured is believed.
    Following {
        until: Time,
        /// The limit at that time.
        measured_at: f32,
        /// Windows in a row in which it was less than half of that.
        sunk: u32,
        /// Since the beginning the limit has been in the way of requests, and they not in each other's.
        doubles: bool,
    },
}

impl Rule {
    pub(super) fn new(least: u32, most: u32) -> Self {
        let mut rule = Self {
            least: 1.0,
            most: 1.0,
            limit: BEGIN,
            undisturbed: 0.0,
            believed: BELIEVED[0],
            phase: Phase::Starting,
        };
        rule.set(least, most);
        rule
    }

    /// Other bounds; what was learned stays.
    pub(super) fn set(&mut self, least: u32, most: u32) {
        self.least = least.max(1) as f32;
        self.most = (most as f32).max(self.least);
        self.limit = self.limit.clamp(self.least, self.most);
    }

    /// The limit that holds now.
    pub(super) fn in_force(&self) -> u32 {
        let limit = match self.phase {
            Phase::Measuring => (self.limit * MEASURED_AT).max(self.least),
            Phase::Starting | Phase::Following { .. } => self.limit,
        };
        limit as u32
    }

    /// What those of high priority may go up to: so much that what is less important never stands in their way, not while it
    /// is measured and not when the limit has just been halved; and a bound all the same.
    pub(super) fn in_force_for_high(&self) -> u32 {
        (self.limit * 2.0) as u32
    }

    /// Microseconds of an undisturbed request; 0: not known.
    pub(super) fn undisturbed(&self) -> f32 {
        self.undisturbed
    }

    /// What a window says: the median of its requests in microseconds, and the most that were under way. Gives the time
    /// before which what begins says nothing of the next window, if there is one.
    pub(super) fn take(&mut self, median: f32, peak: u32, now: Time, random: u64) -> Option<Time> {
        match self.phase {
            Phase::Starting => self.believe(median, now, random, true),
            Phase::Measuring => self.believe(median, now, random, false),
            Phase::Following { until, measured_at, sunk, doubles } => {
                let peak = peak as f32;
                if peak * 2.0 < self.limit {
                    // Nobody stood in another's way, and nothing is said of a higher limit.
                    self.undisturbed += (median - self.undisturbed) * DRIFT;
                    let until = until.max(now.after(self.believed));
                    self.phase = Phase::Following { until, measured_at: self.limit, sunk: 0, doubles: false };
                    return None;
                }
                let gradient = (self.undisturbed * TOLERANCE / median).clamp(0.5, 1.0);
                let doubles = doubles && gradient >= 1.0 && peak >= self.limit * HINDERED;
                let next = if doubles { self.limit * 2.0 } else { self.limit * gradient + self.limit.sqrt() };
                self.limit = next.clamp(self.least, self.most);
                let sunk = if self.limit < measured_at / 2.0 { sunk + 1 } else { 0 };
                if (now < until || doubles) && sunk < SUNK {
                    self.phase = Phase::Following { until, measured_at, sunk, doubles };
                    return None;
                }
                self.phase = Phase::Measuring;
                // Those who are under way stand in the way of the next few yet.
                return Some(now.after(Duration::from_micros(2 * median as u64)));
            }
        }
        None
    }

    /// Takes a window for undisturbed.
    fn believe(&mut self, median: f32, now: Time, random: u64, doubles: bool) {
        let agrees = (median - self.undisturbed).abs() <= self.undisturbed * AGREEMENT;
        self.believed = if agrees { (self.believed * 2).min(BELIEVED[1]) } else { BELIEVED[0] };
        self.undisturbed = median;
        // By chance up to a quarter longer: several gateways shall not measure at the same time.
        let spread = u64::try_from(self.believed.as_micros() / 4).unwrap_or(0);
        let more = (u128::from(random) * u128::from(spread)) >> 64;
        let until = now.after(self.believed).after(Duration::from_micros(u64::try_from(more).unwrap_or(0)));
        self.phase = Phase::Following { until, measured_at: self.limit, sunk: 0, doubles };
    }
}
