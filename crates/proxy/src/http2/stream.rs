//! The stream below a connection: reads what was read ahead first, and writes once a turn.
//!
//! The `h2` crate flushes after every DATA frame of some size, which with a socket below would be a system call a
//! frame. Here a flush does nothing: what was written waits until the connection's task has done all that it can do
//! and ends its turn by [`Stream::poll_end_turn`], or until much has come together.

use super::watch::{PREFACE, Watch};
use crate::core::Core;
use crate::transport::Transport;
use irongate_traffic::Time;
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What may wait before it is sent within a turn, in bytes. One frame more may come on top.
const WAITING: usize = 64 << 10;
/// How long a frame usually is at most, with its header.
const FRAME: usize = (16 << 10) + 9;
/// What is read of a client within a turn before others have theirs, in bytes of a body or work that is as much.
const TURN: usize = 64 << 10;
/// And of an origin, whose answers many wait for.
const TURN_OF_ORIGIN: usize = 256 << 10;

/// A connection's stream. The crate holds one handle, the connection's task another.
#[derive(Clone)]
pub(super) struct Stream {
    inner: Rc<Inner>,
}

struct Inner {
    core: Rc<Core>,
    transport: Rc<Transport>,
    /// What was read before the stream was ours.
    start: RefCell<Vec<u8>>,
    outgoing: RefCell<Outgoing>,
    /// Bytes that may be read before the turn ends.
    allowance: Cell<usize>,
    /// How many there are of them.
    turn: usize,
    /// Looks at what a client sends.
    watch: Option<RefCell<Watch>>,
    /// Bytes read so far.
    received: Cell<u64>,
    /// Bytes written so far.
    sent: Cell<u64>,
}

/// What a client's frames show.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    /// They are a flood.
    pub(super) is_flooded: bool,
    /// A header block has begun and not ended.
    pub(super) is_in_head: bool,
    /// One has a length that its kind never has.
    pub(super) has_wrong_length: bool,
}

#[derive(Default)]
struct Outgoing {
    waiting: Vec<u8>,
    /// How much of `waiting` was sent.
    sent: usize,
}

impl Outgoing {
    fn left(&self) -> usize {
        self.waiting.len() - self.sent
    }
}

impl Stream {
    /// `start` is what was read from the transport already; `watch` looks at all that comes.
    pub(super) fn new(
        core: Rc<Core>,
        transport: Rc<Transport>,
        mut start: Vec<u8>,
        mut watch: Option<Watch>,
    ) -> Self {
        if let Some(watch) = &mut watch {
            watch.see(&start);
            if watch.has_wrong_length() {
                // The preface is enough for the crate to begin, and then to end by our word.
                start.truncate(PREFACE);
            }
        }
        let turn = if watch.is_some() { TURN } else { TURN_OF_ORIGIN };
        let inner = Inner {
            core,
            transport,
            start: RefCell::new(start),
            outgoing: RefCell::default(),
            allowance: Cell::new(turn),
            turn,
            watch: watch.map(RefCell::new),
            received: Cell::new(0),
            sent: Cell::new(0),
        };
        Self { inner: Rc::new(inner) }
    }

