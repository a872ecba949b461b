//! Series: what is counted of one thing, on all cores, under one set of labels.

use crate::reason::ReasonCounts;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// How long a series that nobody holds any more is still shown: long enough for any scraper to see its last
/// state, and for a route that is removed and put back to go on counting where it was.
pub const RETENTION: Duration = Duration::from_secs(600);

/// The same for endpoints, which are not exported: where a thousand of them are exchanged each second, those that are gone
/// would take more memory than those that are there.
pub(crate) const ENDPOINT_RETENTION: Duration = Duration::from_secs(60);

/// How often adding a series looks for old ones, for a process that nobody scrapes.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// What one core counts of one thing.
pub trait Metrics: Debug + Send + Sync + Sized {
    /// What tells the thing from others of its kind.
    type Labels: Clone + Ord + Debug + Send + Sync;
    /// What a series has besides its labels, for the parts of the cores to be made from.
    type Source: Debug + Send + Sync;

    /// Everything at zero. Called by the core that counts, at its first use, so that memory is its own; `core`
    /// is below the registry's number of cores.
    fn new(labels: &Arc<Self::Labels>, source: &Self::Source, core: usize) -> Self;
}

/// What one core counts of everything together.
#[derive(Debug, Default)]
pub struct CoreTotals {
    pub(crate) failures: ReasonCounts,
}

/// What is counted of one thing, under one set of labels: a part for each core, made when the core first
/// asks for it.
#[derive(Debug)]
pub struct Series<T: Metrics> {
    labels: Arc<T::Labels>,
    source: T::Source,
    cores: Box<[OnceLock<Arc<T>>]>,
}

impl<T: Metrics> Series<T> {
    /// The labels.
    #[must_use]
    pub fn labels(&self) -> &T::Labels {
        &self.labels
    }

    /// The part that core number `core` may write to, from 0; one beyond the registry's number of cores gets
    /// the last one's.
    #[inline]
    #[must_use]
    pub fn core(&self, core: usize) -> &Arc<T> {
        let core = core.min(self.cores.len() - 1); // A registry has at least one core.
        self.cores[core].get_or_init(|| Arc::new(T::new(&self.labels, &self.source, core)))
    }

    /// The parts of the cores that have counted something.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &T> {
        self.cores.iter().filter_map(|core| core.get().map(|part| &**part))
    }

    fn is_held(self: &Arc<Self>) -> bool {
        // The registry has one handle of the series, and the series one of each part.
        Arc::strong_count(self) > 1
            || self.cores.iter().any(|core| core.get().is_some_and(|part| Arc::strong_count(part) > 1))
    }
}

/// All series of one kind.
#[derive(Debug)]
pub(crate) struct Family<T: Metrics> {
    cores: usize,
    retention: Duration,
    kept: Mutex<Kept<T>>,
}

#[derive(Debug)]
struct Kept<T: Metrics> {
    entries: BTreeMap<Arc<T::Labels>, Entry<T>>,
    swept: Duration,
}

#[derive(Debug)]
struct Entry<T: Metrics> {
    series: Arc<Series<T>>,
    /// When somebody was last seen to hold it.
    held: Duration,
}

impl<T: Metrics> Family<T> {
    /// An empty one, for that many cores (at least one).
    pub(crate) fn new(cores: usize) -> Self {
        Self::with_retention(cores, RETENTION)
    }

    /// The same for series that are forgotten after another time.
    pub(crate) fn with_retention(cores: usize, retention: Duration) -> Self {
        let kept = Kept { entries: BTreeMap::new(), swept: Duration::ZERO };
        Self { cores: cores.max(1), retention, kept: Mutex::new(kept) }
    }

    /// The series of these labels; the one that there is, or a new one with this source. `now` is the time since
    /// the process began.
    pub(crate) fn series(
        &self,
        labels: &T::Labels,
        now: Duration,
        source: impl FnOnce() -> T::Source,
    ) -> Arc<Series<T>> {
        let mut kept = self.lock();
        if let Some(entry) = kept.entries.get_mut(labels) {
            entry.held = now;
            return entry.series.clone();
        }
        if now.saturating_sub(kept.swept) >= SWEEP_INTERVAL {
            kept.sweep(now, self.retention);
        }
        let labels = Arc::new(labels.clone());
        let cores = (0..self.cores).map(|_| OnceLock::new()).collect();
        let series = Arc::new(Series { labels: labels.clone(), source: source(), cores });
        kept.entries.insert(labels, Entry { series: series.clone(), held: now });
        series
    }

    /// Every series that is held or was held lately, by labels. Forgets the others.
    pub(crate) fn all(&self, now: Duration) -> Vec<Arc<Series<T>>> {
        let mut kept = self.lock();
        kept.sweep(now, self.retention);
        kept.entries.values().map(|entry| entry.series.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept<T>> {
        // Nothing that runs under the lock leaves it half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Metrics> Kept<T> {
    fn sweep(&mut self, now: Duration, retention: Duration) {
        self.swept = now;
        self.entries.retain(|_, entry| {
            if entry.series.is_held() {
                entry.held = now;
            }
            now.saturating_sub(entry.held) < retention
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Counter;

    #[derive(Debug)]
    struct Count(Counter);

    impl Metrics for Count {
        type Labels = u32;
        type Source = ();

        fn new(_: &Arc<u32>, (): &(), _: usize) -> Self {
            Self(Counter::default())
        }
    }

    fn family() -> Family<Count> {
        Family::new(2)
    }

    fn shown(family: &Family<Count>, now: Duration) -> Vec<(u32, u64)> {
        let sum = |series: &Arc<Series<Count>>| series.parts().map(|part| part.0.value()).sum();
        family.all(now).iter().map(|series| (*series.labels(), sum(series))).collect()
    }

    #[test]
    fn cores_count_apart_and_are_summed() {
        let family = family();
        let series = family.series(&7, Duration::ZERO, || ());
        series.core(0).0.increment();
        series.core(1).0.add(2);
        series.core(9).0.add(3);
        assert_eq!(series.core(1).0.value(), 5);
        assert!(
            Arc::ptr_eq(&series, &family.series(&7, Duration::ZERO, || ())),
            "one series a set of labels"
        );
        assert_eq!(shown(&family, Duration::ZERO), [(7, 6)]);
    }

    #[test]
    fn what_nobody_holds_is_forgotten_after_a_while() {
        let (family, second) = (family(), Duration::from_secs(1));
        let part = family.series(&1, Duration::ZERO, || ()).core(0).clone();
        family.series(&2, Duration::ZERO, || ()).core(0).0.increment();
        part.0.increment();
        assert_eq!(shown(&family, RETENTION - second), [(1, 1), (2, 1)]);
        assert_eq!(shown(&family, RETENTION), [(1, 1)], "a part alone keeps a series");

        drop(part);
        assert_eq!(shown(&family, 2 * RETENTION - second), [(1, 1)], "still in its time");
        family.series(&1, 2 * RETENTION - second, || ()).core(0).0.increment();
        assert_eq!(shown(&family, 3 * RETENTION - 2 * second), [(1, 2)], "taken up again, it goes on");
        assert_eq!(shown(&family, 3 * RETENTION), []);
    }

    #[test]
    fn adding_sweeps_too() {
        let family = family();
        for label in 0..100 {
            family.series(&label, RETENTION * label, || ());
        }
        assert_eq!(family.lock().entries.len(), 1);
    }
}
