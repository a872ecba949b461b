//! How long requests took, as counts by length: the cores add to them, and whoever ends a window takes their median.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Lengths below so many microseconds have a count each; above there are so many for each power of two.
const STEPS: u64 = 8;
/// Up to 2^34 microseconds, some five hours; what is longer counts as that.
const POWERS: u64 = 32;
const COUNTS: usize = (STEPS * POWERS) as usize;

/// Counts of requests by how long they took.
#[derive(Debug)]
pub(super) struct Samples {
    count: AtomicU32,
    by_length: Box<[AtomicU32; COUNTS]>,
}

impl Default for Samples {
    fn default() -> Self {
        Self { count: AtomicU32::new(0), by_length: Box::new([const { AtomicU32::new(0) }; COUNTS]) }
    }
}

impl Samples {
    /// One more; gives how many there are.
    pub(super) fn add(&self, micros: u64) -> u32 {
        self.by_length[place(micros)].fetch_add(1, Relaxed);
        self.count.fetch_add(1, Relaxed).saturating_add(1)
    }

    /// The median in microseconds, at least 1; all counts begin at zero again. `None`: there were none.
    pub(super) fn take_median(&self) -> Option<f32> {
        self.count.store(0, Relaxed);
        let counts: Vec<u32> = self.by_length.iter().map(|count| count.swap(0, Relaxed)).collect();
        let half = counts.iter().map(|count| f64::from(*count)).sum::<f64>() / 2.0;
        let mut below = 0.0;
        for (place, count) in counts.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            let count = f64::from(count);
            if below + count >= half {
                let (from, to) = (least(place) as f64, least(place + 1) as f64);
                return Some((from + (to - from) * (half - below) / count).max(1.0) as f32);
            }
            below += count;
        }
        None
    }
}

/// Where a length is counted.
fn place(micros: u64) -> usize {
    let power = micros.max(1).ilog2().saturating_sub(STEPS.ilog2());
    let step = (micros >> power) + u64::from(power) * STEPS;
    usize::try_from(step).unwrap_or(usize::MAX).min(COUNTS - 1)
}

/// The least length that is counted at a place.
fn least(place: usize) -> u64 {
    let place = place as u64;
    let power = (place / STEPS).saturating_sub(1);
    (place - power * STEPS) << power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_length_is_counted_in_its_place() {
        for micros in (0..10_000).chain((4..34).flat_map(|power| [(1 << power) - 1, 1 << power])) {
            let place = place(micros);
            assert!(least(place) <= micros && micros < least(place + 1), "{micros}: {place}");
        }
        assert_eq!(place(u64::MAX), COUNTS - 1);
    }

    #[test]
    fn the_median_is_near() {
        let samples = Samples::default();
        assert_eq!(samples.take_median(), None);
        (0..1000).for_each(|micros| _ = samples.add(4000 + 2 * micros));
        let median = samples.take_median().expect("there are some");
        assert!((4900.0..5100.0).contains(&median), "{median}");
        assert_eq!(samples.take_median(), None, "taken");
    }
}
