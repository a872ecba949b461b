//! Bodies over HTTP/3.

use super::frames::{Part, write_data_head};
use super::transport::Stream;
use super::wire::{Flow, Wire};
use crate::body::{BodyFailure, Sink, Source};
use crate::http2::head;
use bytes::{Buf, Bytes};
use h3::error::StreamError;
use h3::server::RequestStream;
use irongate_message::{BodyLength, Fields, HeadLimits};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

/// The most that a frame of a body holds, in bytes, and so what waits of one for the connection's window.
const PIECE: usize = 16 << 10;
/// And the most where much waits already, on all streams of the connection.
const SMALL_PIECE: usize = 2 << 10;
const MUCH: usize = 128 << 10;

/// What `h3` sees of a request's stream.
pub(super) type Half = RequestStream<Stream, Bytes>;

/// What a future gives that has nothing to wait for; `None` if it waits all the same.
pub(super) fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A request's body. What was read, and only that, the client may send anew.
pub(super) struct Http3Source {
    wire: Rc<Wire>,
    half: Half,
    limits: HeadLimits,
    /// What has come and was not consumed.
    data: Bytes,
    /// How much is still to come, where the head says it.
    left: Option<u64>,
    trailers: Option<Fields>,
    state: SourceState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SourceState {
    Body,
    Trailers,
    Ended,
    Broken(BodyFailure),
}

impl Http3Source {
    pub(super) fn new(wire: Rc<Wire>, half: Half, limits: HeadLimits) -> Self {
        let state = SourceState::Body;
        Self { wire, half, limits, data: Bytes::new(), left: None, trailers: None, state }
    }

    /// Whether the request is all there already and has no body.
    pub(super) fn is_empty(&mut self) -> bool {
        let filled = self.poll_fill(&mut Context::from_waker(Waker::noop()));
        matches!(filled, Poll::Ready(Ok(false))) && self.trailers.is_none()
    }

    /// The head says that the body is so long. False: more has come already.
    pub(super) fn expect(&mut self, length: BodyLength) -> bool {
        let BodyLength::Length(length) = length else { return true };
        self.left = length.checked_sub(self.data.len() as u64);
        self.left.is_some()
    }

    /// Whether the client broke the body off.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.state, SourceState::Broken(_))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        if self.state == SourceState::Trailers {
            return self.poll_trailers(cx);
        }
        let part = ready!(self.wire.incoming.borrow_mut().poll_part(cx))?;
        match part {
            Some(Part::Data(data)) => {
                if let Some(left) = &mut self.left {
                    *left =
                        left.checked_sub(data.len() as u64).ok_or(BodyFailure::Malformed("body_too_long"))?;
                }
                self.data = data;
            }
            Some(Part::Head(length)) => {
                self.wire.incoming.borrow_mut().begin_trailers(length);
                self.state = SourceState::Trailers;
            }
            // Nothing of a head comes before its beginning.
            Some(Part::HeadPiece(_)) => {}
            None => self.end()?,
        }
        Poll::Ready(Ok(()))
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        let trailers = ready!(self.half.poll_recv_trailers(cx)).map_err(|error| failure(&error))?;
        self.wire.incoming.borrow_mut().forget_head();
        if let Some(trailers) = trailers {
            let trailers = Fields::from_trailers(head::fields(&trailers), &self.limits);
            self.trailers = trailers.map_err(|error| BodyFailure::Malformed(error.reason()))?;
        }
        Poll::Ready(self.end())
    }

    fn end(&mut self) -> Result<(), BodyFailure> {
        // A body that is shorter than its head says (RFC 9114 §4.1.2).
        if self.left.is_some_and(|left| left > 0) {
            return Err(BodyFailure::Malformed("body_too_short"));
        }
        self.state = SourceState::Ended;
        Ok(())
    }
}

/// What it means for a body that its trailers could not be read.
fn failure(error: &StreamError) -> BodyFailure {
    match error {
        StreamError::RemoteTerminate { code, .. } => {
            BodyFailure::Reset(u32::try_from(code.value()).unwrap_or(u32::MAX))
        }
        StreamError::StreamError { .. } => BodyFailure::Malformed("trailers_malformed"),
        StreamError::HeaderTooBig { .. } => BodyFailure::Malformed("trailers_too_large"),
        _ => BodyFailure::Closed,
    }
}

impl Source for Http3Source {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, BodyFailure>> {
        loop {
            if !self.data.is_empty() {
                return Poll::Ready(Ok(true));
            }
            match self.state {
                SourceState::Ended => return Poll::Ready(Ok(false)),
                SourceState::Broken(failure) => return Poll::Ready(Err(failure)),
                SourceState::Body | SourceState::Trailers => {}
            }
            if let Err(failure) = ready!(self.poll_next(cx)) {
                self.state = SourceState::Broken(failure);
            }
        }
    }

