//! What `h3` runs on: the traits of its transport, over `quinn`.

use super::wire::{Broken, Flow, Outgoing, Wire};
use super::{code, wire};
use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{
    BidiStream, Connection, ConnectionErrorIncoming, OpenStreams, RecvStream, SendStream,
    StreamErrorIncoming, StreamId, WriteBuf,
};
use quinn::{ConnectionError, VarInt};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// What is read of a control stream at once, in bytes.
const CONTROL_PIECE: usize = 4 << 10;

type Waiting<T> = Option<Pin<Box<dyn Future<Output = Result<T, ConnectionError>>>>>;

/// A connection.
pub(super) struct Transport {
    flow: Rc<Flow>,
    longest_head: u64,
    accepting: Waiting<(quinn::SendStream, quinn::RecvStream)>,
    accepting_control: Waiting<quinn::RecvStream>,
    opening: Waiting<quinn::SendStream>,
}

impl Transport {
    pub(super) fn new(flow: Rc<Flow>, longest_head: u64) -> Self {
        Self { flow, longest_head, accepting: None, accepting_control: None, opening: None }
    }
}

/// Waits for what one future gives, and then for the next.
fn poll_next<T, F>(
    waiting: &mut Waiting<T>,
    cx: &mut Context<'_>,
    begin: impl FnOnce() -> F,
) -> Poll<Result<T, ConnectionErrorIncoming>>
where
    F: Future<Output = Result<T, ConnectionError>> + 'static,
{
    let future = waiting.get_or_insert_with(|| Box::pin(begin()));
    let done = ready!(future.as_mut().poll(cx));
    *waiting = None;
    Poll::Ready(done.map_err(lost))
}

impl Connection<Bytes> for Transport {
    type RecvStream = ControlReceive;
    type OpenStreams = Opener;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ControlReceive, ConnectionErrorIncoming>> {
        let connection = &self.flow.connection;
        let begin = || {
            let connection = connection.clone();
            async move { connection.accept_uni().await }
        };
        let stream = ready!(poll_next(&mut self.accepting_control, cx, begin))?;
        Poll::Ready(Ok(ControlReceive { stream, watch: wire::ControlWatch::new(self.flow.clone()) }))
    }

    fn poll_accept_bidi(&mut self, cx: &mut Context<'_>) -> Poll<Result<Stream, ConnectionErrorIncoming>> {
        loop {
            let connection = &self.flow.connection;
            let begin = || {
                let connection = connection.clone();
                async move { connection.accept_bi().await }
            };
            let (send, receive) = ready!(poll_next(&mut self.accepting, cx, begin))?;
            let wire = Wire::new(&self.flow, send, receive, self.longest_head);
            if wire.id >= self.flow.refused_from.get() {
                wire.reset(code::REQUEST_REJECTED);
                continue;
            }
            self.flow.last.set(Some(wire.id));
            *self.flow.newest.borrow_mut() = Some(wire.clone());
            return Poll::Ready(Ok(Stream(wire)));
        }
    }

    fn opener(&self) -> Opener {
        Opener(self.flow.clone())
    }
}

impl OpenStreams<Bytes> for Transport {
    type BidiStream = Stream;
    type SendStream = ControlSend;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Stream, StreamErrorIncoming>> {
        Poll::Ready(Err(never_opened()))
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<ControlSend, StreamErrorIncoming>> {
        let connection = &self.flow.connection;
        let begin = || {
            let connection = connection.clone();
            async move { connection.open_uni().await }
        };
        let opened = ready!(poll_next(&mut self.opening, cx, begin));
        let stream = opened
            .map_err(|connection_error| StreamErrorIncoming::ConnectionErrorIncoming { connection_error })?;
        Poll::Ready(Ok(ControlSend(Outgoing::new(stream))))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        close(&self.flow, code, reason);
    }
}

/// Asked for by `h3`'s traits; a server opens no streams of requests.
pub(super) struct Opener(Rc<Flow>);

impl OpenStreams<Bytes> for Opener {
    type BidiStream = Stream;
    type SendStream = ControlSend;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Stream, StreamErrorIncoming>> {
        Poll::Ready(Err(never_opened()))
    }

