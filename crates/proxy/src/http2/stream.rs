//! The stream below a connection to an origin, which writes once a turn.
//!
//! The `h2` crate flushes after every DATA frame of some size, which with a socket below would be a system call a
//! frame. Here a flush does nothing: what was written waits until the connection's task has done all that it can do
//! and ends its turn by [`Stream::poll_end_turn`], or until much has come together.

use crate::core::Core;
use crate::transport::Transport;
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
/// What is read within a turn before others have theirs, in bytes.
const TURN: usize = 256 << 10;

/// A connection's stream. The crate holds one handle, the connection's task another.
#[derive(Clone)]
pub(super) struct Stream {
    inner: Rc<Inner>,
}

struct Inner {
    core: Rc<Core>,
    transport: Rc<Transport>,
    outgoing: RefCell<Outgoing>,
    /// Bytes that may be read before the turn ends.
    allowance: Cell<usize>,
    /// Bytes read so far.
    received: Cell<u64>,
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
    pub(super) fn new(core: Rc<Core>, transport: Rc<Transport>) -> Self {
        let inner = Inner {
            core,
            transport,
            outgoing: RefCell::default(),
            allowance: Cell::new(TURN),
            received: Cell::new(0),
        };
        Self { inner: Rc::new(inner) }
    }

    /// Sends what waits: the end of a turn. `Pending`: the peer does not take it at present.
    pub(super) fn poll_end_turn(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &*self.inner;
        inner.allowance.set(TURN);
        let mut outgoing = inner.outgoing.borrow_mut();
        let outgoing = &mut *outgoing;
        while outgoing.left() > 0 {
            let length = ready!(inner.transport.poll_write(cx, &outgoing.waiting[outgoing.sent..]))?;
            if length == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            outgoing.sent += length;
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
        let inner = &*self.inner;
        if inner.allowance.get() == 0 {
            // The others have their turn.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = into.filled().len();
        ready!(inner.transport.poll_read_into(cx, into))?;
        let length = into.filled().len() - before;
        inner.allowance.set(inner.allowance.get().saturating_sub(length));
        inner.received.set(inner.received.get() + length as u64);
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
