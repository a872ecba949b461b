//! How fast bodies are passed on: a bucket of bytes that fills by a rate.
//!
//! The rule is that of rate limits (GCRA): one moment is kept, at which the bucket would be full again. Whoever has bytes to send
//! moves it on, always, and is told when they may go: so those who share a bucket are served in the order in which they came,
//! and nobody has to ask again.

use crate::Time;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes a second, and how many may go at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRate {
    rate: u64,
    burst: u64,
}

/// Pieces that wait are no larger, in bytes: a shared bucket goes round.
const PIECE: u64 = 16 << 10;
/// The least that may go at once, in bytes.
const LEAST_BURST: u64 = 1024;
const SECOND: u128 = 1_000_000_000;

impl ByteRate {
    /// So many bytes a second, at least 1; of them a tenth at once.
    #[must_use]
    pub fn new(rate: u64) -> Self {
        let rate = rate.max(1);
        Self { rate, burst: (rate / 10).max(LEAST_BURST) }
    }

    /// The most that can be asked for at once, in bytes.
    #[must_use]
    pub fn piece(&self) -> u64 {
        self.burst.min(PIECE)
    }

    /// How long it takes, in nanoseconds; rounded up, to the safe side.
    fn nanos(&self, bytes: u64) -> u64 {
        let nanos = (u128::from(bytes) * SECOND).div_ceil(u128::from(self.rate));
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

/// What is known of a rate's bytes; shared by the cores.
#[derive(Debug, Default)]
pub struct ByteBucket(AtomicU64);

impl ByteBucket {
    /// Takes so many bytes, [`ByteRate::piece`] at most; gives when they may go. In any time w at most
    /// `burst + rate × w` do.
    #[must_use]
    pub fn take(&self, rate: &ByteRate, bytes: u64, now: Time) -> Time {
        let (nanos, burst) = (rate.nanos(bytes), rate.nanos(rate.burst));
        let moment = now.0.saturating_mul(1000);
        let mut known = self.0.load(Relaxed);
        let next = loop {
            let next = known.max(moment).saturating_add(nanos);
            match self.0.compare_exchange_weak(known, next, Relaxed, Relaxed) {
                Ok(_) => break next,
                Err(other) => known = other,
            }
        };
        now.max(Time(next.saturating_sub(burst).div_ceil(1000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends pieces as soon as they may go; gives when each went.
    fn sent(rate: &ByteRate, pieces: &[u64]) -> Vec<(u64, u64)> {
        let (bucket, mut now) = (ByteBucket::default(), Time(5_000_000));
        let mut all = Vec::new();
        for &bytes in pieces {
            now = bucket.take(rate, bytes, now);
            all.push((now.0, bytes));
        }
        all
    }

    #[test]
    fn no_more_goes_in_any_time_than_burst_and_rate() {
        for rate in [1024, 10_000, 1_000_003, 50 << 20, 10 << 30] {
            let rate = ByteRate::new(rate);
            let pieces: Vec<u64> = (0..200).map(|n| 1 + n * 7919 % rate.piece()).collect();
            let all = sent(&rate, &pieces);
            for (from, (begun, _)) in all.iter().enumerate() {
                let mut sum = 0;
                for (at, bytes) in &all[from..] {
                    sum += bytes;
                    let most = rate.burst
                        + (u128::from(at - begun) * u128::from(rate.rate)).div_ceil(1_000_000) as u64;
                    assert!(sum <= most, "{rate:?}: {sum} of {most} in {} us", at - begun);
                }
            }
            let (took, total) = (all[199].0 - all[0].0, pieces.iter().sum::<u64>());
            let needed = total.saturating_sub(rate.burst) as f64 / rate.rate as f64 * 1e6;
            assert!((took as f64) < needed + 400.0, "{rate:?}: {took} us for {needed}");
        }
    }

    #[test]
    fn what_was_not_used_is_there_at_once_up_to_the_burst() {
        let (rate, bucket) = (ByteRate::new(100_000), ByteBucket::default());
        let now = Time(1_000_000);
        assert_eq!(bucket.take(&rate, 10_000, now), now);
        assert_eq!(bucket.take(&rate, 10_000, now), Time(1_100_000));
        let later = Time(60_000_000);
        assert_eq!(bucket.take(&rate, 10_000, later), later);
        assert_eq!(bucket.take(&rate, 1, later), Time(60_000_010));
    }

    #[test]
    fn those_who_share_are_served_in_turn() {
        let (rate, bucket) = (ByteRate::new(100_000), ByteBucket::default());
        let now = Time(1_000_000);
        let times: Vec<u64> = (0..4).map(|_| bucket.take(&rate, 10_000, now).0).collect();
        assert_eq!(times, [1_000_000, 1_100_000, 1_200_000, 1_300_000]);
    }
}