    fn data(&self) -> &[u8] {
        &self.data
    }

    fn consume(&mut self, length: usize) {
        self.data.advance(length);
    }

    fn take_trailers(&mut self) -> Option<Fields> {
        self.trailers.take()
    }

    fn is_done(&self) -> bool {
        self.data.is_empty() && self.state == SourceState::Ended
    }
}

/// An answer's body.
pub(super) struct Http3Sink {
    wire: Rc<Wire>,
    half: Half,
    flow: Rc<Flow>,
    /// What of the connection's waiting bytes is this stream's.
    counted: usize,
    state: SinkState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SinkState {
    /// The head that the body follows was not handed over yet.
    Waiting,
    /// The stream failed before the body began.
    Failed,
    /// A body goes out.
    Open,
    /// The answer has no body, whatever is written.
    Empty,
    /// The trailers are on their way; only the end follows.
    Ending,
    /// The end was handed over.
    Ended,
}

impl Http3Sink {
    pub(super) fn new(wire: Rc<Wire>, half: Half, flow: Rc<Flow>) -> Self {
        Self { wire, half, flow, counted: 0, state: SinkState::Waiting }
    }

    /// Queues a head. False: it cannot be sent.
    pub(super) fn send_head(&mut self, response: http::Response<()>) -> bool {
        // It waits for nothing but room, and what has none stays queued.
        !matches!(at_once(self.half.send_response(response)), Some(Err(_)))
    }

    /// The final head was queued, or could not be; `empty`: no body follows.
    pub(super) fn begin(&mut self, is_sent: bool, empty: bool) {
        self.state = match (is_sent, empty) {
            (false, _) => SinkState::Failed,
            (true, true) => SinkState::Empty,
            (true, false) => SinkState::Open,
        };
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        let mut outgoing = self.wire.outgoing.borrow_mut();
        let sent = outgoing.poll_flush(cx);
        let waiting = outgoing.waiting.len();
        drop(outgoing);
        self.count(waiting);
        sent.map_err(|_| BodyFailure::Closed)
    }

    /// So many bytes wait here now.
    fn count(&mut self, waiting: usize) {
        self.flow.queued.set(self.flow.queued.get() - self.counted + waiting);
        self.counted = waiting;
    }
}

impl Drop for Http3Sink {
    fn drop(&mut self) {
        self.count(0);
    }
}

impl Sink for Http3Sink {
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyFailure>> {
        match self.state {
            SinkState::Empty | SinkState::Ending | SinkState::Ended => return Poll::Ready(Ok(data.len())),
            SinkState::Waiting | SinkState::Failed => return Poll::Ready(Err(BodyFailure::Closed)),
            SinkState::Open => {}
        }
        ready!(self.poll_sent(cx))?;
        let most = if self.flow.queued.get() < MUCH { PIECE } else { SMALL_PIECE };
        let piece = &data[..data.len().min(most)];
        {
            let waiting = &mut self.wire.outgoing.borrow_mut().waiting;
            write_data_head(piece.len(), waiting);
            waiting.extend_from_slice(piece);
        }
        // As far as there is room; the rest waits here.
        match self.poll_sent(cx) {
            Poll::Ready(Err(failure)) => Poll::Ready(Err(failure)),
            _ => Poll::Ready(Ok(piece.len())),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        match self.state {
            SinkState::Failed => Poll::Ready(Err(BodyFailure::Closed)),
            SinkState::Ended => Poll::Ready(Ok(())),
            _ => self.poll_sent(cx),
        }
    }

    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), BodyFailure>> {
        match self.state {
            SinkState::Ended => return Poll::Ready(Ok(())),
            SinkState::Waiting | SinkState::Failed => return Poll::Ready(Err(BodyFailure::Closed)),
            SinkState::Open => {
                if let Some(trailers) = trailers.and_then(head::trailers)
                    && let Some(Err(_)) = at_once(self.half.send_trailers(trailers))
                {
                    return Poll::Ready(Err(BodyFailure::Closed));
                }
                self.state = SinkState::Ending;
            }
            SinkState::Empty | SinkState::Ending => {}
        }
        ready!(self.poll_sent(cx))?;
        self.state = SinkState::Ended;
        let ended = self.wire.outgoing.borrow_mut().finish();
        Poll::Ready(if ended { Ok(()) } else { Err(BodyFailure::Closed) })
    }
}
