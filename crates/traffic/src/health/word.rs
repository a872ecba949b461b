//! An endpoint's health in one word, so that each change of it is one compare-and-swap.

use crate::Time;

/// What kind of health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing speaks against it.
    Ready,
    /// It would be ejected, but its backend's bound is reached.
    Failing,
    /// Connecting fails. `until`: the next probe; `count`: probes that failed.
    Unreachable,
    /// Left out. `until`: when one request that can be sent again may try it; `count`: ejections and failed trials in a row.
    Ejected,
    /// That request is under way. `until`: when it counts as failed.
    Trial,
    /// It was never checked, and is to have no requests before.
    Waiting,
}

/// Bits 0 to 2: the kind; 3 to 7: a count, saturating; 8 to 63: a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    pub(crate) const READY: Self = Self(0);
    /// As long as active checks fail.
    pub(crate) const HELD: Time = Time(u64::MAX >> 8);
    const MOST_COUNT: u32 = 31;

    pub(crate) fn new(kind: Kind, count: u32, until: Time) -> Self {
        let kind = match kind {
            Kind::Ready => 0,
            Kind::Failing => 1,
            Kind::Unreachable => 2,
            Kind::Ejected => 3,
            Kind::Trial => 4,
            Kind::Waiting => 5,
        };
        Self(kind | u64::from(count.min(Self::MOST_COUNT)) << 3 | until.0 << 8)
    }

    pub(crate) fn kind(self) -> Kind {
        match self.0 & 7 {
            0 => Kind::Ready,
            1 => Kind::Failing,
            2 => Kind::Unreachable,
            3 => Kind::Ejected,
            4 => Kind::Trial,
            _ => Kind::Waiting,
        }
    }

    pub(crate) fn count(self) -> u32 {
        (self.0 >> 3) as u32 & Self::MOST_COUNT
    }

    pub(crate) fn until(self) -> Time {
        Time(self.0 >> 8)
    }

    /// Ejected by active checks, which alone bring it back.
    pub(crate) fn is_held(self) -> bool {
        self.kind() == Kind::Ejected && self.until() == Self::HELD
    }
}
