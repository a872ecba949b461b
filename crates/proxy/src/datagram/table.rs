//! The sessions of one port on one core, and which of them go where there is no room for another.

use super::session::Session;
use super::socket::Peer;
use irongate_traffic::Time;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

/// Sessions on which something passed within this are not ended for others.
const FRESH: Duration = Duration::from_secs(1);
/// One part in so many goes at once, so that a flood costs one look at all of them for many of its datagrams.
const PART: usize = 8;
/// After a look that found none to end, the next one comes so much later.
const PAUSE: Duration = Duration::from_millis(100);

/// The sessions by their clients.
#[derive(Default)]
pub(super) struct Table {
    sessions: HashMap<Peer, Rc<Session>>,
    /// All are in use until then, as far as is known.
    full_until: Time,
}

impl Table {
    pub(super) fn find(&self, peer: &Peer) -> Option<Rc<Session>> {
        self.sessions.get(peer).cloned()
    }

    pub(super) fn insert(&mut self, session: Rc<Session>) {
        self.sessions.insert(*session.peer(), session);
    }

    /// Removes a session, unless another has its place already.
    pub(super) fn remove(&mut self, session: &Rc<Session>) {
        if self.sessions.get(session.peer()).is_some_and(|known| Rc::ptr_eq(known, session)) {
            self.sessions.remove(session.peer());
        }
    }

    /// Whether a session waits for an answer.
    pub(super) fn awaits_any(&self) -> bool {
        self.sessions.values().any(|session| session.awaits_answer())
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = Rc<Session>> {
        self.sessions.into_values()
    }

    /// Makes room for one more where there may be so many; gives those that have to go. `None`: all are in use.
    pub(super) fn make_room(&mut self, now: Time, most: usize) -> Option<Vec<Rc<Session>>> {
        if self.sessions.len() < most {
            return Some(Vec::new());
        }
        if now < self.full_until {
            return None;
        }
        let is_idle = |session: &&Rc<Session>| now.saturating_since(session.moved()) >= FRESH;
        let mut idle: Vec<_> = self.sessions.values().filter(is_idle).cloned().collect();
        if idle.is_empty() {
            self.full_until = now.after(PAUSE);
            return None;
        }
        let count = (self.sessions.len() - most + 1).max(most / PART).min(idle.len());
        idle.select_nth_unstable_by_key(count - 1, |session| session.moved());
        idle.truncate(count);
        idle.iter().for_each(|session| self.remove(session));
        Some(idle)
    }
}
