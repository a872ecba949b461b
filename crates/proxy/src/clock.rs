//! The clock of the data plane.

use irongate_traffic::Time;
use tokio::time::Instant;

/// Reads tokio's clock (which tests can pause) as microseconds since the process's own start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts a second ago, so that "long before" can be told from zero.
    #[must_use]
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Now. Costs one read of the time-stamp counter; no system call.
    #[must_use]
    pub(crate) fn now(&self) -> Time {
        let elapsed = self.start.elapsed();
        Time(elapsed.as_secs() * 1_000_000 + u64::from(elapsed.subsec_micros()) + 1_000_000)
    }

    /// The instant of a time, for tokio's own timers.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        self.start + std::time::Duration::from_micros(time.0.saturating_sub(1_000_000))
    }
}
