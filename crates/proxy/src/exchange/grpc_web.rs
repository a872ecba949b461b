//! gRPC-Web before backends that speak gRPC: the request's body is decoded where it is text, and the answer's trailers
//! become the last frame of its body.
//!
//! A client's side around the client's side, so that the exchange knows nothing of it. What waits here is bounded by a
//! piece each way, and by the bound on trailers.

use super::attempt;
use super::{Closed, Downstream, Outcome, Scratch, Work};
use crate::body::{BodyFailure, Sink, Source};
use crate::connection::Client;
use crate::snapshot::PortFacts;
use crate::timer::Timer;
use irongate_config::BackendProtocol;
use irongate_message::{Fields, GrpcKind, ResponseHead, TextDecoder, TextEncoder};
use irongate_traffic::Time;
use std::task::{Context, Poll, ready};

/// The most that is decoded or encoded at once, in bytes.
const PIECE: usize = 12 << 10;

/// Whether a request is to be translated.
pub(super) fn is_for(work: &Work, scratch: &Scratch) -> bool {
    scratch.grpc.is_some_and(GrpcKind::is_web) && work.backend.protocol == BackendProtocol::Http2
}

/// As [`attempt::forward`], with the request and its answer translated.
pub(super) async fn forward<D: Downstream>(
    client: &Client,
    timer: &Timer,
    facts: &PortFacts,
    downstream: &mut D,
    scratch: &mut Scratch,
    work: &Work,
    begun: Time,
) -> Outcome {
    let asked = scratch.grpc;
    // None if a filter has made another request of it.
    scratch.grpc = scratch.request.leave_grpc_web();
    let Some(kind) = scratch.grpc else {
        return attempt::forward(client, timer, facts, downstream, scratch, work, begun).await;
    };
    let mut web = Web {
        inner: downstream,
        kind,
        decoder: (asked == Some(GrpcKind::WebText)).then(TextDecoder::default),
        request: Waiting::default(),
        ended: false,
        answer: Answer::default(),
    };
    attempt::forward(client, timer, facts, &mut web, scratch, work, begun).await
}

/// The client's side.
struct Web<'a, D> {
    inner: &'a mut D,
    /// The form of the answer.
    kind: GrpcKind,
    /// Where the request's body is text.
    decoder: Option<TextDecoder>,
    /// What of the request's body was taken from the client's stream.
    request: Waiting,
    /// All of it was.
    ended: bool,
    answer: Answer,
}

/// The answer on its way.
#[derive(Default)]
struct Answer {
    /// It is one of gRPC: an error page, say, goes on as it is.
    is_grpc: bool,
    encoder: TextEncoder,
    waiting: Waiting,
    /// The trailers are among what waits.
    ended: bool,
}

/// Bytes that wait, the first of them gone already.
#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    gone: usize,
}

impl Waiting {
    fn left(&self) -> &[u8] {
        &self.bytes[self.gone..]
    }

    fn consume(&mut self, length: usize) {
        self.gone += length;
        if self.gone >= self.bytes.len() {
            self.bytes.clear();
            self.gone = 0;
        }
    }
}

impl<D: Downstream> Web<'_, D> {
    fn is_text(&self) -> bool {
        self.answer.is_grpc && self.kind == GrpcKind::WebText
    }

    /// Hands over what waits of the answer.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        let waiting = &mut self.answer.waiting;
        while !waiting.left().is_empty() {
            let taken = ready!(self.inner.sink().poll_write(cx, waiting.left()))?;
            waiting.consume(taken);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what has come of the request's body, as much as fits.
    fn take(&mut self) -> Result<(), BodyFailure> {
        let source = self.inner.source();
        let data = source.data();
        let length = data.len().min(PIECE);
        let piece = &data[..length];
        match &mut self.decoder {
            Some(decoder) => decoder
                .decode(piece, &mut self.request.bytes)
                .map_err(|_| BodyFailure::Malformed("grpc_web_base64"))?,
            None => self.request.bytes.extend_from_slice(piece),
        }
        source.consume(length);
        Ok(())
    }
}

impl<D: Downstream> Downstream for Web<'_, D> {
    type Source = Self;
    type Sink = Self;

    fn source(&mut self) -> &mut Self {
        self
    }

    fn sink(&mut self) -> &mut Self {
        self
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        self.inner.poll_closed(cx)
    }

    fn end_after(&mut self) {
        self.inner.end_after();
    }

    fn end_after_long_body(&mut self) {
        self.inner.end_after_long_body();
    }

    fn poll_head_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.poll_head_room(cx)
    }

    fn adapt(&mut self, head: &mut ResponseHead) {
        self.answer.is_grpc = head.enter_grpc_web(self.kind);
        self.inner.adapt(head);
    }

    fn interim(&mut self, head: &ResponseHead) {
        self.inner.interim(head);
    }

    fn start(&mut self, head: &ResponseHead) {
        self.inner.start(head);
    }

    fn start_tunnel(&mut self, head: &ResponseHead) {
        self.inner.start_tunnel(head);
    }

    fn break_off(&mut self) {
        self.inner.break_off();
    }
}

impl<D: Downstream> Source for Web<'_, D> {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, BodyFailure>> {
        while self.request.left().is_empty() {
            if !ready!(self.inner.source().poll_fill(cx))? {
                let whole = self.decoder.as_ref().is_none_or(TextDecoder::is_whole);
                self.ended = true;
                return Poll::Ready(if whole {
                    Ok(false)
                } else {
                    Err(BodyFailure::Malformed("grpc_web_base64"))
                });
            }
            self.take()?;
        }
        Poll::Ready(Ok(true))
    }

    fn data(&self) -> &[u8] {
        self.request.left()
    }

    fn rest(&mut self, cx: &mut Context<'_>) {
        self.inner.source().rest(cx);
    }

    fn consume(&mut self, length: usize) {
        self.request.consume(length);
    }

    fn take_trailers(&mut self) -> Option<Fields> {
        self.inner.source().take_trailers()
    }

    fn is_done(&self) -> bool {
        self.ended && self.request.left().is_empty()
    }
}

impl<D: Downstream> Sink for Web<'_, D> {
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyFailure>> {
        if !self.is_text() {
            return self.inner.sink().poll_write(cx, data);
        }
        ready!(self.poll_waiting(cx))?;
        let taken = data.len().min(PIECE);
        let Answer { encoder, waiting, .. } = &mut self.answer;
        encoder.encode(&data[..taken], &mut waiting.bytes);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        if self.is_text() {
            let Answer { encoder, waiting, .. } = &mut self.answer;
            // The client is to see all of a message that has come.
            encoder.flush(&mut waiting.bytes);
            ready!(self.poll_waiting(cx))?;
        }
        self.inner.sink().poll_flush(cx)
    }

    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), BodyFailure>> {
        if !self.answer.is_grpc {
            return self.inner.sink().poll_finish(cx, trailers);
        }
        let is_text = self.is_text();
        let Answer { encoder, waiting, ended, .. } = &mut self.answer;
        if !std::mem::replace(ended, true) {
            let mut frame = Vec::new();
            if let Some(trailers) = trailers {
                trailers.write_grpc_web(&mut frame);
            }
            if is_text {
                encoder.encode(&frame, &mut waiting.bytes);
                encoder.flush(&mut waiting.bytes);
            } else {
                waiting.bytes.extend_from_slice(&frame);
            }
        }
        ready!(self.poll_waiting(cx))?;
        self.inner.sink().poll_finish(cx, None)
    }
}
