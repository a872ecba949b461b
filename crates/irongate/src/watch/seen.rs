//! What the watcher has seen since it was asked last.

use super::places::Places;
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long after its last write a file that is still open counts as half-written.
const WRITING: Duration = Duration::from_secs(1);
/// When there is nothing to look at again.
const LONG: Duration = Duration::from_secs(3600);

/// Shared with the watcher's thread. Bounded by the number of files, however many events there are.
#[derive(Default)]
pub(super) struct Seen {
    state: Mutex<State>,
    pub(super) changes: Notify,
}

#[derive(Default)]
struct State {
    places: Places,
    /// When something changed last, since it was taken.
    changed: Option<Instant>,
    /// Files that were written to and not closed, with when.
    writing: HashMap<PathBuf, Instant>,
    /// Names that went away.
    gone: HashSet<PathBuf>,
}

impl Seen {
    pub(super) fn note(&self, event: notify::Result<Event>) {
        let now = Instant::now();
        let mut state = self.lock();
        match event {
            // An error, or more events than the system keeps: anything may have changed.
            Err(_) => state.changed = Some(now),
            Ok(event) if event.need_rescan() => {
                state.writing.clear();
                state.changed = Some(now);
            }
            Ok(event) => state.note(event, now),
        }
        if state.changed.is_some() {
            self.changes.notify_one();
        }
    }

    pub(super) fn set_places(&self, places: Places) {
        self.lock().places = places;
    }

    pub(super) fn take_gone(&self) -> HashSet<PathBuf> {
        std::mem::take(&mut self.lock().gone)
    }

    /// Whether there is something to look at: a change, or a file that was written to long ago and never closed.
    pub(super) fn is_due(&self) -> bool {
        let state = self.lock();
        state.changed.is_some() || state.writing.values().any(|since| since.elapsed() >= WRITING)
    }

    /// How long nothing is due if nothing happens.
    pub(super) fn next_look(&self) -> Duration {
        let left = |since: &Instant| WRITING.saturating_sub(since.elapsed());
        self.lock().writing.values().map(left).min().unwrap_or(LONG)
    }

    /// Since when nothing has changed; `None` while somebody writes.
    pub(super) fn quiet_since(&self) -> Option<Instant> {
        let state = self.lock();
        let is_writing = state.writing.values().any(|since| since.elapsed() < WRITING);
        if is_writing { None } else { state.changed.or_else(|| Instant::now().checked_sub(WRITING)) }
    }

    /// Begins anew.
    pub(super) fn take(&self) {
        let mut state = self.lock();
        state.changed = None;
        state.writing.retain(|_, since| since.elapsed() < WRITING);
    }

    /// The files that are being written.
    pub(super) fn writing(&self) -> HashSet<PathBuf> {
        let state = self.lock();
        let writing = state.writing.iter().filter(|(_, since)| since.elapsed() < WRITING);
        writing.map(|(path, _)| path.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, event: Event, now: Instant) {
        let Event { kind, paths, .. } = event;
        for path in paths.into_iter().filter(|path| self.places.has(path)).collect::<Vec<_>>() {
            match kind {
                EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                    self.writing.remove(&path);
                }
                // Reading, ours among it.
                EventKind::Access(_) => continue,
                // Only Linux tells when a file is closed.
                EventKind::Modify(ModifyKind::Data(_)) if cfg!(target_os = "linux") => {
                    self.writing.insert(path, now);
                }
                EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
                    self.writing.remove(&path);
                    self.gone.insert(path);
                }
                _ => {}
            }
            self.changed = Some(now);
        }
    }
}
