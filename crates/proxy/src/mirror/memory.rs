//! The client's side of a copy: a body that is all there, and nobody who reads the answer.

use crate::body::{BodyFailure, Sink, Source};
use crate::exchange::{Closed, Downstream};
use irongate_message::{Fields, ResponseHead};
use std::task::{Context, Poll};

/// Of an answer that nobody reads, so much is read that its connection can be used again. A longer one is broken off.
const MOST_ANSWER: usize = 1 << 20;

pub(super) struct Memory {
    body: Body,
    answer: Answer,
}

/// The request's body.
pub(super) struct Body {
    bytes: Vec<u8>,
    consumed: usize,
    trailers: Option<Fields>,
}

/// Where the answer's body goes: nowhere.
#[derive(Default)]
pub(super) struct Answer {
    taken: usize,
}

impl Memory {
    pub(super) fn new(bytes: Vec<u8>, trailers: Option<Fields>) -> Self {
        Self { body: Body { bytes, consumed: 0, trailers }, answer: Answer::default() }
    }

    /// Whether the answer was broken off since it was long.
    pub(super) fn was_cut(&self) -> bool {
        self.answer.taken > MOST_ANSWER
    }
}

impl Downstream for Memory {
    type Source = Body;
    type Sink = Answer;

    fn source(&mut self) -> &mut Body {
        &mut self.body
    }

    fn sink(&mut self) -> &mut Answer {
        &mut self.answer
    }

    fn poll_closed(&mut self, _: &mut Context<'_>) -> Poll<Closed> {
        Poll::Pending
    }

    fn poll_head_room(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn interim(&mut self, _: &ResponseHead) {}

    fn start(&mut self, _: &ResponseHead) {}

    fn start_tunnel(&mut self, _: &ResponseHead) {}

    fn break_off(&mut self) {}
}

impl Source for Body {
    fn poll_fill(&mut self, _: &mut Context<'_>) -> Poll<Result<bool, BodyFailure>> {
        Poll::Ready(Ok(!self.is_done()))
    }

    fn data(&self) -> &[u8] {
        &self.bytes[self.consumed..]
    }

    fn consume(&mut self, length: usize) {
        self.consumed += length;
    }

    fn take_trailers(&mut self) -> Option<Fields> {
        self.trailers.take()
    }

    fn is_done(&self) -> bool {
        self.consumed == self.bytes.len()
    }
}

impl Sink for Answer {
    fn poll_write(&mut self, _: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyFailure>> {
        self.taken += data.len();
        Poll::Ready(if self.taken > MOST_ANSWER { Err(BodyFailure::Closed) } else { Ok(data.len()) })
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        Poll::Ready(Ok(()))
    }

    fn poll_finish(&mut self, _: &mut Context<'_>, _: Option<&Fields>) -> Poll<Result<(), BodyFailure>> {
        Poll::Ready(Ok(()))
    }
}
