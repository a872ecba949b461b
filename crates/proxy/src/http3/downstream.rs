//! A client's side of an exchange over HTTP/3: one stream.

use super::body::{Half, Http3Sink, Http3Source};
use super::code;
use super::wire::{Flow, Wire};
use crate::exchange::{Closed, Downstream};
use crate::http2::head;
use irongate_message::{BodyLength, HeadLimits, RequestHead, ResponseHead};
use quinn::{StoppedError, VarInt};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A client's stream during its exchange.
pub(super) struct Http3Downstream {
    wire: Rc<Wire>,
    source: Http3Source,
    sink: Http3Sink,
    /// The request is a `HEAD`: its answer has no body, whatever its head says.
    is_head: bool,
    /// The client waits for a 100, and none was sent.
    awaits_continue: bool,
    /// The client wants no answer any more, made us end the stream, or is gone.
    reset: bool,
    /// Tells that; made when it is first asked for.
    stopped: Option<Pin<Box<Stopped>>>,
}

type Stopped = dyn Future<Output = Result<Option<VarInt>, StoppedError>>;

impl Http3Downstream {
    /// `half`: what `h3` sees of the stream's two directions, as they come and as they go.
    pub(super) fn new(
        flow: Rc<Flow>,
        wire: Rc<Wire>,
        (send, receive): (Half, Half),
        is_head: bool,
        limits: HeadLimits,
    ) -> Self {
        Self {
            source: Http3Source::new(wire.clone(), receive, limits),
            sink: Http3Sink::new(wire.clone(), send, flow),
            wire,
            is_head,
            awaits_continue: false,
            reset: false,
            stopped: None,
        }
    }

    /// Whether the request is all there already and has no body.
    pub(super) fn is_end_of_stream(&mut self) -> bool {
        self.source.is_empty()
    }

    /// The request with this head begins. False: its body is not what it says.
    pub(super) fn begin(&mut self, head: &RequestHead) -> bool {
        self.awaits_continue = head.expects_continue();
        self.source.expect(head.body())
    }

    /// Whether the client cut the stream short.
    pub(super) fn was_reset(&self) -> bool {
        self.reset || self.source.is_broken()
    }

    /// Ends the stream: what came is no request (RFC 9114 §4.1.2).
    pub(super) fn refuse_malformed(&mut self) {
        self.reset = true;
        self.wire.reset(code::MESSAGE);
    }

    /// Ends the stream: nothing was done for it, and its client may try again (RFC 9114 §4.1.1).
    pub(super) fn refuse_unprocessed(&mut self) {
        self.reset = true;
        self.wire.reset(code::REQUEST_REJECTED);
    }
}

impl Downstream for Http3Downstream {
    type Source = Http3Source;
    type Sink = Http3Sink;

    fn source(&mut self) -> &mut Http3Source {
        &mut self.source
    }

    fn sink(&mut self) -> &mut Http3Sink {
        &mut self.sink
    }

    fn is_hurried(&self) -> bool {
        true
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        if self.reset {
            return Poll::Ready(Closed::Gone);
        }
        let wire = &self.wire;
        let stopped = self.stopped.get_or_insert_with(|| Box::pin(wire.outgoing.borrow().stopped()));
        if stopped.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.reset = true;
        Poll::Ready(Closed::Gone)
    }

    fn poll_head_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Failing means that the stream is over, which the exchange will see.
        self.wire.outgoing.borrow_mut().poll_flush(cx).map(|_| ())
    }

    fn interim(&mut self, head: &ResponseHead) {
        if head.status() == 100 && !std::mem::take(&mut self.awaits_continue) {
            return;
        }
        if let Some(response) = head::write_response(head) {
            // The same here.
            let _ = self.sink.send_head(response);
        }
    }

    fn start(&mut self, head: &ResponseHead) {
        let is_empty = self.is_head || matches!(head.body(), BodyLength::Empty | BodyLength::Length(0));
        let is_sent = head::write_response(head).is_some_and(|response| self.sink.send_head(response));
        self.sink.begin(is_sent, is_empty);
    }

    fn start_tunnel(&mut self, _: &ResponseHead) {
        // Nobody could have asked for one.
        self.break_off();
    }

    fn break_off(&mut self) {
        self.wire.reset(code::INTERNAL);
    }
}