    /// Sends what waits: the end of a turn. `Pending`: the peer does not take it at present.
    pub(super) fn poll_end_turn(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &*self.inner;
        inner.allowance.set(inner.turn);
        let mut outgoing = inner.outgoing.borrow_mut();
        let outgoing = &mut *outgoing;
        while outgoing.left() > 0 {
            let length = ready!(inner.transport.poll_write(cx, &outgoing.waiting[outgoing.sent..]))?;
            if length == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            outgoing.sent += length;
            inner.sent.set(inner.sent.get() + length as u64);
        }
        outgoing.waiting.clear();
        outgoing.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Gives the memory of what was sent back: the connection is idle.
    pub(super) fn release(&self) {
        let mut outgoing = self.inner.outgoing.borrow_mut();
        if outgoing.left() == 0 {
            self.inner.core.give_memory(std::mem::take(&mut *outgoing).waiting);
        }
    }

    /// Whether it holds memory that could be given back.
    pub(super) fn holds_memory(&self) -> bool {
        self.inner.outgoing.borrow().waiting.capacity() > 0
    }

    /// Whether anything waits to be sent.
    pub(super) fn has_waiting(&self) -> bool {
        self.left() > 0
    }

    /// How many bytes wait to be sent.
    pub(super) fn left(&self) -> usize {
        self.inner.outgoing.borrow().left()
    }

    /// What was seen of the client's frames, once a turn is over.
    pub(super) fn seen(&self, now: Time) -> Seen {
        let Some(watch) = &self.inner.watch else { return Seen::default() };
        let mut watch = watch.borrow_mut();
        watch.forgive(now, self.inner.sent.get());
        Seen {
            is_flooded: watch.is_flooded(),
            is_in_head: watch.is_in_head(),
            has_wrong_length: watch.has_wrong_length(),
        }
    }

    /// The client has opened a stream.
    pub(super) fn opened(&self) {
        if let Some(watch) = &self.inner.watch {
            watch.borrow_mut().opened();
        }
    }

    /// Bytes sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.inner.sent.get()
    }

    /// Bytes received so far.
    pub(super) fn received(&self) -> u64 {
        self.inner.received.get()
    }

    fn poll_take(&self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.inner.outgoing.borrow().left() >= WAITING {
            let sent = self.poll_end_turn(cx)?;
            if sent.is_pending() && self.inner.outgoing.borrow().left() >= WAITING {
                return Poll::Pending;
            }
        }
        let mut outgoing = self.inner.outgoing.borrow_mut();
        let Outgoing { waiting, sent } = &mut *outgoing;
        if waiting.capacity() == 0 {
            *waiting = self.inner.core.take_memory();
        }
        if *sent >= WAITING {
            // What is gone must not pile up before what is left.
            waiting.drain(..std::mem::take(sent));
        }
        let before = waiting.len();
        let wanted = before + parts.iter().map(|part| part.len()).sum::<usize>();
        if wanted > waiting.capacity() && wanted > WAITING / 2 {
            // At once as much as it may come to, and no more: a client that reads nothing keeps it.
            waiting.reserve_exact((WAITING + FRAME).max(wanted) - before);
        }
        for part in parts {
            waiting.extend_from_slice(part);
        }
        Poll::Ready(Ok(waiting.len() - before))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut start = self.inner.start.borrow_mut();
        if !start.is_empty() {
            let length = start.len().min(into.remaining());
            into.put_slice(&start[..length]);
            start.drain(..length);
            if start.is_empty() {
                *start = Vec::new();
            }
            return Poll::Ready(Ok(()));
        }
        let inner = &*self.inner;
        let ends = |watch: &RefCell<Watch>| watch.borrow().is_flooded() || watch.borrow().has_wrong_length();
        if inner.allowance.get() == 0 || inner.watch.as_ref().is_some_and(ends) {
            // The connection's task looks at what has come, and the others have their turn.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = into.filled().len();
        ready!(inner.transport.poll_read_into(cx, into))?;
        let fresh = &into.filled()[before..];
        let length = fresh.len();
        let mut work = length;
        if let Some(watch) = &inner.watch {
            let mut watch = watch.borrow_mut();
            watch.see(fresh);
            work += watch.take_work();
            if watch.has_wrong_length() {
                // The crate gets no more than the preface: the connection ends by our word.
                let known = usize::try_from(inner.received.get()).unwrap_or(usize::MAX);
                let kept = PREFACE.saturating_sub(known).min(length);
                into.set_filled(before + kept);
                cx.waker().wake_by_ref();
                return if kept > 0 { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
        }
        inner.allowance.set(inner.allowance.get().saturating_sub(work));
        self.inner.received.set(self.inner.received.get() + length as u64);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_take(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_take(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // At the end of the turn.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_end_turn(cx))?;
        self.inner.transport.shutdown();
        Poll::Ready(Ok(()))
    }
}