    fn poll_open_send(&mut self, _: &mut Context<'_>) -> Poll<Result<ControlSend, StreamErrorIncoming>> {
        Poll::Ready(Err(never_opened()))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        close(&self.0, code, reason);
    }
}

fn close(flow: &Flow, why: Code, reason: &[u8]) {
    flow.connection.close(VarInt::from_u64(why.value()).unwrap_or(code::INTERNAL), reason);
}

fn never_opened() -> StreamErrorIncoming {
    let connection_error =
        ConnectionErrorIncoming::InternalError("a server opens no streams of requests".to_owned());
    StreamErrorIncoming::ConnectionErrorIncoming { connection_error }
}

fn lost(error: ConnectionError) -> ConnectionErrorIncoming {
    match error {
        ConnectionError::ApplicationClosed(close) => {
            ConnectionErrorIncoming::ApplicationClose { error_code: close.error_code.into_inner() }
        }
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        error => ConnectionErrorIncoming::Undefined(Arc::new(error)),
    }
}

fn unreadable(broken: Broken) -> StreamErrorIncoming {
    match broken {
        Broken::Reset(error_code) => StreamErrorIncoming::StreamTerminated { error_code },
        Broken::HeadTooLong => {
            StreamErrorIncoming::StreamTerminated { error_code: code::EXCESSIVE_LOAD.into_inner() }
        }
        Broken::Closed => StreamErrorIncoming::ConnectionErrorIncoming {
            connection_error: ConnectionErrorIncoming::Undefined(Arc::new(ConnectionError::LocallyClosed)),
        },
    }
}

fn unwritable(error: quinn::WriteError) -> StreamErrorIncoming {
    match error {
        quinn::WriteError::Stopped(code) => {
            StreamErrorIncoming::StreamTerminated { error_code: code.into_inner() }
        }
        quinn::WriteError::ConnectionLost(error) => {
            StreamErrorIncoming::ConnectionErrorIncoming { connection_error: lost(error) }
        }
        error => StreamErrorIncoming::Unknown(Box::new(error)),
    }
}

fn stream_id(id: u64) -> StreamId {
    id.try_into().expect("quinn's numbers of streams are of 62 bits")
}

/// Queues what `h3` wants to send.
fn queue<T: Into<WriteBuf<Bytes>>>(outgoing: &mut Outgoing, data: T) {
    let mut data: WriteBuf<Bytes> = data.into();
    while data.has_remaining() {
        let chunk = data.chunk();
        outgoing.waiting.extend_from_slice(chunk);
        let length = chunk.len();
        data.advance(length);
    }
}

/// A stream of a request, and each of its halves.
pub(super) struct Stream(Rc<Wire>);

impl BidiStream<Bytes> for Stream {
    type SendStream = Self;
    type RecvStream = Self;

    fn split(self) -> (Self, Self) {
        (Self(self.0.clone()), self)
    }
}

impl RecvStream for Stream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.0.incoming.borrow_mut().poll_head(cx).map_err(unreadable)
    }

    fn stop_sending(&mut self, error_code: u64) {
        let code = VarInt::from_u64(error_code).unwrap_or(code::INTERNAL);
        self.0.incoming.borrow_mut().stop(code);
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.0.id)
    }
}

impl SendStream<Bytes> for Stream {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.0.outgoing.borrow_mut().poll_flush(cx).map_err(unwritable)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        queue(&mut self.0.outgoing.borrow_mut(), data);
        Ok(())
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        let mut outgoing = self.0.outgoing.borrow_mut();
        ready!(outgoing.poll_flush(cx)).map_err(unwritable)?;
        outgoing.finish();
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self, reset_code: u64) {
        let code = VarInt::from_u64(reset_code).unwrap_or(code::INTERNAL);
        self.0.outgoing.borrow_mut().reset(code);
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.0.id)
    }
}

/// A control stream of ours.
pub(super) struct ControlSend(Outgoing);

impl SendStream<Bytes> for ControlSend {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.0.poll_flush(cx).map_err(unwritable)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        queue(&mut self.0, data);
        Ok(())
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        ready!(self.0.poll_flush(cx)).map_err(unwritable)?;
        self.0.finish();
        Poll::Ready(Ok(()))
    }

    fn reset(&mut self, reset_code: u64) {
        self.0.reset(VarInt::from_u64(reset_code).unwrap_or(code::INTERNAL));
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.0.id())
    }
}

/// A control stream of the client's.
pub(super) struct ControlReceive {
    stream: quinn::RecvStream,
    watch: wire::ControlWatch,
}

impl RecvStream for ControlReceive {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        match ready!(pin!(self.stream.read_chunk(CONTROL_PIECE, true)).poll(cx)) {
            Ok(None) => Poll::Ready(Ok(None)),
            Ok(Some(chunk)) => Poll::Ready(match self.watch.look(&chunk.bytes) {
                true => Ok(Some(chunk.bytes)),
                false => Err(unreadable(Broken::Closed)),
            }),
            Err(error) => Poll::Ready(Err(unreadable(wire::broken(&error)))),
        }
    }

    fn stop_sending(&mut self, error_code: u64) {
        // Failing means that it has ended.
        let _ = self.stream.stop(VarInt::from_u64(error_code).unwrap_or(code::INTERNAL));
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.stream.id().into())
    }
}
