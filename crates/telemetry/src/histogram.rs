//! Durations in buckets that grow by powers of two.

use crate::Counter;

/// The first bucket ends at 2⁷ µs (128 µs).
const FIRST_BITS: u32 = 7;
/// Octaves after the first bucket: the last bound is 2²⁶ µs (67 s).
const OCTAVES: usize = 19;

/// Durations counted by size. The first bucket ends at 128 µs, the last bound is at 67.1 s, and what is longer
/// has a bucket of its own. `2^SUB` buckets an octave; `BUCKETS` must be `2 + 19 × 2^SUB`.
///
/// Written by one thread at a time, like [`Counter`].
#[derive(Debug)]
pub struct Histogram<const SUB: u32, const BUCKETS: usize> {
    buckets: [Counter; BUCKETS],
    sum_micros: Counter,
}

/// One bucket an octave: what is exported, 21 lines a series.
pub type CoarseHistogram = Histogram<0, 21>;

/// Four buckets an octave: quantiles within about a tenth, for tables shown to people.
pub type FineHistogram = Histogram<2, 78>;

impl<const SUB: u32, const BUCKETS: usize> Default for Histogram<SUB, BUCKETS> {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| Counter::default()), sum_micros: Counter::default() }
    }
}

impl<const SUB: u32, const BUCKETS: usize> Histogram<SUB, BUCKETS> {
    const SHAPE: () = assert!(SUB < FIRST_BITS && BUCKETS == 2 + (OCTAVES << SUB));

    /// Counts a duration in microseconds.
    #[inline]
    pub fn record(&self, micros: u64) {
        self.buckets[Self::index(micros)].increment();
        self.sum_micros.add(micros);
    }

    /// Adds what is counted here to a reading.
    pub fn add_to(&self, reading: &mut HistogramReading<SUB, BUCKETS>) {
        for (sum, bucket) in reading.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.value();
        }
        reading.sum_micros = reading.sum_micros.wrapping_add(self.sum_micros.value());
    }

    /// Bounds are inclusive (`le`), so the place of `micros - 1` is looked for. What would come before the first
    /// bucket's last value is taken to be it, which needs no branch.
    #[inline]
    fn index(micros: u64) -> usize {
        let () = Self::SHAPE;
        let value = micros.saturating_sub(1).max((1 << FIRST_BITS) - 1);
        let bits = u64::BITS - value.leading_zeros();
        let octave = (bits - FIRST_BITS) as usize;
        let leading = (value >> (bits - 1 - SUB)) as usize; // In 2^SUB .. 2^(SUB + 1).
        ((octave << SUB) + leading + 1 - (2 << SUB)).min(BUCKETS - 1)
    }
}

/// What histograms of one shape held together at one moment, or between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistogramReading<const SUB: u32, const BUCKETS: usize> {
    buckets: [u64; BUCKETS],
    sum_micros: u64,
}

impl<const SUB: u32, const BUCKETS: usize> Default for HistogramReading<SUB, BUCKETS> {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], sum_micros: 0 }
    }
}

impl<const SUB: u32, const BUCKETS: usize> HistogramReading<SUB, BUCKETS> {
    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their sum in seconds.
    #[must_use]
    pub fn sum_seconds(&self) -> f64 {
        self.sum_micros as f64 / 1e6
    }

