//! Bodies between us and origins over HTTP/2.

use super::gathered::Gathered;
use super::head;
use super::queue::{Piece, Queue, Total};
use crate::body::{BodyFailure, Sink, Source};
use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use irongate_message::{Fields, HeadLimits};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// The most that is handed to the crate in one piece, so that room comes back piece by piece.
const PIECE: usize = 32 << 10;

/// A body that comes on a stream. What is consumed, and only that, the peer may send anew.
pub(crate) struct Http2Source {
    stream: Option<RecvStream>,
    /// What has come and was not consumed.
    data: Bytes,
    /// What has come behind it while it could not go on.
    gathered: Option<Box<Gathered>>,
    trailers: Option<Fields>,
    limits: HeadLimits,
    ended: bool,
    /// Many streams of one client have such bodies at once.
    is_one_of_many: bool,
}

impl Http2Source {
    /// No body; one may follow by [`Http2Source::begin`].
    pub(super) fn empty(limits: HeadLimits) -> Self {
        Self {
            stream: None,
            data: Bytes::new(),
            gathered: None,
            trailers: None,
            limits,
            ended: true,
            is_one_of_many: false,
        }
    }

    /// The body comes on this stream.
    pub(super) fn begin(&mut self, stream: RecvStream) {
        self.ended = stream.is_end_stream();
        self.stream = Some(stream);
    }

    /// Many streams of one client have such bodies at once: what waits of them is kept as small as it can be.
    pub(super) fn be_one_of_many(&mut self) {
        self.is_one_of_many = true;
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        let trailers = ready!(stream.poll_trailers(cx)).map_err(|error| failure(&error))?;
        if let Some(trailers) = trailers {
            let trailers = Fields::from_trailers(head::fields(&trailers), &self.limits);
            self.trailers = trailers.map_err(|error| BodyFailure::Malformed(error.reason()))?;
        }
        self.ended = true;
        Poll::Ready(Ok(()))
    }
}

/// What it means for a body that its stream failed.
fn failure(error: &h2::Error) -> BodyFailure {
    // The crate itself found the peer at fault: a body that is not as long as was announced, for one.
    match error.reason() {
        _ if error.is_library() => BodyFailure::Malformed("http2_protocol"),
        Some(reason) if error.is_reset() => BodyFailure::Reset(reason.into()),
        _ => BodyFailure::Closed,
    }
}

impl Source for Http2Source {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, BodyFailure>> {
        loop {
            if !self.data.is_empty() {
                return Poll::Ready(Ok(true));
            }
            if let Some(gathered) = &mut self.gathered {
                match gathered.pop() {
                    Some(data) => self.data = data,
                    None => self.gathered = None,
                }
                continue;
            }
            if self.ended {
                return Poll::Ready(Ok(false));
            }
            let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(false)) };
            match ready!(stream.poll_data(cx)) {
                Some(Ok(data)) => self.data = data,
                Some(Err(error)) => return Poll::Ready(Err(failure(&error))),
                None => ready!(self.poll_end(cx))?,
            }
        }
    }

    fn data(&self) -> &[u8] {
        &self.data
    }

    fn rest(&mut self, cx: &mut Context<'_>) {
        let Some(stream) = &mut self.stream else { return };
        let gathered = self.gathered.get_or_insert_with(|| {
            let gathered = Box::new(Gathered::new(self.is_one_of_many));
            if gathered.copies(&self.data) {
                self.data = Bytes::copy_from_slice(&self.data);
            }
            gathered
        });
        if self.ended {
            return;
        }
        // The end, or a failure, shows again when all this has gone on.
        while let Poll::Ready(Some(Ok(piece))) = stream.poll_data(cx) {
            gathered.push(piece);
        }
    }

    fn consume(&mut self, length: usize) {
        self.data.advance(length);
        if let Some(stream) = &mut self.stream {
            // Failing means that the stream is over: nobody waits for the room.
            let _ = stream.flow_control().release_capacity(length);
        }
    }

    fn take_trailers(&mut self) -> Option<Fields> {
        self.trailers.take()
    }

    fn is_done(&self) -> bool {
        self.data.is_empty() && self.ended
    }
}

