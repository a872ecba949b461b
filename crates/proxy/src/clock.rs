//! The clock of the data plane.

use irongate_traffic::Time;
use std::cell::Cell;
use std::time::{Duration, SystemTime};
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
        self.start + Duration::from_micros(time.0.saturating_sub(1_000_000))
    }
}

/// The time of day as `Date` says it (IMF-fixdate, RFC 9110 §5.6.7): written once a second, copied into answers.
pub(crate) struct Date(Cell<[u8; 29]>);

/// The last second that has four digits for its year.
const LAST: Duration = Duration::from_secs(253_402_300_799);

impl Date {
    pub(crate) fn new(now: SystemTime) -> Self {
        let date = Self(Cell::new([b' '; 29]));
        date.set(now);
        date
    }

    pub(crate) fn get(&self) -> [u8; 29] {
        self.0.get()
    }

    /// Years before 1970 and after 9999, which only a broken clock shows, are taken for the nearest that can be said.
    pub(crate) fn set(&self, now: SystemTime) {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().min(LAST);
        let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + now);
        if let Ok(text) = text.as_bytes().try_into() {
            self.0.set(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_for_any_clock() {
        let at = |seconds| Date::new(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).get();
        for (seconds, text) in [
            (0, b"Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, b"Sun, 06 Nov 1994 08:49:37 GMT"),
            (1_709_164_799, b"Wed, 28 Feb 2024 23:59:59 GMT"),
            (1_709_164_800, b"Thu, 29 Feb 2024 00:00:00 GMT"),
            (LAST.as_secs(), b"Fri, 31 Dec 9999 23:59:59 GMT"),
            (LAST.as_secs() + 1, b"Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(at(seconds).escape_ascii().to_string(), text.escape_ascii().to_string());
        }
        let before = Date::new(SystemTime::UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(before.get(), *b"Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
