//! The bodies of one stream: the request's, and its answer's.

use super::Shared;
use super::answer::Over;
use super::streams::Waits;
use super::wire::Wire;
use crate::body::{BodyFailure, Sink, Source};
use irongate_message::Fields;
use std::cell::RefMut;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A stream of the connection.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) shared: Rc<Shared>,
    pub(super) place: usize,
}

impl Handle {
    pub(super) fn wire(&self) -> RefMut<'_, Wire> {
        self.shared.wire.borrow_mut()
    }

    /// Ready when the stream has ended before its time.
    pub(super) fn poll_broken(&self, cx: &Context<'_>) -> Poll<()> {
        let stream = &mut self.wire().streams[self.place];
        if stream.broken.is_some() {
            return Poll::Ready(());
        }
        stream.wait(cx, Waits::RESET);
        Poll::Pending
    }
}

/// A request's body. What is consumed, and only that, the client may send anew.
pub(super) struct Http2Source {
    handle: Handle,
    /// What was taken of the body, and how much of that was consumed.
    data: Vec<u8>,
    consumed: usize,
    /// What comes is a tunnel's, and there is none yet.
    is_held: bool,
}

impl Http2Source {
    pub(super) fn new(handle: Handle, is_held: bool) -> Self {
        Self { handle, data: Vec::new(), consumed: 0, is_held }
    }

    /// The tunnel begins.
    pub(super) fn begin_tunnel(&mut self) {
        self.is_held = false;
    }
}

impl Source for Http2Source {
    #[inline]
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, BodyFailure>> {
        if self.consumed < self.data.len() {
            return Poll::Ready(Ok(true));
        }
        if self.is_held {
            return Poll::Ready(Ok(false));
        }
        self.consumed = 0;
        self.handle.wire().poll_body(cx, self.handle.place, &mut self.data)
    }

    fn data(&self) -> &[u8] {
        &self.data[self.consumed..]
    }

    fn consume(&mut self, length: usize) {
        self.consumed += length;
        let mut wire = self.handle.wire();
        wire.streams[self.handle.place].unread -= length as u32;
        wire.consume(self.handle.place, length as u32);
    }

    fn take_trailers(&mut self) -> Option<Fields> {
        if self.is_held {
            return None;
        }
        self.handle.wire().streams[self.handle.place].trailers.take().map(|trailers| *trailers)
    }

    fn is_done(&self) -> bool {
        if self.consumed < self.data.len() {
            return false;
        }
        let wire = self.handle.wire();
        let stream = &wire.streams[self.handle.place];
        self.is_held || stream.has_all && stream.body.is_empty() && stream.broken.is_none()
    }
}

/// An answer's body. It is written where the connection's bytes wait to be sent, as far as both windows and that place have room.
pub(super) struct Http2Sink {
    handle: Handle,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The head that the body follows was not written yet.
    Waiting,
    Open,
    /// The end was written.
    Ended,
}

impl Http2Sink {
    pub(super) fn new(handle: Handle) -> Self {
        Self { handle, state: State::Waiting }
    }

    /// The head was written; `ended`: it said that there is no body.
    pub(super) fn begin(&mut self, ended: bool) {
        self.state = if ended { State::Ended } else { State::Open };
    }
}

fn closed(_: Over) -> BodyFailure {
    BodyFailure::Closed
}

impl Sink for Http2Sink {
    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyFailure>> {
        if self.state == State::Ended {
            return Poll::Ready(Ok(data.len()));
        }
        self.handle.wire().poll_write(cx, self.handle.place, data).map_err(closed)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        // The connection's task does the sending; its patience is bounded too.
        let is_over =
            self.state == State::Open && self.handle.wire().streams[self.handle.place].broken.is_some();
        Poll::Ready(if is_over { Err(BodyFailure::Closed) } else { Ok(()) })
    }

    fn poll_finish(
        &mut self,
        _: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), BodyFailure>> {
        let ended = match std::mem::replace(&mut self.state, State::Ended) {
            State::Ended => Ok(()),
            _ => self.handle.wire().finish(self.handle.place, trailers),
        };
        Poll::Ready(ended.map_err(closed))
    }
}
