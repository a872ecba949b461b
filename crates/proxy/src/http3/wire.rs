//! A stream of a request between `quinn`, `h3` and us: `h3` reads and writes heads on it, and we the bodies.

use super::code;
use super::frames::{ControlFrames, Frames, Part, Violation, write_headers_head};
use crate::body::BodyFailure;
use bytes::{Buf, Bytes, BytesMut};
use quinn::{ReadError, RecvStream, SendStream, StoppedError, VarInt, WriteError};
use std::cell::{Cell, RefCell};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// The most that is read at once, in bytes.
const PIECE: usize = 16 << 10;
/// What the heads of a connection's requests may hold together while they are not whole, in bytes.
const MOST_HEADS: u64 = 256 << 10;
/// How many frames that carry nothing a client may send at first, and how many more with each request. Browsers send one or
/// two a request, on the control stream, about priorities.
const IDLE_FRAMES: u32 = 2000;
const IDLE_FRAMES_A_REQUEST: u32 = 8;

/// What the streams of a connection share.
pub(super) struct Flow {
    pub(super) connection: quinn::Connection,
    /// Lengths of heads that have begun and are not whole.
    heads: Cell<u64>,
    /// Bytes of bodies that wait for room on their way out, on all streams.
    pub(super) queued: Cell<usize>,
    /// Frames without use that the client may still send.
    idle_frames: Cell<u32>,
    /// The stream that was accepted last, until its request is.
    pub(super) newest: RefCell<Option<Rc<Wire>>>,
    /// The number of the stream that was accepted last.
    pub(super) last: Cell<Option<u64>>,
    /// Requests on streams from this number on are not served: the client was told so.
    pub(super) refused_from: Cell<u64>,
}

impl Flow {
    pub(super) fn new(connection: quinn::Connection) -> Rc<Self> {
        Rc::new(Self {
            connection,
            heads: Cell::new(0),
            queued: Cell::new(0),
            idle_frames: Cell::new(IDLE_FRAMES),
            newest: RefCell::default(),
            last: Cell::new(None),
            refused_from: Cell::new(u64::MAX),
        })
    }

    /// A request has come, and with it the right to some frames without use.
    pub(super) fn add_request(&self) {
        self.idle_frames.set((self.idle_frames.get() + IDLE_FRAMES_A_REQUEST).min(IDLE_FRAMES));
    }

    /// So many frames came that carried nothing. False: the client goes too far, and the connection ends.
    pub(super) fn spend(&self, frames: u32) -> bool {
        match self.idle_frames.get().checked_sub(frames) {
            Some(left) => {
                self.idle_frames.set(left);
                true
            }
            None => {
                self.connection.close(code::EXCESSIVE_LOAD, b"frames that carry nothing");
                false
            }
        }
    }
}

/// Why a stream gives nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The client reset it, with this code.
    Reset(u64),
    /// The connection is gone, or we have ended it.
    Closed,
    /// A head is longer than any that is taken.
    HeadTooLong,
}

impl From<Broken> for BodyFailure {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Reset(code) => Self::Reset(u32::try_from(code).unwrap_or(u32::MAX)),
            Broken::Closed => Self::Closed,
            Broken::HeadTooLong => Self::Malformed("trailers_too_large"),
        }
    }
}

/// A stream of a request.
pub(super) struct Wire {
    pub(super) id: u64,
    pub(super) incoming: RefCell<Incoming>,
    pub(super) outgoing: RefCell<Outgoing>,
}

impl Wire {
    pub(super) fn new(flow: &Rc<Flow>, send: SendStream, receive: RecvStream, longest_head: u64) -> Rc<Self> {
        Rc::new(Self {
            id: send.id().into(),
            incoming: RefCell::new(Incoming {
                flow: flow.clone(),
                stream: receive,
                frames: Frames::new(longest_head),
                chunk: Bytes::new(),
                next: None,
                counted: 0,
                ended: None,
                is_too_long: false,
            }),
            outgoing: RefCell::new(Outgoing::new(send)),
        })
    }

    /// Ends both directions with a code.
    pub(super) fn reset(&self, code: VarInt) {
        self.outgoing.borrow_mut().reset(code);
        self.incoming.borrow_mut().stop(code);
    }
}

/// What comes on a stream.
pub(super) struct Incoming {
    flow: Rc<Flow>,
    stream: RecvStream,
    frames: Frames,
    /// What was read and not taken apart.
    chunk: Bytes,
    /// The trailers have begun, and are this long.
    next: Option<u64>,
    /// What of the connection's heads is this stream's.
    counted: u64,
    /// How it ended, if it has.
    ended: Option<Result<(), Broken>>,
    /// A head was longer than any that is taken.
    pub(super) is_too_long: bool,
}