/// A body that goes out on a stream.
///
/// The last piece is kept back until more follows, so that the end of a body needs no frame of its own. Bytes are
/// handed to the crate only as far as both windows have room: what it holds is never waiting for anything but
/// the socket.
pub(crate) struct Http2Sink {
    state: SinkState,
    queue: Rc<Queue>,
    /// The piece that is kept back; the windows have room for it.
    held: Option<Piece>,
}

enum SinkState {
    /// The head that the body follows was not handed over yet.
    Waiting,
    /// There is no stream to send on: it failed before the body began.
    Failed,
    /// A body goes out.
    Open(SendStream<Piece>),
    /// The end was handed over.
    Ended,
}

impl Http2Sink {
    /// No body goes out yet. `total` is the connection's.
    pub(super) fn new(total: Total) -> Self {
        Self { state: SinkState::Waiting, queue: Queue::new(total), held: None }
    }

    /// A body goes out on this stream; `ended`: its head said that there is none. `None`: the stream is gone.
    pub(super) fn begin(&mut self, stream: Option<SendStream<Piece>>, ended: bool) {
        self.state = match stream {
            Some(_) if ended => SinkState::Ended,
            Some(stream) => SinkState::Open(stream),
            None => SinkState::Failed,
        };
    }

    /// Nothing goes out before a tunnel begins.
    pub(super) fn hold(&mut self) {
        self.state = SinkState::Ended;
    }

    /// Hands over what was kept back. False: the stream is gone.
    fn send_held(&mut self) -> bool {
        let SinkState::Open(stream) = &mut self.state else { return false };
        self.held.take().is_none_or(|held| stream.send_data(held, false).is_ok())
    }

    fn end(&mut self, trailers: Option<&Fields>) -> bool {
        let trailers = trailers.and_then(head::trailers);
        if trailers.is_some() && !self.send_held() {
            return false;
        }
        let SinkState::Open(stream) = &mut self.state else { return false };
        let ended = match trailers {
            Some(trailers) => stream.send_trailers(trailers),
            None => {
                let last = self.held.take().unwrap_or_else(|| Piece::new(Bytes::new(), &self.queue));
                stream.send_data(last, true)
            }
        };
        self.state = SinkState::Ended;
        ended.is_ok()
    }
}

impl Sink for Http2Sink {
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyFailure>> {
        if matches!(self.state, SinkState::Ended) {
            return Poll::Ready(Ok(data.len()));
        }
        if !self.send_held() {
            return Poll::Ready(Err(BodyFailure::Closed));
        }
        let SinkState::Open(stream) = &mut self.state else { return Poll::Ready(Err(BodyFailure::Closed)) };
        let wanted = ready!(self.queue.poll_room(cx)).min(data.len()).min(PIECE);
        let mut room = stream.capacity();
        if room < wanted {
            stream.reserve_capacity(wanted);
            room = stream.capacity();
        }
        if room == 0 {
            room = match ready!(stream.poll_capacity(cx)) {
                Some(Ok(room)) => room,
                Some(Err(_)) | None => return Poll::Ready(Err(BodyFailure::Closed)),
            };
        }
        let taken = room.min(wanted);
        self.held = Some(Piece::new(Bytes::copy_from_slice(&data[..taken]), &self.queue));
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        // The connection's task does the sending; its patience is bounded too.
        let sent = matches!(self.state, SinkState::Waiting | SinkState::Ended) || self.send_held();
        Poll::Ready(if sent { Ok(()) } else { Err(BodyFailure::Closed) })
    }

    fn poll_finish(
        &mut self,
        _: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), BodyFailure>> {
        let ended = matches!(self.state, SinkState::Ended) || self.end(trailers);
        Poll::Ready(if ended { Ok(()) } else { Err(BodyFailure::Closed) })
    }
}
