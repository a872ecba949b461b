//! A client's side of an exchange over HTTP/2: one stream.

use super::body::{Handle, Http2Sink, Http2Source};
use crate::body::BodyFailure;
use crate::exchange::{Closed, Downstream};
use irongate_message::http2::frame::ErrorCode;
use irongate_message::{BodyLength, RequestHead, ResponseHead};
use std::task::{Context, Poll};

/// A client's stream during its exchange. Dropped before the answer has ended, it resets the stream.
pub(super) struct Http2Downstream {
    source: Http2Source,
    sink: Http2Sink,
    handle: Handle,
    /// The request is a `HEAD`: its answer has no body, whatever its head says.
    is_head: bool,
    /// The client waits for a 100, and none was sent.
    awaits_continue: bool,
}

impl Http2Downstream {
    /// For a request that asks for a tunnel what comes is that one's.
    pub(super) fn new(handle: Handle, is_head: bool, asks_for_tunnel: bool) -> Self {
        Self {
            source: Http2Source::new(handle.clone(), asks_for_tunnel),
            sink: Http2Sink::new(handle.clone()),
            handle,
            is_head,
            awaits_continue: false,
        }
    }

    /// The request with this head begins.
    pub(super) fn begin(&mut self, head: &RequestHead) {
        self.awaits_continue = head.expects_continue();
    }

    /// Whether the stream is over before we began.
    pub(super) fn is_broken(&self) -> bool {
        self.handle.wire().streams[self.handle.place].broken.is_some()
    }
}

impl Drop for Http2Downstream {
    fn drop(&mut self) {
        // While a panic unwinds nothing may fail.
        if let Ok(mut wire) = self.handle.shared.wire.try_borrow_mut() {
            wire.remove(self.handle.place);
        }
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
        self.handle.poll_broken(cx).map(|()| Closed::Gone)
    }

    fn poll_head_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.handle.wire().poll_head_room(cx, self.handle.place)
    }

    fn interim(&mut self, head: &ResponseHead) {
        if head.status() == 100 && !std::mem::take(&mut self.awaits_continue) {
            return;
        }
        // Failing means that the stream is over, which the exchange will see.
        let _ = self.handle.wire().write_head(self.handle.place, head, false);
    }

    fn start(&mut self, head: &ResponseHead) {
        let ended = self.is_head || matches!(head.body(), BodyLength::Empty | BodyLength::Length(0));
        // A stream that is over takes no body either: its sink says so.
        let written = self.handle.wire().write_head(self.handle.place, head, ended);
        self.sink.begin(ended && written.is_ok());
    }

    fn start_tunnel(&mut self, head: &ResponseHead) {
        // The same here.
        let _ = self.handle.wire().write_consent(self.handle.place, head);
        self.sink.begin(false);
        self.source.begin_tunnel();
    }

    fn break_off(&mut self) {
        self.handle.wire().reset(self.handle.place, ErrorCode::INTERNAL_ERROR, BodyFailure::Closed);
    }
}