impl Incoming {
    /// The next part; `None` at the end of the stream.
    pub(super) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Part>, Broken>> {
        loop {
            if let Some(Err(broken)) = self.ended {
                return Poll::Ready(Err(broken));
            }
            let part = match self.frames.next(&mut self.chunk) {
                Ok(part) => part,
                Err(violation) => return Poll::Ready(Err(self.break_off(violation))),
            };
            if !self.flow.spend(self.frames.take_idle()) {
                return Poll::Ready(Err(Broken::Closed));
            }
            if let Some(Part::Head(length)) = part
                && !self.count_head(length)
            {
                return Poll::Ready(Err(self.break_off(Violation::HeadTooLong)));
            }
            if part.is_some() {
                return Poll::Ready(Ok(part));
            }
            if self.ended.is_some() {
                return Poll::Ready(match self.frames.is_between() {
                    true => Ok(None),
                    false => Err(self.break_off(Violation::Cut)),
                });
            }
            // The future keeps nothing: whoever waits is known to the connection.
            match ready!(pin!(self.stream.read_chunk(PIECE, true)).poll(cx)) {
                Ok(Some(chunk)) => self.chunk = chunk.bytes,
                Ok(None) => self.ended = Some(Ok(())),
                Err(error) => self.ended = Some(Err(broken(&error))),
            }
        }
    }

    /// The next bytes of a head, as `h3` wants to have them; `None` at the end of the stream.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
        let length = match self.next.take() {
            Some(length) => length,
            None => match ready!(self.poll_part(cx))? {
                None => return Poll::Ready(Ok(None)),
                Some(Part::HeadPiece(piece)) => return Poll::Ready(Ok(Some(piece))),
                Some(Part::Head(length)) => length,
                // A body before its head, or after its trailers.
                Some(Part::Data(_)) => return Poll::Ready(Err(self.break_off(Violation::Unexpected))),
            },
        };
        let mut head = BytesMut::new();
        write_headers_head(length, &mut head);
        Poll::Ready(Ok(Some(head.freeze())))
    }

    /// Trailers of this length have begun: the next bytes of a head are theirs.
    pub(super) fn begin_trailers(&mut self, length: u64) {
        self.next = Some(length);
    }

    /// The head is whole, or not wanted any more.
    pub(super) fn forget_head(&mut self) {
        self.flow.heads.set(self.flow.heads.get() - std::mem::take(&mut self.counted));
    }

    /// Wants nothing more of what comes.
    pub(super) fn stop(&mut self, code: VarInt) {
        if self.ended.is_none() {
            self.ended = Some(Err(Broken::Closed));
            // Failing means that it has ended.
            let _ = self.stream.stop(code);
        }
    }

    fn count_head(&mut self, length: u64) -> bool {
        let heads = self.flow.heads.get() + length;
        if heads > MOST_HEADS {
            return false;
        }
        self.counted += length;
        self.flow.heads.set(heads);
        true
    }

    fn break_off(&mut self, violation: Violation) -> Broken {
        let connection = &self.flow.connection;
        let broken = match violation {
            Violation::HeadTooLong => {
                self.is_too_long = true;
                self.stop(code::EXCESSIVE_LOAD);
                Broken::HeadTooLong
            }
            Violation::Unexpected => {
                connection.close(code::FRAME_UNEXPECTED, b"a frame has no place there");
                Broken::Closed
            }
            Violation::Cut => {
                connection.close(code::FRAME, b"a stream ends within a frame");
                Broken::Closed
            }
        };
        self.ended = Some(Err(broken));
        broken
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.forget_head();
        // An answer that came before the end of the request is whole all the same (RFC 9114 §4.1).
        self.stop(code::NONE);
    }
}

/// What a client may send on its control stream.
pub(super) struct ControlWatch {
    flow: Rc<Flow>,
    frames: ControlFrames,
}

impl ControlWatch {
    pub(super) fn new(flow: Rc<Flow>) -> Self {
        Self { flow, frames: ControlFrames::default() }
    }

    /// Looks at what came. False: the client goes too far, and the connection ends.
    pub(super) fn look(&mut self, bytes: &Bytes) -> bool {
        match self.frames.look(bytes) {
            Ok(frames) => self.flow.spend(frames),
            Err(_) => {
                self.flow.connection.close(code::EXCESSIVE_LOAD, b"a control frame is too long");
                false
            }
        }
    }
}

pub(super) fn broken(error: &ReadError) -> Broken {
    match error {
        ReadError::Reset(code) => Broken::Reset(code.into_inner()),
        _ => Broken::Closed,
    }
}

/// What goes out on a stream.
pub(super) struct Outgoing {
    stream: SendStream,
    /// What the connection has not taken yet.
    pub(super) waiting: BytesMut,
    /// The end was handed over, or the stream is reset.
    is_over: bool,
}

impl Outgoing {
    pub(super) fn new(stream: SendStream) -> Self {
        Self { stream, waiting: BytesMut::new(), is_over: false }
    }

    pub(super) fn id(&self) -> u64 {
        self.stream.id().into()
    }

    /// Hands over what waits.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        while !self.waiting.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.waiting))?;
            self.waiting.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Hands over the end, after all that waited.
    pub(super) fn finish(&mut self) -> bool {
        self.is_over = true;
        self.stream.finish().is_ok()
    }

    pub(super) fn reset(&mut self, code: VarInt) {
        if !std::mem::replace(&mut self.is_over, true) {
            // Failing means that it has ended.
            let _ = self.stream.reset(code);
        }
    }

    /// Ready when the client wants nothing more, or has it all.
    pub(super) fn stopped(&self) -> impl Future<Output = Result<Option<VarInt>, StoppedError>> + 'static {
        self.stream.stopped()
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        // Otherwise it would look like a whole answer.
        self.reset(code::INTERNAL);
    }
}
