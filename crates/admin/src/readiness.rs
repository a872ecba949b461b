//! Whether requests should be sent here.

use std::sync::atomic::{AtomicU8, Ordering};

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No configuration has been put into use yet.
    Starting,
    /// It serves.
    Ready,
    /// It still serves what comes, and is about to stop: load balancers should look elsewhere.
    Draining,
}

impl Phase {
    /// In lower case, as `/readyz` says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// The phase, shared between who runs the process and who is asked about it. Begins as [`Phase::Starting`].
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    /// A new phase has begun. A process that drains does not become ready again.
    pub fn set(&self, phase: Phase) {
        self.0.fetch_max(phase as u8, Ordering::Relaxed);
    }

    /// The phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_only_go_forward() {
        let readiness = Readiness::default();
        assert_eq!(readiness.phase(), Phase::Starting);
        for (set, then) in [
            (Phase::Ready, Phase::Ready),
            (Phase::Draining, Phase::Draining),
            (Phase::Ready, Phase::Draining),
        ] {
            readiness.set(set);
            assert_eq!(readiness.phase(), then);
        }
    }
}
