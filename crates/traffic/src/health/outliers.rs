//! What is told from many answers together: the share that succeeds, and how long they take.

use super::word::Kind;
use super::{Cause, Change, EndpointState};
use crate::Time;
use irongate_config::LatencyOutlier;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A count and a sum over the last half to whole of a window. Written only where the backend's policy asks for it.
///
/// Updates of two cores in one moment may lose one of them when a new half begins: harmless.
#[derive(Debug, Default)]
pub(super) struct Window([Half; 2]);

#[derive(Debug, Default)]
struct Half {
    /// Upper 32 bits: which half of all; lower: the count.
    head: AtomicU64,
    sum: AtomicU64,
}

impl Window {
    pub(super) fn add(&self, now: Time, window_micros: u64, value: u64) {
        let part = part(now, window_micros);
        let half = &self.0[part as usize & 1];
        let head = half.head.load(Relaxed);
        if (head >> 32) as u32 == part {
            half.head.fetch_add(1, Relaxed);
            half.sum.fetch_add(value, Relaxed);
        } else if half.head.compare_exchange(head, u64::from(part) << 32 | 1, Relaxed, Relaxed).is_ok() {
            half.sum.store(value, Relaxed);
        }
    }

    /// Count and sum.
    pub(super) fn read(&self, now: Time, window_micros: u64) -> (u64, u64) {
        let part = part(now, window_micros);
        let halves = self.0.iter().map(|half| (half.head.load(Relaxed), half.sum.load(Relaxed)));
        let known = halves.filter(|(head, _)| head >> 32 != 0 && part.wrapping_sub((head >> 32) as u32) <= 1);
        known.fold((0, 0), |(count, sum), (head, more)| (count + (head & 0xFFFF_FFFF), sum + more))
    }

    pub(super) fn clear(&self) {
        self.0.iter().for_each(|half| half.head.store(0, Relaxed));
    }
}

/// Which half of a window it is; from 1.
fn part(now: Time, window_micros: u64) -> u32 {
    (now.0 / (window_micros / 2).max(1)) as u32 + 1
}

impl EndpointState {
    /// Counts a request for the success rate; gives the rate in per cent if it is too low.
    pub(super) fn count_success(&self, now: Time, failed: bool) -> Option<u8> {
        let rate = self.backend.success_rate()?;
        self.rate.add(now, rate.window_micros, u64::from(failed));
        if !failed {
            return None;
        }
        let (count, failures) = self.rate.read(now, rate.window_micros);
        let percent = 100_u64.saturating_sub(failures * 100 / count.max(1));
        (count >= u64::from(rate.min_requests) && percent < u64::from(rate.percent)).then_some(percent as u8)
    }

    /// Out for another reason than failures in a row, if nothing else is known of it and the backend's bound allows.
    pub(super) fn eject_for(&self, now: Time, cause: Cause, random: u64) -> Option<Change> {
        let word = self.load();
        if !matches!(word.kind(), Kind::Ready | Kind::Failing) {
            return None;
        }
        let change = self.eject(word, now, random, false);
        if change.is_some() {
            self.cause.store(cause.pack(), Relaxed);
        }
        change
    }

    /// What is concluded from many answers is concluded once.
    pub(super) fn forget_answers(&self) {
        self.rate.clear();
        self.latency.clear();
    }

    /// An answer's head came after so many microseconds. Kept only where the backend's policy looks at it.
    pub fn record_latency(&self, now: Time, micros: u64) {
        if let Some(window) = self.backend.latency_window() {
            self.latency.add(now, window, micros);
        }
    }
}

