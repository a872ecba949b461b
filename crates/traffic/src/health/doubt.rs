//! How much an endpoint's failures of late weigh.

use crate::Time;
use crate::time::decay;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A failure takes the score this part of the way to 1.
const RISE: f32 = 0.25;
/// A success leaves this much of it.
const FALL: f32 = 0.75;
/// And time, e-fold, in microseconds: an endpoint that is hardly asked gets a new chance.
const FADE: f32 = 10_000_000.0;
/// Below this it is zero.
const LEAST: f32 = 1.0 / 64.0;
const ONE: f32 = (1 << 23) as f32;

/// Lower 24 bits: the score, of 2^23; upper 40: when it was so, in milliseconds.
///
/// Updates of two cores in one moment may lose one of them: harmless. Zero, as it is almost always, costs
/// a success one load.
#[derive(Debug, Default)]
pub(super) struct Doubt(AtomicU64);

impl Doubt {
    pub(super) fn at(&self, now: Time) -> f32 {
        match self.0.load(Relaxed) {
            0 => 0.0,
            packed => unpack(packed, now),
        }
    }

    pub(super) fn failure(&self, now: Time) {
        let score = self.at(now);
        self.store(score + (1.0 - score) * RISE, now);
    }

    pub(super) fn success(&self, now: Time) {
        let packed = self.0.load(Relaxed);
        if packed != 0 {
            self.store(unpack(packed, now) * FALL, now);
        }
    }

    pub(super) fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    fn store(&self, score: f32, now: Time) {
        let packed = if score < LEAST { 0 } else { (score * ONE) as u64 | (now.0 / 1_000) << 24 };
        self.0.store(packed, Relaxed);
    }
}

#[cold]
fn unpack(packed: u64, now: Time) -> f32 {
    let score = (packed & 0xFF_FFFF) as f32 / ONE;
    let age = now.micros_since(Time((packed >> 24) * 1_000));
    let faded = score * decay(age, FADE);
    if faded < LEAST { 0.0 } else { faded }
}
