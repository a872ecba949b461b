//! What the log says of panics: where and why, once each, and not more often than is useful.
//!
//! A panic is a mistake in the program. It ends a connection, a stream or a task, never the process; what it ended is
//! counted where that is known (`irongate_panics_total`).

use irongate_telemetry::LogLimit;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::HashMap;
use std::panic::{Location, PanicHookInfo};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Places that are told apart; there are hardly ever two.
const PLACES: usize = 64;

/// Lets the log tell of panics, in place of plain lines on standard error. Called once the log is there.
pub(crate) fn log() {
    let seen = Seen::default();
    let start = Instant::now();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(Place::of).unwrap_or_default();
        if let Some(times) = seen.admit(&place, start.elapsed()) {
            tell(panic, &place, times);
        }
    }));
}

fn tell(panic: &PanicHookInfo<'_>, place: &Place, times: u64) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let reason = panic.payload_as_str().unwrap_or("without a reason");
    // Only where the environment asks for one (RUST_BACKTRACE): it costs milliseconds.
    let backtrace = Backtrace::capture();
    let backtrace = match backtrace.status() {
        BacktraceStatus::Captured => format!("\n{backtrace}"),
        _ => String::new(),
    };
    let Place { file, line } = place;
    tracing::error!(
        thread,
        times,
        "panicked at {file}:{line}: {reason}; this is a mistake in irongate, please report it{backtrace}"
    );
}

/// A line of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Place {
    file: String,
    line: u32,
}

impl Place {
    fn of(location: &Location<'_>) -> Self {
        Self { file: location.file().to_owned(), line: location.line() }
    }
}

/// Which places were told of, and when.
#[derive(Default)]
struct Seen(Mutex<HashMap<Place, LogLimit>>);

impl Seen {
    /// Whether to tell of a panic now, and how many there were since the last time.
    fn admit(&self, place: &Place, now: Duration) -> Option<u64> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= PLACES && !seen.contains_key(place) {
            // All further places count as one.
            return seen.entry(Place::default()).or_default().admit(now);
        }
        seen.entry(place.clone()).or_default().admit(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_told_of_and_none_too_often() {
        let seen = Seen::default();
        let place = |line| Place { file: "a.rs".into(), line };
        let second = Duration::from_secs(1);
        assert_eq!(seen.admit(&place(1), second), Some(1));
        assert_eq!(seen.admit(&place(1), second), None);
        assert_eq!(seen.admit(&place(2), second), Some(1));
        assert_eq!(seen.admit(&place(1), 12 * second), Some(2));
        let told = (0..1000).filter_map(|line| seen.admit(&place(line), 13 * second)).count();
        // All new ones that fit, the second, whose time has come, and the rest as one; not the first.
        assert_eq!(told, PLACES);
    }
}
