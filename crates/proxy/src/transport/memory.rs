//! A pair of connected streams in memory: sockets for tests and instruction counts, without a kernel.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// One end of a connection in memory; both ends live on one thread.
pub struct MemoryStream {
    incoming: Rc<RefCell<Pipe>>,
    outgoing: Rc<RefCell<Pipe>>,
}

/// One direction.
struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// The most that one read gives.
    piece: usize,
    ended: bool,
    broken: bool,
    poisoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn new(capacity: usize) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            bytes: VecDeque::new(),
            capacity,
            piece: usize::MAX,
            ended: false,
            broken: false,
            poisoned: false,
            reader: None,
            writer: None,
        }))
    }

    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }

    fn is_readable(&self) -> bool {
        !self.bytes.is_empty() || self.ended || self.broken || self.poisoned
    }
}

/// Two connected ends; each direction holds at most `capacity` bytes.
#[must_use]
pub fn pair(capacity: usize) -> (MemoryStream, MemoryStream) {
    let (one, other) = (Pipe::new(capacity), Pipe::new(capacity));
    (
        MemoryStream { incoming: one.clone(), outgoing: other.clone() },
        MemoryStream { incoming: other, outgoing: one },
    )
}

impl MemoryStream {
    /// Bounds what one read of this end gives, so that a message comes in pieces.
    pub fn read_in_pieces(&self, piece: usize) {
        self.incoming.borrow_mut().piece = piece.max(1);
    }

    /// Bounds what one read of the other end gives.
    pub fn write_in_pieces(&self, piece: usize) {
        self.outgoing.borrow_mut().piece = piece.max(1);
    }

    /// Lets the other end's next read panic.
    pub fn poison(&self) {
        let mut pipe = self.outgoing.borrow_mut();
        pipe.poisoned = true;
        pipe.wake();
    }

    /// Reads what there is; `Ok(0)` is the end.
    ///
    /// # Panics
    /// If the other end [asked for it](MemoryStream::poison).
    pub fn poll_read(&self, cx: &Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.incoming.borrow_mut();
        assert!(!pipe.poisoned, "poisoned, as the test asked for");
        if pipe.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if !pipe.is_readable() {
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let length = space.len().min(pipe.bytes.len()).min(pipe.piece);
        let (front, back) = pipe.bytes.as_slices();
        let (first, second) = space[..length].split_at_mut(length.min(front.len()));
        first.copy_from_slice(&front[..first.len()]);
        second.copy_from_slice(&back[..second.len()]);
        pipe.bytes.drain(..length);
        pipe.writer.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(length))
    }

    /// Looks at what has come until `look` says how much of it is to be taken. An error if the other end ends before that.
    pub(crate) fn poll_take(
        &self,
        cx: &Context<'_>,
        space: &[u8],
        mut look: impl FnMut(&[u8]) -> Option<usize>,
    ) -> Poll<io::Result<()>> {
        let mut pipe = self.incoming.borrow_mut();
        let seen = pipe.bytes.len().min(space.len());
        if let Some(length) = look(&pipe.bytes.make_contiguous()[..seen]) {
            pipe.bytes.drain(..length);
            pipe.writer.take().into_iter().for_each(Waker::wake);
            return Poll::Ready(Ok(()));
        }
        if pipe.ended || pipe.broken {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        pipe.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ready when a read would not wait.
    pub fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        let mut pipe = self.incoming.borrow_mut();
        if pipe.is_readable() {
            return Poll::Ready(());
        }
        pipe.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Writes what fits.
    pub fn poll_write(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.outgoing.borrow_mut();
        if pipe.broken || pipe.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let length = bytes.len().min(pipe.capacity - pipe.bytes.len());
        if length == 0 && !bytes.is_empty() {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        pipe.bytes.extend(&bytes[..length]);
        pipe.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(length))
    }

    /// Ends our direction.
    pub fn shutdown(&self) {
        let mut pipe = self.outgoing.borrow_mut();
        pipe.ended = true;
        pipe.wake();
    }

    /// Breaks both directions: the other end gets an error.
    pub fn reset(&self) {
        for pipe in [&self.incoming, &self.outgoing] {
            let mut pipe = pipe.borrow_mut();
            pipe.broken = true;
            pipe.bytes.clear();
            pipe.wake();
        }
    }
}

impl Drop for MemoryStream {
    fn drop(&mut self) {
        self.shutdown();
        let mut pipe = self.incoming.borrow_mut();
        // Nobody reads any more: writing is an error from now on, as on a closed socket.
        if !pipe.ended {
            pipe.broken = true;
        }
        pipe.wake();
    }
}
