//! A client's side of an exchange over HTTP/2: one stream.

use super::body::{Http2Sink, Http2Source};
use super::head;
use super::heads::HeadQueue;
use super::queue::{Piece, Total};
use crate::body::Source;
use crate::exchange::{Closed, Downstream};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use irongate_message::{BodyLength, HeadLimits, RequestHead, ResponseHead};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A client's stream during its exchange.
pub(super) struct Http2Downstream {
    source: Http2Source,
    sink: Http2Sink,
    respond: SendResponse<Piece>,
    /// The final head was handed over.
    begun: bool,
    /// The request is a `HEAD`: its answer has no body, whatever its head says.
    is_head: bool,
    /// The client waits for a 100, and none was sent.
    awaits_continue: bool,
    /// The client reset the stream, made us reset it, or is gone.
    reset: bool,
    /// What waits of the heads of all of the connection's streams.
    heads: Rc<HeadQueue>,
}

impl Http2Downstream {
    pub(super) fn new(
        body: RecvStream,
        respond: SendResponse<Piece>,
        is_head: bool,
        limits: HeadLimits,
        total: Total,
        heads: Rc<HeadQueue>,
    ) -> Self {
        let mut source = Http2Source::empty(limits);
        source.begin(body);
        let sink = Http2Sink::new(total);
        Self { source, sink, respond, begun: false, is_head, awaits_continue: false, reset: false, heads }
    }

    /// Whether the request is all there already and has no body.
    pub(super) fn is_end_of_stream(&self) -> bool {
        self.source.is_done()
    }

    /// The request with this head begins.
    pub(super) fn begin(&mut self, head: &RequestHead) {
        self.awaits_continue = head.expects_continue();
        if head.is_extended_connect() {
            self.source.hold();
        }
    }

    /// Whether the client cut the stream short.
    pub(super) fn was_reset(&self) -> bool {
        self.reset || self.source.is_broken()
    }

    /// Whether the client has done so before we began.
    pub(super) fn is_reset_already(&mut self) -> bool {
        self.poll_closed(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Ends the stream: what came is no request (RFC 9113 §8.1.1).
    pub(super) fn refuse_malformed(&mut self) {
        self.reset = true;
        self.respond.send_reset(Reason::PROTOCOL_ERROR);
    }

    /// Ends the stream: nothing was done for it, and its client may try again (RFC 9113 §8.7).
    pub(super) fn refuse_unprocessed(&mut self) {
        self.reset = true;
        self.respond.send_reset(Reason::REFUSED_STREAM);
    }
}

impl Downstream for Http2Downstream {
    type Source = Http2Source;
    type Sink = Http2Sink;

    fn source(&mut self) -> &mut Http2Source {
        &mut self.source
    }

    fn sink(&mut self) -> &mut Http2Sink {
        &mut self.sink
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        if self.reset {
            return Poll::Ready(Closed::Gone);
        }
        let reset = match self.sink.stream() {
            Some(stream) => stream.poll_reset(cx),
            None if !self.begun => self.respond.poll_reset(cx),
            None => return Poll::Pending,
        };
        if reset.is_pending() {
            return Poll::Pending;
        }
        self.reset = true;
        Poll::Ready(Closed::Gone)
    }

    fn poll_head_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.heads.poll_room(cx)
    }

    fn interim(&mut self, head: &ResponseHead) {
        if head.status() == 100 && !std::mem::take(&mut self.awaits_continue) {
            return;
        }
        if let Some(response) = head::write_response(head) {
            self.heads.add_interim(head.size());
            // Failing means that the stream is over, which the exchange will see.
            let _ = self.respond.send_informational(response);
        }
    }

    fn start(&mut self, head: &ResponseHead) {
        self.begun = true;
        self.heads.add_final(head.size());
        let ended = self.is_head || matches!(head.body(), BodyLength::Empty | BodyLength::Length(0));
        let stream =
            head::write_response(head).and_then(|response| self.respond.send_response(response, ended).ok());
        self.sink.begin(stream, ended);
    }

    fn start_tunnel(&mut self, head: &ResponseHead) {
        self.begun = true;
        self.heads.add_final(head.size());
        let stream =
            head::write_consent(head).and_then(|response| self.respond.send_response(response, false).ok());
        self.sink.begin(stream, false);
        self.source.begin_tunnel();
    }

    fn break_off(&mut self) {
        self.begun = true;
        self.respond.send_reset(Reason::INTERNAL_ERROR);
    }
}
