//! The writing half: what waits to be sent, and the framing of the body that is being written.

use crate::body::{BodyFailure, Sink};
use crate::transport::Transport;
use irongate_message::{BodyLength, Fields, write_chunk_size, write_last_chunk};
use std::io::IoSlice;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Body bytes up to this many are copied behind what waits, so that a head and a small body are one plain
/// `write`; more are sent from where they are by `writev`, which costs about as much as copying a few KiB.
const COPIED: usize = 4 << 10;
/// What may wait before it is sent.
const WAITING: usize = 16 << 10;

/// Memory that stays when all has been sent: a long head is not to be held twice while its answer is waited for.
const KEPT: usize = 8 << 10;

/// Writes one message after another to a stream.
pub(crate) struct Writer {
    transport: Rc<Transport>,
    waiting: Vec<u8>,
    /// How much of `waiting` was sent.
    sent: usize,
    framing: BodyLength,
    /// Bytes of the present chunk, or of the whole body of known length, that are still to come.
    left: u64,
    finished: bool,
    /// The end of the body is the end of our direction of the stream: in tunnels.
    ends_stream: bool,
    /// The connection ends with the present message.
    ends_connection: bool,
    /// Whether anything of the present message has reached the kernel.
    touched: bool,
    /// The peer took nothing when it was last offered bytes.
    blocked: bool,
}

impl Writer {
    /// `waiting` is an empty vector whose memory is used.
    pub(crate) fn new(transport: Rc<Transport>, waiting: Vec<u8>) -> Self {
        Self {
            transport,
            waiting,
            sent: 0,
            framing: BodyLength::Empty,
            left: 0,
            finished: false,
            ends_stream: false,
            ends_connection: false,
            touched: false,
            blocked: false,
        }
    }

    /// Where heads are written to; sent with what follows.
    pub(crate) fn waiting(&mut self) -> &mut Vec<u8> {
        &mut self.waiting
    }

    /// A new message begins: nothing of it has been sent yet.
    pub(crate) fn begin_message(&mut self) {
        self.touched = false;
    }

    /// A body with this framing follows the head that was written to [`waiting`](Writer::waiting).
    pub(crate) fn begin(&mut self, framing: BodyLength) {
        self.framing = framing;
        self.left = if let BodyLength::Length(length) = framing { length } else { 0 };
        self.finished = false;
        self.ends_stream = false;
        self.ends_connection = false;
    }

    /// After the message that was begun nothing more is sent on the connection.
    pub(crate) fn end_connection(&mut self) {
        self.ends_connection = true;
    }

    /// From now on plain bytes until the end of the stream.
    pub(crate) fn begin_tunnel(&mut self) {
        self.begin(BodyLength::UntilClose);
        self.ends_stream = true;
    }

    /// Whether any byte of the present message was handed to the kernel.
    pub(crate) fn has_sent(&self) -> bool {
        self.touched
    }

    /// Whether everything that was written has been sent.
    pub(crate) fn is_flushed(&self) -> bool {
        self.sent == self.waiting.len()
    }

    /// How many bytes wait to be sent.
    pub(crate) fn unsent(&self) -> usize {
        self.waiting.len() - self.sent
    }

    /// Whether the peer took nothing when it was last offered bytes: the kernel's buffer is full.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Whether the body's framing shows where it ends.
    pub(crate) fn is_self_delimited(&self) -> bool {
        self.framing != BodyLength::UntilClose
    }

    /// Whether ending the stream now would look like the end of a body that is not whole.
    pub(crate) fn is_cut_off(&self) -> bool {
        let is_ended = self.finished && self.is_flushed();
        !self.is_self_delimited() && !is_ended
    }

    /// Gives back the memory; what still waits in it is not sent.
    pub(crate) fn take_memory(&mut self) -> Vec<u8> {
        self.finished &= self.is_flushed();
        self.sent = 0;
        let mut memory = std::mem::take(&mut self.waiting);
        memory.clear();
        memory
    }

    fn compact(&mut self) {
        if self.sent == self.waiting.len() {
            if self.waiting.capacity() > KEPT {
                self.waiting = Vec::new();
            }
            self.waiting.clear();
            self.sent = 0;
        }
    }

    /// Sends what waits and then `data`; gives how much of `data` was taken.
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyFailure>> {
        let queued = &self.waiting[self.sent..];
        let queued_length = queued.len();
        let result = if queued.is_empty() {
            self.transport.poll_write(cx, data)
        } else if data.is_empty() {
            self.transport.poll_write(cx, queued)
        } else {
            self.transport.poll_write_vectored(cx, &[IoSlice::new(queued), IoSlice::new(data)])
        };
        self.blocked = result.is_pending();
        match ready!(result) {
            Ok(0) | Err(_) => Poll::Ready(Err(BodyFailure::Closed)),
            Ok(length) => {
                self.touched = true;
                self.sent += length.min(queued_length);
                self.compact();
                Poll::Ready(Ok(length.saturating_sub(queued_length)))
            }
        }
    }
}

impl Sink for Writer {
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyFailure>> {
        let data = match self.framing {
            BodyLength::Empty => return Poll::Ready(Ok(data.len())),
            BodyLength::UntilClose => data,
            BodyLength::Chunked => {
                if self.left == 0 {
                    write_chunk_size(data.len(), &mut self.waiting);
                    self.left = data.len() as u64;
                }
                &data[..data.len().min(usize::try_from(self.left).unwrap_or(usize::MAX))]
            }
            BodyLength::Length(_) => {
                if self.left == 0 {
                    // More than was announced: what counts is what the head said.
                    return Poll::Ready(Err(BodyFailure::Malformed("body_too_long")));
                }
                &data[..data.len().min(usize::try_from(self.left).unwrap_or(usize::MAX))]
            }
        };
        // In a tunnel there is nothing to wait for: all that came is here, and no memory is held between two pieces.
        let copies = !self.ends_stream && data.len() <= COPIED;
        let taken = if copies && self.waiting.len() - self.sent + data.len() <= WAITING {
            self.waiting.extend_from_slice(data);
            data.len()
        } else {
            loop {
                let taken = ready!(self.poll_send(cx, data))?;
                if taken > 0 {
                    break taken;
                }
            }
        };
        if self.framing != BodyLength::UntilClose {
            self.left -= taken as u64;
        }
        if self.framing == BodyLength::Chunked && self.left == 0 {
            self.waiting.extend_from_slice(b"\r\n");
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        while !self.is_flushed() {
            ready!(self.poll_send(cx, &[]))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), BodyFailure>> {
        if !self.finished {
            match self.framing {
                BodyLength::Chunked => write_last_chunk(trailers, &mut self.waiting),
                BodyLength::Length(_) if self.left > 0 => return Poll::Ready(Err(BodyFailure::Truncated)),
                _ => {}
            }
            if self.ends_connection {
                self.transport.end_with_next();
            }
            self.finished = true;
        }
        ready!(self.poll_flush(cx))?;
        if self.ends_stream {
            self.transport.shutdown();
        }
        Poll::Ready(Ok(()))
    }
}
