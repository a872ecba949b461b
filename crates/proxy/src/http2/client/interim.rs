//! Heads that an origin sends faster than they are taken.
//!
//! Windows do not bound heads, and the `h2` crate keeps each until its request asks for it: an origin that sends interim
//! answers without an end could fill us, the more so where a client takes none. So the frames of an origin are looked at before
//! the crate does (nine bytes each): a turn ends when many of them have come, so that requests take theirs, and the connection ends
//! where many are waiting all the same. An origin that sends a few in each answer comes to neither.

use super::super::stream::Stream;
use foldhash::fast::RandomState;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a head that waits costs besides its block, in bytes.
const HEAD: usize = 512;
/// And each byte of its block: one may stand for a field, which costs more than a hundred.
const BYTE: usize = 128;
/// What may come in a turn.
const TURN: usize = 1 << 20;
/// What may wait when a turn is over.
const MOST: usize = 16 << 20;
/// Heads on streams that nobody has any more: so many, and so many for each request.
const STRAYS: (u64, u64) = (1000, 4);

const HEADER: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// The heads of one connection that were not taken yet.
#[derive(Default)]
pub(super) struct Interim {
    frames: RefCell<Frames>,
    streams: RefCell<HashMap<u32, Heads, RandomState>>,
    /// What all of them cost.
    waiting: Cell<usize>,
    /// What came in this turn.
    turn: Cell<usize>,
    begun: Cell<u64>,
    strays: Cell<u64>,
}

/// Those of one stream. The first is not counted: each answer has one.
#[derive(Default)]
struct Heads {
    came: usize,
    taken: usize,
    cost: usize,
}

/// Where the frames begin.
#[derive(Default)]
struct Frames {
    header: [u8; HEADER],
    /// How much of the header has come.
    known: usize,
    /// How much of a payload is still to come.
    skip: usize,
}

impl Interim {
    /// A request has this stream.
    pub(super) fn begin(&self, stream: u32) {
        self.begun.set(self.begun.get() + 1);
        self.streams.borrow_mut().insert(stream, Heads::default());
    }

    /// Its request took an interim head.
    pub(super) fn take(&self, stream: u32) {
        if let Some(heads) = self.streams.borrow_mut().get_mut(&stream) {
            // They are taken in order and were not kept apart: each is one of equals.
            let cost = heads.cost / heads.came.saturating_sub(1 + heads.taken).max(1);
            heads.taken += 1;
            heads.cost -= cost;
            self.waiting.set(self.waiting.get() - cost);
        }
    }

    /// Its request is over.
    pub(super) fn end(&self, stream: u32) {
        if let Some(heads) = self.streams.borrow_mut().remove(&stream) {
            self.waiting.set(self.waiting.get() - heads.cost);
        }
    }

    /// A turn is over. False: the origin has gone too far.
    pub(super) fn end_turn(&self) -> bool {
        self.turn.set(0);
        let (once, each) = STRAYS;
        self.waiting.get() <= MOST && self.strays.get() <= once + each * self.begun.get()
    }

    /// These bytes have come.
    fn see(&self, mut bytes: &[u8]) {
        let frames = &mut *self.frames.borrow_mut();
        loop {
            let skipped = frames.skip.min(bytes.len());
            frames.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEADER - frames.known).min(bytes.len());
            if taken == 0 {
                return;
            }
            frames.header[frames.known..frames.known + taken].copy_from_slice(&bytes[..taken]);
            frames.known += taken;
            bytes = &bytes[taken..];
            if frames.known == HEADER {
                frames.known = 0;
                let [high, middle, low, kind, flags, stream @ ..] = frames.header;
                frames.skip = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                if matches!(kind, HEADERS | CONTINUATION) {
                    self.note(kind, flags, u32::from_be_bytes(stream) & 0x7fff_ffff, frames.skip);
                }
            }
        }
    }

    fn note(&self, kind: u8, flags: u8, stream: u32, length: usize) {
        let mut streams = self.streams.borrow_mut();
        let Some(heads) = streams.get_mut(&stream) else {
            self.strays.set(self.strays.get() + 1);
            self.turn.set(self.turn.get() + HEAD);
            return;
        };
        if kind == HEADERS {
            // An interim answer does not end the stream (RFC 9113 §8.1), and trailers do.
            heads.came += usize::from(flags & END_STREAM == 0);
        }
        if heads.came > 1 {
            let cost = HEAD + BYTE * length;
            heads.cost += cost;
            self.waiting.set(self.waiting.get() + cost);
            self.turn.set(self.turn.get() + cost);
        }
    }
}

/// The stream below a connection to an origin, whose frames are looked at.
pub(super) struct Watched {
    stream: Stream,
    interim: Rc<Interim>,
}

impl Watched {
    pub(super) fn new(stream: Stream, interim: Rc<Interim>) -> Self {
        Self { stream, interim }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.interim.turn.get() >= TURN {
            // Requests take what came for them, and the connection has its next turn.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        self.interim.see(&into.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, length: usize) -> Vec<u8> {
        let mut frame = (length as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(vec![0; length]);
        frame
    }

    #[test]
    fn answers_with_their_trailers_cost_nothing() {
        let interim = Interim::default();
        for stream in (1..2001).step_by(2) {
            interim.begin(stream);
            for bytes in [
                frame(HEADERS, 0, stream, 2000),
                frame(0, 0, stream, 5),
                frame(HEADERS, END_STREAM, stream, 2000),
            ] {
                interim.see(&bytes);
            }
        }
        assert_eq!((interim.waiting.get(), interim.turn.get()), (0, 0));
        assert!(interim.end_turn());
    }

    #[test]
    fn what_is_taken_or_over_waits_no_more() {
        let interim = Interim::default();
        let bytes = [frame(HEADERS, 0, 1, 10).repeat(3), frame(HEADERS, 0, 3, 10).repeat(2)].concat();
        for size in [1, 8, 9, 10, 1000] {
            interim.begin(1);
            interim.begin(3);
            bytes.chunks(size).for_each(|chunk| interim.see(chunk));
            let one = HEAD + 10 * BYTE;
            assert_eq!(interim.waiting.get(), 3 * one, "in pieces of {size}");
            interim.take(1);
            assert_eq!(interim.waiting.get(), 2 * one);
            interim.take(1);
            interim.take(1);
            assert_eq!(interim.waiting.get(), one);
            interim.end(3);
            interim.end(1);
            assert_eq!(interim.waiting.get(), 0);
        }
    }

    #[test]
    fn too_many_end_it() {
        let interim = Interim::default();
        interim.begin(1);
        for _ in 0..10 {
            interim.see(&frame(HEADERS, 0, 1, 10_000));
            interim.see(&frame(CONTINUATION, 0, 1, 10_000));
        }
        assert!(interim.turn.get() > TURN && !interim.end_turn());
        assert_eq!(interim.turn.get(), 0);
        interim.end(1);
        assert!(interim.end_turn(), "the request is over");
        (0..2000).for_each(|_| interim.see(&frame(HEADERS, 0, 1, 10)));
        assert!(!interim.end_turn(), "nobody has the stream any more");
    }
}
