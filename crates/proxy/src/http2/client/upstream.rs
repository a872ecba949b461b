//! An origin's side of an exchange over HTTP/2: one stream.

use super::connection::{Sender, Slot};
use crate::exchange::{HeadFailure, Upstream, websocket};
use crate::http2::body::{Http2Sink, Http2Source};
use crate::http2::head;
use crate::http2::queue::Piece;
use h2::client::ResponseFuture;
use h2::{Reason, SendStream};
use irongate_message::{BodyLength, HeadError, HeadLimits, Method, RequestHead, ResponseHead, WEBSOCKET};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Interim answers before the final one; more than any origin has reason to send.
const INTERIM: u32 = 64;

/// An origin's stream during an exchange.
pub(crate) struct Http2Upstream {
    answer: ResponseFuture,
    source: Http2Source,
    sink: Http2Sink,
    method: Method,
    limits: HeadLimits,
    interim: u32,
    tunnel: Option<Tunnel>,
    slot: Slot,
}

/// A tunnel that was asked for.
struct Tunnel {
    /// Where it goes out, until it begins.
    stream: Option<SendStream<Piece>>,
    /// What a client over HTTP/1.1 is to see, if this is one.
    accept: Option<Vec<u8>>,
}

impl Http2Upstream {
    /// Sends a request's head.
    ///
    /// # Errors
    /// `Malformed` if the request cannot be said in HTTP/2, whatever the origin; `Refused` if the connection takes
    /// no more requests.
    pub(crate) fn begin(sender: Sender, head: &RequestHead, limits: HeadLimits) -> Result<Self, HeadFailure> {
        let request = head::write_request(head, sender.host(), sender.is_secure());
        let mut request = request.ok_or(HeadFailure::Malformed(HeadError::Target.reason()))?;
        // An origin that does not offer it gets a plain request, as RFC 9110 §7.8 allows.
        let websocket = head.is_websocket() && sender.offers_connect();
        if websocket {
            head::make_websocket(&mut request);
        }
        let ended = !websocket && matches!(head.body(), BodyLength::Empty | BodyLength::Length(0));
        let Sender { mut requests, mut slot } = sender;
        let (answer, stream) = requests.send_request(request, ended).map_err(|_| HeadFailure::Refused)?;
        slot.begin(answer.stream_id().into());
        let mut sink = Http2Sink::new(slot.total());
        let mut tunnel = None;
        if websocket {
            let key = head.websocket_key().filter(|_| !head.is_extended_connect());
            tunnel = Some(Tunnel { stream: Some(stream), accept: key.map(websocket::accept) });
            sink.hold();
        } else {
            sink.begin(Some(stream), ended);
        }
        let mut source = Http2Source::empty(limits);
        if slot.is_one_of_many() {
            source.be_one_of_many();
        }
        Ok(Self { answer, source, sink, method: head.method(), limits, interim: 0, tunnel, slot })
    }

    fn read<T>(
        &self,
        response: &http::Response<T>,
        ended: bool,
        head: &mut ResponseHead,
    ) -> Result<(), HeadFailure> {
        let read = head::read_response(response, ended, self.method, &self.limits, head);
        read.map_err(|error| HeadFailure::Malformed(error.reason()))
    }
}

impl Upstream for Http2Upstream {
    type Source = Http2Source;
    type Sink = Http2Sink;

    fn source(&mut self) -> &mut Http2Source {
        &mut self.source
    }

    fn sink(&mut self) -> &mut Http2Sink {
        &mut self.sink
    }

    fn poll_head(&mut self, cx: &mut Context<'_>, head: &mut ResponseHead) -> Poll<Result<(), HeadFailure>> {
        if let Some(interim) = ready!(self.answer.poll_informational(cx)) {
            let interim = interim.map_err(|error| failure(&error))?;
            self.interim += 1;
            self.slot.took_interim();
            if self.interim > INTERIM {
                return Poll::Ready(Err(HeadFailure::Malformed("too_many_interim_answers")));
            }
            return Poll::Ready(self.read(&interim, false, head));
        }
        let answer = ready!(Pin::new(&mut self.answer).poll(cx)).map_err(|error| failure(&error))?;
        self.read(&answer, answer.body().is_end_stream(), head)?;
        match &self.tunnel {
            Some(tunnel) if answer.status().is_success() => {
                head.set_upgrade(WEBSOCKET, tunnel.accept.as_deref());
            }
            // What would have gone out is not wanted.
            _ => self.tunnel = None,
        }
        self.source.begin(answer.into_body());
        Poll::Ready(Ok(()))
    }

    fn has_sent(&self) -> bool {
        // Handed to the connection, which does not say whether it has gone out.
        true
    }

    fn begin_tunnel(&mut self) {
        let stream = self.tunnel.as_mut().and_then(|tunnel| tunnel.stream.take());
        self.sink.begin(stream, false);
    }
}

/// What it means for a request that its stream failed before the answer's head.
fn failure(error: &h2::Error) -> HeadFailure {
    // A stream above GOAWAY's last, or one that was refused: the origin did not act on it (RFC 9113 §8.7). Streams that
    // it may have acted on end with the connection, by another error.
    let refused = error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM);
    if error.is_remote() && refused {
        HeadFailure::Refused
    } else if error.is_library() {
        HeadFailure::Malformed("http2_protocol")
    } else {
        match error.reason() {
            Some(reason) if error.is_reset() => HeadFailure::Reset(reason.into()),
            _ => HeadFailure::Closed,
        }
    }
}