/// Leaves out the endpoints that are much slower than the others; gives the changes by place. To be called about once a second.
///
/// An endpoint's mean is compared with the median of all means (of two the lower), so that at most half can be slow.
pub fn eject_slow(
    endpoints: &[&Arc<EndpointState>],
    bounds: &LatencyOutlier,
    now: Time,
    random: u64,
) -> Vec<(usize, Change)> {
    let window = u64::try_from(bounds.window.as_micros()).unwrap_or(u64::MAX);
    let mean = |endpoint: &Arc<EndpointState>| {
        let (count, sum) = endpoint.latency.read(now, window);
        (count >= u64::from(bounds.min_requests).max(1)).then(|| sum / count)
    };
    let means: Vec<Option<u64>> = endpoints.iter().map(|endpoint| mean(endpoint)).collect();
    let mut known: Vec<u64> = means.iter().flatten().copied().collect();
    if known.len() < 2 {
        return Vec::new();
    }
    known.sort_unstable();
    let median = known[(known.len() - 1) / 2];
    let at_least = u64::try_from(bounds.at_least.as_micros()).unwrap_or(u64::MAX);
    let most = median.saturating_mul(u64::from(bounds.factor)).max(median.saturating_add(at_least));
    let slow = means.iter().enumerate().filter_map(|(place, mean)| Some((place, (*mean)?)));
    let slow = slow.filter(|(_, mean)| *mean > most);
    let eject = |(place, mean): (usize, u64)| {
        let millis = u16::try_from(mean / 1000).unwrap_or(u16::MAX);
        Some((place, endpoints[place].eject_for(now, Cause::Latency(millis), random)?))
    };
    slow.filter_map(eject).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{BackendState, Health};
    use super::*;
    use irongate_config::{BackendOptions, Ejection, SuccessRate};
    use std::net::SocketAddr;
    use std::time::Duration;

    fn endpoints(count: u16, ejection: Ejection) -> Vec<Arc<EndpointState>> {
        let backend = BackendState::new(&BackendOptions { ejection, ..BackendOptions::default() });
        backend.set_endpoints(count.into());
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        (0..count).map(|port| EndpointState::new(address(port), &backend, Time::ZERO)).collect()
    }

    fn millis(count: u64) -> Time {
        Time(count * 1000)
    }

    #[test]
    fn too_many_failures_eject_in_a_row_or_not() {
        let rate = SuccessRate { percent: 80, window: Duration::from_secs(10), min_requests: 20 };
        let ejection = Ejection { success_rate: Some(rate), ..Ejection::default() };
        // Of the requests every `nth` fails; how many there were when it was left out.
        let ejected_at = |nth: u64, ejection: &Ejection| {
            let endpoint = &endpoints(2, ejection.clone())[0];
            (1..200).find(|count| {
                let now = millis(100 * count);
                let change = if count % nth == 0 {
                    endpoint.record_failure(now, now, Cause::Status(500), 0)
                } else {
                    endpoint.record_success(now, now)
                };
                change.is_some()
            })
        };
        assert_eq!(None, ejected_at(10, &ejection));
        assert_eq!(Some(20), ejected_at(2, &ejection));
        assert_eq!(None, ejected_at(2, &Ejection::default()), "nobody asked for it");
    }

    #[test]
    fn the_window_forgets() {
        let window = Window::default();
        let micros = 10_000_000;
        window.add(millis(1_000), micros, 5);
        window.add(millis(2_000), micros, 6);
        window.add(millis(7_000), micros, 7);
        assert_eq!((3, 18), window.read(millis(9_000), micros));
        assert_eq!((1, 7), window.read(millis(12_000), micros));
        assert_eq!((0, 0), window.read(millis(60_000), micros));
        window.add(millis(60_000), micros, 1);
        window.clear();
        assert_eq!((0, 0), window.read(millis(60_000), micros));
    }

    #[test]
    fn who_is_much_slower_than_the_others_is_left_out() {
        let bounds = LatencyOutlier::default();
        let slow = |latencies: &[u64], samples: u64| {
            let ejection = Ejection { latency: Some(bounds), ..Ejection::default() };
            let all = endpoints(latencies.len() as u16, ejection);
            for (endpoint, millis) in all.iter().zip(latencies) {
                (0..samples).for_each(|_| endpoint.record_latency(Time(1), millis * 1000));
            }
            let all: Vec<&Arc<EndpointState>> = all.iter().collect();
            let changes = eject_slow(&all, &bounds, millis(2000), 0);
            for (place, _) in &changes {
                let report = all[*place].report(millis(2000));
                assert_eq!(Cause::Latency(latencies[*place] as u16), report.cause);
                assert!(matches!(report.health, Health::Ejected { .. }));
            }
            changes.into_iter().map(|(place, _)| place).collect::<Vec<_>>()
        };
        assert_eq!(vec![2], slow(&[10, 11, 500, 9], 20));
        assert_eq!(Vec::<usize>::new(), slow(&[10, 11, 500, 9], 19), "too few answers");
        assert_eq!(Vec::<usize>::new(), slow(&[10, 11, 80, 9], 20), "not by 100 ms");
        assert_eq!(Vec::<usize>::new(), slow(&[100, 110, 400, 90], 20), "not five times");
        assert_eq!(vec![1], slow(&[10, 500], 20));
        assert_eq!(Vec::<usize>::new(), slow(&[500], 20), "nobody to compare with");
        assert_eq!(vec![0, 1], slow(&[900, 800, 5, 6, 7], 20));
    }
}
