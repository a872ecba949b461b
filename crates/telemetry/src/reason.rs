//! Why something was refused or failed, counted by reason.

use crate::Counter;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

/// Why the proxy itself refused or failed something: a stable token in `snake_case` (`head_too_large`,
/// `connect_timeout`), the same in metrics, in the log and in the header that trusted clients see.
///
/// Crates name their own reasons; a process knows few of them (see [`Reason::LIMIT`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(&'static str);

impl Reason {
    /// How many different reasons are told apart in one place; further ones are counted as `other`.
    pub const LIMIT: usize = 63;

    /// A reason by its token.
    #[must_use]
    pub const fn new(token: &'static str) -> Self {
        Self(token)
    }

    /// The token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<&'static str> for Reason {
    fn from(token: &'static str) -> Self {
        Self(token)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Counts by reason, in the order in which the reasons first came. Written by one thread at a time.
#[derive(Debug, Default)]
pub(crate) struct ReasonCounts {
    slots: OnceLock<Box<[Slot]>>,
}

#[derive(Debug, Default)]
struct Slot {
    reason: OnceLock<&'static str>,
    count: Counter,
}

impl ReasonCounts {
    /// Counts one. Few reasons ever come, so they are looked for one after the other. Apart from its callers, so
    /// that a request that went well saves no registers for it.
    #[cold]
    pub(crate) fn record(&self, reason: Reason) {
        let slots = self.slots.get_or_init(|| (0..=Reason::LIMIT).map(|_| Slot::default()).collect());
        let Some((other, named)) = slots.split_last() else { return };
        let mine = named.iter().find(|slot| *slot.reason.get_or_init(|| reason.0) == reason.0);
        mine.unwrap_or(other).count.increment();
    }

    pub(crate) fn add_to(&self, reading: &mut BTreeMap<&'static str, u64>) {
        for slot in self.slots.get().into_iter().flatten() {
            let count = slot.count.value();
            if count > 0 {
                *reading.entry(slot.reason.get().copied().unwrap_or("other")).or_default() += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_apart_up_to_a_bound() {
        let counts = ReasonCounts::default();
        counts.record(Reason::new("a"));
        counts.record(Reason::new("b"));
        counts.record(Reason::new("a"));
        let mut reading = BTreeMap::new();
        counts.add_to(&mut reading);
        assert_eq!(reading, BTreeMap::from([("a", 2), ("b", 1)]));

        for number in 0..100 {
            counts.record(Reason::new(Box::leak(format!("r{number}").into_boxed_str())));
        }
        let mut reading = BTreeMap::new();
        counts.add_to(&mut reading);
        assert_eq!(reading.len(), Reason::LIMIT + 1);
        assert_eq!(reading["other"], 100 - (Reason::LIMIT as u64 - 2));
        assert_eq!(reading.values().sum::<u64>(), 103);
    }
}
