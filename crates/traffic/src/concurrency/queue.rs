//! Requests that wait for room: the more important first, of one priority the older.

use irongate_config::Priority;
use std::collections::{HashMap, VecDeque};
use std::task::Waker;

/// What became of a request that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// It is under way now.
    Admitted,
    /// It had to make place for a more important one.
    Displaced,
}

/// The requests that wait, and those that have not been told yet what became of them.
#[derive(Debug, Default)]
pub(super) struct Queue {
    next: u64,
    entries: HashMap<u64, Entry>,
    /// The numbers of those that wait, by priority.
    order: [VecDeque<u64>; Priority::ALL.len()],
}

#[derive(Debug)]
struct Entry {
    priority: Priority,
    became: Option<Waited>,
    waker: Option<Waker>,
}

/// What came of adding a request.
pub(super) struct Added {
    /// Its number, if there was a place.
    pub(super) number: Option<u64>,
    /// Who is to be told that it lost its place.
    pub(super) displaced: Option<Waker>,
}

impl Queue {
    /// How many wait.
    pub(super) fn waiting(&self) -> u32 {
        let waiting: usize = self.order.iter().map(VecDeque::len).sum();
        u32::try_from(waiting).unwrap_or(u32::MAX)
    }

    /// Whether somebody waits who comes before a new request.
    pub(super) fn has_before(&self, priority: Priority) -> bool {
        self.order[..=priority as usize].iter().any(|order| !order.is_empty())
    }

    /// Adds a request at the end of its priority. Where `most` wait already, the youngest of a less important priority makes
    /// place, if there is one.
    pub(super) fn add(&mut self, priority: Priority, most: u32) -> Added {
        let mut displaced = None;
        if self.waiting() >= most {
            let less = &mut self.order[priority as usize + 1..];
            let Some(number) = less.iter_mut().rev().find_map(VecDeque::pop_back) else {
                return Added { number: None, displaced: None };
            };
            displaced = self.tell(number, Waited::Displaced);
        }
        self.next += 1;
        self.entries.insert(self.next, Entry { priority, became: None, waker: None });
        self.order[priority as usize].push_back(self.next);
        Added { number: Some(self.next), displaced }
    }

    /// The priority of the one whose turn it is.
    pub(super) fn first(&self) -> Option<Priority> {
        Priority::ALL.into_iter().find(|priority| !self.order[*priority as usize].is_empty())
    }

    /// Lets the one pass whose turn it is; gives its waker.
    pub(super) fn admit_first(&mut self) -> Option<Waker> {
        let number = self.order.iter_mut().find_map(VecDeque::pop_front)?;
        self.tell(number, Waited::Admitted)
    }

    fn tell(&mut self, number: u64, became: Waited) -> Option<Waker> {
        let entry = self.entries.get_mut(&number)?;
        entry.became = Some(became);
        entry.waker.take()
    }

    /// What became of a request; it is forgotten then.
    pub(super) fn poll(&mut self, number: u64, waker: &Waker) -> Option<Waited> {
        let entry = self.entries.get_mut(&number)?;
        match entry.became {
            None => {
                match &mut entry.waker {
                    Some(known) => known.clone_from(waker),
                    none => *none = Some(waker.clone()),
                }
                None
            }
            Some(became) => {
                self.entries.remove(&number);
                Some(became)
            }
        }
    }

    /// Forgets a request; true: it had been let pass.
    pub(super) fn leave(&mut self, number: u64) -> bool {
        let Some(entry) = self.entries.remove(&number) else { return false };
        if entry.became.is_none() {
            // Those who leave have mostly waited longest, so they stand in front.
            let order = &mut self.order[entry.priority as usize];
            if let Some(place) = order.iter().position(|one| *one == number) {
                order.remove(place);
            }
        }
        entry.became == Some(Waited::Admitted)
    }
}
