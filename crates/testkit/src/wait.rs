//! Waiting for an effect, always with a deadline.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// How long any single wait may take before the test fails. Generous: a passing test never comes near it.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A moment after which a wait is given up.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// [`PATIENCE`] from now.
    #[must_use]
    pub fn usual() -> Self {
        Self::after(PATIENCE)
    }

    /// That long from now.
    #[must_use]
    pub fn after(wait: Duration) -> Self {
        Self(Instant::now() + wait)
    }

    /// What is left of it; `None` once it has passed.
    #[must_use]
    pub fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

/// Waits until a condition holds, looking every few milliseconds.
///
/// # Panics
/// After [`PATIENCE`], with `what` in the message.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Deadline::usual();
    while !condition() {
        assert!(deadline.left().is_some(), "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// A gate that one thread opens and others wait at: how a test tells an origin's script to go on.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everybody through from now on.
    ///
    /// # Panics
    /// Never: nobody panics while holding the lock.
    pub fn open(&self) {
        *self.0.0.lock().expect("no holder panics") = true;
        self.0.1.notify_all();
    }

    /// Whether it is open.
    ///
    /// # Panics
    /// Never: nobody panics while holding the lock.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.0.0.lock().expect("no holder panics")
    }

    /// Waits until it is open.
    ///
    /// # Panics
    /// After [`PATIENCE`].
    #[track_caller]
    pub fn wait(&self) {
        let open = self.0.0.lock().expect("no holder panics");
        let (open, _) = self.0.1.wait_timeout_while(open, PATIENCE, |open| !*open).expect("no holder panics");
        assert!(*open, "waited {PATIENCE:?} in vain at a gate");
    }
}