    /// Each bucket's upper bound in seconds (inclusive; the last is infinite) and its own count.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        self.buckets.iter().enumerate().map(|(index, &count)| {
            let bound =
                if index == BUCKETS - 1 { f64::INFINITY } else { Self::bound_micros(index) as f64 / 1e6 };
            (bound, count)
        })
    }

    /// What was counted since an earlier reading of the same histograms.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            buckets: std::array::from_fn(|index| self.buckets[index].saturating_sub(earlier.buckets[index])),
            sum_micros: self.sum_micros.saturating_sub(earlier.sum_micros),
        }
    }

    /// Adds another reading.
    pub fn merge(&mut self, other: &Self) {
        for (sum, count) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += count;
        }
        self.sum_micros = self.sum_micros.wrapping_add(other.sum_micros);
    }

    /// The duration, in microseconds, that a share `quantile` (0 to 1) did not exceed, with a bucket's width
    /// shared evenly among its members. `None` when nothing was counted. What is beyond the last bound
    /// counts as that bound.
    #[must_use]
    pub fn quantile_micros(&self, quantile: f64) -> Option<u64> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let rank = ((quantile.clamp(0.0, 1.0) * total as f64).ceil() as u64).clamp(1, total);
        let mut below = 0;
        for (index, &count) in self.buckets.iter().enumerate() {
            if below + count >= rank {
                let lower = if index == 0 { 0 } else { Self::bound_micros(index - 1) };
                let upper = Self::bound_micros(index.min(BUCKETS - 2));
                let part = (rank - below) as f64 / count as f64;
                return Some(lower + ((upper - lower) as f64 * part) as u64);
            }
            below += count;
        }
        None
    }

    /// The upper bound, in microseconds, of any bucket but the last.
    fn bound_micros(index: usize) -> u64 {
        if index == 0 {
            return 1 << FIRST_BITS;
        }
        let (octave, sub) = ((index - 1) >> SUB, (index - 1) & ((1 << SUB) - 1));
        (((1 << SUB) + sub + 1) as u64) << (octave as u32 + FIRST_BITS - SUB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const SUB: u32, const BUCKETS: usize>() {
        let mut before = 0;
        for index in 0..BUCKETS - 1 {
            let bound = HistogramReading::<SUB, BUCKETS>::bound_micros(index);
            assert!(bound > before, "bounds grow");
            assert_eq!(Histogram::<SUB, BUCKETS>::index(before + 1), index, "just above {before}");
            assert_eq!(Histogram::<SUB, BUCKETS>::index(bound), index, "at {bound}");
            before = bound;
        }
        assert_eq!(before, 1 << 26);
        assert_eq!(Histogram::<SUB, BUCKETS>::index(0), 0);
        assert_eq!(Histogram::<SUB, BUCKETS>::index(before + 1), BUCKETS - 1);
        assert_eq!(Histogram::<SUB, BUCKETS>::index(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn every_duration_is_in_the_bucket_whose_bounds_hold_it() {
        check::<0, 21>();
        check::<2, 78>();
    }

    fn reading(durations: &[u64]) -> HistogramReading<2, 78> {
        let histogram = FineHistogram::default();
        durations.iter().for_each(|&micros| histogram.record(micros));
        let mut reading = HistogramReading::default();
        histogram.add_to(&mut reading);
        reading
    }

    #[test]
    fn quantiles_are_near() {
        let all: Vec<u64> = (1..=10_000).map(|step| step * 10).collect(); // Evenly up to 100 ms.
        let reading = reading(&all);
        for (quantile, exact) in [(0.5, 50_000.0), (0.9, 90_000.0), (0.99, 99_000.0), (1.0, 100_000.0)] {
            let found = reading.quantile_micros(quantile).expect("something was counted") as f64;
            assert!((found / exact - 1.0).abs() < 0.2, "{quantile}: {found} is far from {exact}");
        }
        assert_eq!(reading.count(), 10_000);
        assert!((reading.sum_seconds() - 500.05).abs() < 1e-6);
        assert_eq!(HistogramReading::<2, 78>::default().quantile_micros(0.5), None);
        assert_eq!(self::reading(&[u64::MAX]).quantile_micros(0.5), Some(1 << 26));
    }

    #[test]
    fn a_difference_holds_what_came_between() {
        let (earlier, later) = (reading(&[200, 5_000]), reading(&[200, 5_000, 5_000, 70]));
        assert_eq!(later.since(&earlier), reading(&[5_000, 70]));
        let mut sum = earlier;
        sum.merge(&reading(&[5_000, 70]));
        assert_eq!(sum, later);
    }
}
