//! What a core learns of an endpoint that all had left alone for being slow.
//!
//! Latency is each core's own. But an endpoint that is slow is hardly asked by any, so each would find out for itself, by a slow
//! request of its own, whether it still is. What one core sees is told to the others instead.

use crate::Time;
use crate::time::as_f32;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Lower 24 bits: the latency in microseconds, up to 16 s; upper 40: when it was so, in milliseconds. Zero: nothing was told.
#[derive(Debug, Default)]
pub(crate) struct Sighting(AtomicU64);

const MOST: u64 = 0xFF_FFFF;

impl Sighting {
    /// Tells the others. Rare: not more than some times while an endpoint comes back to its share.
    pub(crate) fn tell(&self, now: Time, latency: f32) {
        self.0.store((latency as u64).min(MOST) | (now.0 / 1_000) << 24, Relaxed);
    }

    /// When an endpoint was looked at last, and the latency in microseconds, if that was after a moment.
    #[inline]
    pub(crate) fn after(&self, moment: Time) -> Option<(Time, f32)> {
        let packed = self.0.load(Relaxed);
        let at = Time((packed >> 24) * 1_000);
        (at > moment).then(|| (at, as_f32(packed & MOST)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_look_is_told() {
        let sighting = Sighting::default();
        assert_eq!(None, sighting.after(Time::ZERO));
        sighting.tell(Time(5_000_700), 6_000.5);
        assert_eq!(Some((Time(5_000_000), 6_000.0)), sighting.after(Time(4_999_999)));
        assert_eq!(None, sighting.after(Time(5_000_000)));
        sighting.tell(Time(9_000_000), f32::MAX);
        assert_eq!(Some((Time(9_000_000), 16_777_215.0)), sighting.after(Time(5_000_000)));
    }
}
