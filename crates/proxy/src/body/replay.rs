//! A request's body that can be sent again.

use super::stored::Memory;
use super::{BodyFailure, Source, Stored};
use crate::share::Held;
use irongate_message::Fields;
use std::task::{Context, Poll};

/// The copy grows by so many bytes at a time where it draws on a client's budget.
const STEP: usize = 4 << 10;

/// Keeps a copy of what was consumed, up to a bound, so that a retry can begin anew.
///
/// Nothing is copied for a body that is empty. Once the bound is passed the copy is dropped, and the body
/// cannot be replayed any more.
pub(crate) struct Replay {
    kept: Vec<u8>,
    limit: usize,
    /// What the copy takes of a client's budget, where there is one.
    held: Option<Held>,
    /// How much of `kept` the present attempt has consumed.
    position: usize,
    overflowed: bool,
    /// Somebody wants the whole copy, once the body has ended.
    is_wanted: bool,
    /// The source gives its trailers once; another attempt sends them too.
    trailers: Option<Box<Fields>>,
    /// What counts the memory of a body that was read before.
    memory: Option<Memory>,
}

impl Replay {
    /// A copy of so many bytes at most; what it takes of a client's budget is added to `held`, if there is one.
    pub(crate) fn new(limit: usize, held: Option<Held>) -> Self {
        Self {
            kept: Vec::new(),
            limit,
            held,
            position: 0,
            overflowed: false,
            is_wanted: false,
            trailers: None,
            memory: None,
        }
    }

    /// Of a body that was read before, or its beginning: the rest is kept only as far as that fits.
    pub(crate) fn of(stored: Stored, limit: usize, held: Option<Held>) -> Self {
        let Stored { bytes, trailers, memory } = stored;
        Self { kept: bytes, trailers: trailers.map(Box::new), memory: Some(memory), ..Self::new(limit, held) }
    }

    /// Whether the body was read before, so that all of it is here.
    pub(crate) fn is_stored(&self) -> bool {
        self.memory.is_some() && !self.overflowed
    }

    /// Whether everything that was consumed so far can be given again.
    pub(crate) fn is_whole(&self) -> bool {
        !self.overflowed
    }

    /// No other attempt will follow: nothing more is kept, unless the whole copy is wanted. `is_sent`: all of the body has
    /// been.
    pub(crate) fn stop(&mut self, is_sent: bool) {
        if self.is_wanted {
            return;
        }
        self.limit = 0;
        if is_sent {
            self.forget();
        }
    }

    /// Gives the memory back.
    fn forget(&mut self) {
        self.overflowed = true;
        self.kept = Vec::new();
        self.position = 0;
        self.held = None;
        self.memory = None;
    }

    /// The copy is wanted once the body has ended, as far as it fits.
    pub(crate) fn want(&mut self, limit: usize) {
        self.is_wanted = true;
        self.limit = self.limit.max(limit);
    }

    /// Nobody wants it any more.
    pub(crate) fn unwant(&mut self) {
        self.is_wanted = false;
    }

    /// What was consumed, if all of it was kept, and the trailers. The body has to have ended.
    pub(crate) fn copy(&self) -> Option<(&[u8], Option<&Fields>)> {
        self.is_whole().then_some((&self.kept[..], self.trailers.as_deref()))
    }

    /// The next attempt begins with the first byte.
    pub(crate) fn rewind(&mut self) {
        debug_assert!(self.is_whole());
        self.position = 0;
    }

    /// The body through this copy.
    pub(crate) fn source<'a, S: Source>(&'a mut self, source: &'a mut S) -> Replayed<'a, S> {
        Replayed { replay: self, source }
    }

    /// Whether the client's budget has room for so many bytes more; makes it, if so.
    fn has_room(&mut self, length: usize) -> bool {
        let Some(held) = &mut self.held else { return true };
        let free = self.kept.capacity() - self.kept.len();
        if length <= free {
            return true;
        }
        let more = (length - free).max(STEP);
        let has_room = held.grow(more);
        if has_room {
            self.kept.reserve_exact(free + more);
        }
        has_room
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.overflowed {
            return;
        }
        if self.kept.len() + bytes.len() > self.limit || !self.has_room(bytes.len()) {
            self.forget();
        } else {
            self.kept.extend_from_slice(bytes);
            self.position = self.kept.len();
        }
    }
}

/// A source that gives what was kept first, then the rest.
pub(crate) struct Replayed<'a, S> {
    replay: &'a mut Replay,
    source: &'a mut S,
}

impl<S: Source> Replayed<'_, S> {
    fn waiting(&self) -> &[u8] {
        &self.replay.kept[self.replay.position..]
    }
}

impl<S: Source> Source for Replayed<'_, S> {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, BodyFailure>> {
        if self.waiting().is_empty() { self.source.poll_fill(cx) } else { Poll::Ready(Ok(true)) }
    }

    fn data(&self) -> &[u8] {
        if self.waiting().is_empty() { self.source.data() } else { self.waiting() }
    }

    fn rest(&mut self, cx: &mut Context<'_>) {
        self.source.rest(cx);
    }

    fn consume(&mut self, length: usize) {
        if self.waiting().is_empty() {
            self.replay.keep(&self.source.data()[..length]);
            self.source.consume(length);
        } else {
            self.replay.position += length;
        }
    }

    fn take_trailers(&mut self) -> Option<Fields> {
        if let Some(trailers) = self.source.take_trailers() {
            self.replay.trailers = Some(Box::new(trailers));
        }
        let trailers = &mut self.replay.trailers;
        if self.replay.overflowed {
            trailers.take().map(|trailers| *trailers)
        } else {
            trailers.as_deref().cloned()
        }
    }

    fn is_done(&self) -> bool {
        self.waiting().is_empty() && self.source.is_done()
    }
}
