//! Mirrors: copies of requests, sent to another backend. Their answers are thrown away.
//!
//! A copy is a request of its own, which goes the way of all others ([`exchange`](crate::exchange)) in a task of its
//! own; only its client's side is in memory ([`Memory`]). It begins when the whole of the request is known, so that
//! a copy is never cut short and a slow mirror holds nothing up: a request without a body at once, any other one when
//! its body has gone to the backend, if it was small enough to be kept.
//!
//! Copies are bounded in number and memory a core, and in time. What does not fit is not sent, and counted.

mod memory;

use crate::backend::CoreBackend;
use crate::connection::Client;
use crate::exchange::{Scratch, Work, forward};
use crate::snapshot::{PortFacts, RulePlan};
use irongate_message::{BodyLength, Fields, RequestHead};
use memory::Memory;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Copies that one core has under way at most.
const MOST: usize = 256;
/// And the memory that their requests take at most, in bytes.
const MOST_BYTES: usize = 8 << 20;
/// How long a copy may take, to the end of its answer.
const TIME: Duration = Duration::from_secs(10);

/// The copies that one core has under way, or keeps a place for.
pub(crate) struct Copies {
    count: Cell<usize>,
    bytes: Cell<usize>,
    rule: Arc<RulePlan>,
}

impl Default for Copies {
    fn default() -> Self {
        Self { count: Cell::new(0), bytes: Cell::new(0), rule: Arc::new(RulePlan::for_copies(TIME)) }
    }
}

/// A copy's place among them; given back when it is dropped.
struct Place {
    copies: Rc<Copies>,
    bytes: usize,
}

impl Copies {
    fn place(self: &Rc<Self>, bytes: usize) -> Option<Place> {
        let (count, all) = (self.count.get() + 1, self.bytes.get() + bytes);
        if count > MOST || all > MOST_BYTES {
            return None;
        }
        self.count.set(count);
        self.bytes.set(all);
        Some(Place { copies: self.clone(), bytes })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.copies.count.set(self.copies.count.get() - 1);
        self.copies.bytes.set(self.copies.bytes.get() - self.bytes);
    }
}

/// A copy that waits for the rest of its request. Dropped, it was not sent.
pub(crate) struct Waiting {
    backend: Rc<CoreBackend>,
    head: Box<RequestHead>,
    place: Option<Place>,
}

impl Waiting {
    /// A copy of a request as it is now, if there is room for one; `most` bytes of its body will be kept.
    pub(crate) fn new(
        client: &Client,
        backend: Rc<CoreBackend>,
        head: &RequestHead,
        most: usize,
    ) -> Option<Self> {
        let body = match head.body() {
            BodyLength::Empty => Some(0),
            BodyLength::Length(length) => usize::try_from(length).ok().filter(|&length| length <= most),
            BodyLength::Chunked | BodyLength::UntilClose => Some(most),
        };
        // What an upgrade would send to the mirror is not known before the backend has agreed to it.
        let body = body.filter(|_| head.upgrade().is_none());
        let Some(place) = body.and_then(|body| client.core.copies.place(body + head.memory())) else {
            backend.metrics.copy_dropped();
            return None;
        };
        let mut head = Box::new(head.clone());
        // The body goes out with the head.
        head.remove_expectation();
        Some(Self { backend, head, place: Some(place) })
    }

    /// Sends it: the request is whole.
    pub(crate) fn send(
        mut self,
        client: &Client,
        facts: &Arc<PortFacts>,
        body: &[u8],
        trailers: Option<&Fields>,
    ) {
        let Some(place) = self.place.take() else { return };
        let memory = Memory::new(body.to_vec(), trailers.cloned());
        let head = std::mem::take(&mut *self.head);
        let copy =
            Copy { client: client.copy(), facts: facts.clone(), backend: self.backend.clone(), head, place };
        // Boxed: a future that is given to the runtime is moved about.
        tokio::task::spawn_local(Box::pin(copy.run(memory)));
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.place.is_some() {
            self.backend.metrics.copy_dropped();
        }
    }
}

/// A copy under way.
struct Copy {
    client: Client,
    facts: Arc<PortFacts>,
    backend: Rc<CoreBackend>,
    head: RequestHead,
    place: Place,
}

impl Copy {
    async fn run(self, mut memory: Memory) {
        let Self { client, facts, backend, head, place } = self;
        let timer = client.core.timers.timer();
        let mut scratch = Scratch { request: head, ..Scratch::default() };
        let work = Work { rule: place.copies.rule.clone(), drawn: 0, backend: backend.clone() };
        let begun = client.core.now();
        let outcome = forward(&client, &timer, &facts, &mut memory, &mut scratch, &work, begun).await;
        backend.metrics.copied(outcome.failure.is_none() || memory.was_cut());
        drop(place);
    }
}
