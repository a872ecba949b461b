//! A client's connection over HTTP/2: its task, and a task a stream.

use super::STREAM_WINDOW;
use super::downstream::Http2Downstream;
use super::head;
use super::heads::HeadQueue;
use super::queue::{MOST_OF_STREAM, Piece, Total};
use super::resets::Resets;
use super::stream::Stream;
use super::watch::Watch;
use crate::connection::Client;
use crate::exchange;
use crate::failure::Failure;
use crate::share::NoRoom;
use crate::snapshot::PortFacts;
use crate::timer::Timer;
use crate::transport::Transport;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use irongate_config::Limits;
use irongate_telemetry::{Panicked, Reason as RefusalReason};
use irongate_traffic::Time;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// How much of its requests' bodies a client may send ahead on all streams together.
const CONNECTION_WINDOW: u32 = 512 << 10;
/// The crate counts 256 bytes less its length for each DATA frame that is shorter and was not taken yet.
const DATA_FRAMES: usize = 512 << 10;
/// After so long without a stream a connection gives back its memory.
const QUIET: Duration = Duration::from_secs(1);
/// How long a client that was told to go may take to say that it has heard.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long, and how much in bytes, a client's last frames are read so that it gets to read ours.
const LINGER: Duration = Duration::from_secs(1);
const LINGERED: usize = 256 << 10;

/// Serves a client that speaks HTTP/2; `start` is what it sent so far, with the preface.
pub(crate) async fn serve(
    mut client: Client,
    facts: Arc<PortFacts>,
    transport: Rc<Transport>,
    start: Vec<u8>,
) {
    client.share = Some(Rc::default());
    let core = client.core.clone();
    let timer = core.timers.timer();
    let stream = Stream::new(core.clone(), transport.clone(), start, Some(Watch::new(core.now())));
    let deadline = core.now().after(facts.options.timeouts.head);
    let mut handshake = pin!(builder(&facts.options.limits).handshake(stream.clone()));
    let handshake = timer.within(deadline, |cx| {
        let polled = handshake.as_mut().poll(cx);
        let _ = stream.poll_end_turn(cx)?;
        polled.map_err(|error| error.into_io().unwrap_or_else(|| std::io::ErrorKind::InvalidData.into()))
    });
    let Ok(Ok(connection)) = handshake.await else {
        client.metrics.refused(RefusalReason::new("http2_preface"));
        return;
    };
    let mut server = Server::new(client, facts, connection, stream);
    poll_fn(|cx| server.poll(cx, &timer)).await;
    let at_odds = server.at_odds;
    // Streams still at work learn from this that the client is gone.
    drop(server);
    if at_odds {
        linger(&transport, &timer, core.now().after(LINGER)).await;
    }
}

fn builder(limits: &Limits) -> Builder {
    let streams = limits.streams.max(1);
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(streams)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        // WebSocket over streams (RFC 8441).
        .enable_connect_protocol()
        .max_send_buffer_size(MOST_OF_STREAM)
        // What small DATA frames cost beyond their bytes; see `gathered` for what they cost when they have been looked at.
        .data_frame_budget(DATA_FRAMES)
        // Streams that we reset, remembered for frames that were under way.
        .max_concurrent_reset_streams(100)
        // Streams that were reset before we had looked at them, and resets that the client's errors cause.
        .max_pending_accept_reset_streams(streams as usize)
        .max_local_error_reset_streams(Some(1000));
    builder
}

/// What the tasks of a connection's streams share.
struct Shared {
    client: Client,
    facts: Arc<PortFacts>,
    resets: RefCell<Resets>,
    total: Total,
    heads: Rc<HeadQueue>,
}

/// A connection, as its task sees it.
struct Server {
    shared: Rc<Shared>,
    connection: Connection<Stream, Piece>,
    stream: Stream,
    /// When a stream was last seen open.
    active: Time,
    /// A stream has been opened.
    used: bool,
    /// The client was told to open no more streams, at this time.
    leaving: Option<Time>,
    /// Bytes wait for the client: how much it had taken, and since when it takes no more.
    waiting: Option<(u64, Time)>,
    /// A header block has begun and not ended, and was first seen so at this time.
    head: Option<Time>,
    /// The state machine has ended; only its last bytes are to be sent.
    ended: bool,
    /// One side has broken the rules.
    at_odds: bool,
}

impl Server {
    fn new(
        client: Client,
        facts: Arc<PortFacts>,
        connection: Connection<Stream, Piece>,
        stream: Stream,
    ) -> Self {
        let now = client.core.now();
        let resets = RefCell::new(Resets::new(now));
        Self {
            shared: Rc::new(Shared { client, facts, resets, total: Total::default(), heads: Rc::default() }),
            connection,
            stream,
            active: now,
            used: false,
            leaving: None,
            waiting: None,
            head: None,
            ended: false,
            at_odds: false,
        }
    }

    /// One turn: takes what came, opens streams, sends what there is. Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>, timer: &Timer) -> Poll<()> {
        let core = &self.shared.client.core;
        let now = core.now();
        let is_over = || self.shared.client.tls.as_ref().is_some_and(|tls| tls.is_outdated());
        if self.leaving.is_none() && (core.draining.get() || core.closes_idle() || is_over()) {
            self.leave(now);
        }
        if self.shared.resets.borrow().are_too_many() {
            self.end(Reason::ENHANCE_YOUR_CALM, "http2_resets");
        }
        while !self.ended {
            match self.connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => self.begin(request, respond),
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, client = %self.shared.client.text, "an HTTP/2 connection failed");
                    self.ended = true;
                    self.at_odds = true;
                }
                Poll::Ready(None) => self.ended = true,
                Poll::Pending => break,
            }
        }
        match self.stream.poll_end_turn(cx) {
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Ready(Ok(())) if self.ended => return Poll::Ready(()),
            _ => self.shared.heads.end_turn(self.stream.sent(), self.stream.left()),
        }
        let seen = self.stream.seen(now);
        if (seen.is_flooded || seen.has_wrong_length) && !self.at_odds {
            match seen.has_wrong_length {
                true => self.end(Reason::FRAME_SIZE_ERROR, "http2_frame_size"),
                false => self.end(Reason::ENHANCE_YOUR_CALM, "http2_flood"),
            }
            cx.waker().wake_by_ref();
        }
        self.head = if seen.is_in_head { self.head.or(Some(now)) } else { None };
        self.poll_deadline(cx, timer, now)
    }

    /// Ends the connection of a client that breaks the rules or goes too far.
    fn end(&mut self, code: Reason, reason: &'static str) {
        if !std::mem::replace(&mut self.at_odds, true) {
            self.shared.client.metrics.refused(RefusalReason::new(reason));
            self.connection.abrupt_shutdown(code);
        }
    }

    /// Two GOAWAYs, a round trip apart, so that no request is lost; then the end with the last stream
    /// (RFC 9113 §6.8).
    fn leave(&mut self, now: Time) {
        self.leaving = Some(now);
        self.connection.graceful_shutdown();
    }

    fn begin(&mut self, request: Request<RecvStream>, respond: SendResponse<Piece>) {
        self.used = true;
        self.stream.opened();
        // Boxed, since the runtime moves what it is given several times, and this is several KiB.
        tokio::task::spawn_local(Box::pin(serve_stream(self.shared.clone(), request, respond)));
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, timer: &Timer, now: Time) -> Poll<()> {
        let timeouts = &self.shared.facts.options.timeouts;
        let busy = !self.ended && self.connection.has_streams();
        if busy {
            self.active = now;
        }
        let head = self.head.map_or(Time::NEVER, |since| since.after(timeouts.head));
        if now >= head {
            self.shared.client.metrics.refused(RefusalReason::new("head_timeout"));
            return Poll::Ready(());
        }
        if self.stream.has_waiting() {
            let sent = self.stream.sent();
            let (_, since) = *self.waiting.take_if(|(before, _)| *before != sent).get_or_insert((sent, now));
            let until = since.after(timeouts.stalled_write);
            ready!(timer.poll(cx, now, until.min(head)));
            if until <= head {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.waiting = None;
        let until = match self.leaving {
            Some(since) if !busy => since.max(self.active).after(GOODBYE),
            None if !busy && self.stream.holds_memory() => self.active.after(QUIET),
            _ if !self.used => self.active.after(timeouts.head),
            _ => self.active.after(timeouts.http2_idle),
        };
        ready!(timer.poll(cx, now, until.min(head)));
        if head < until {
            // Looked at again with a fresh reading of the clock.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.leaving.is_some() {
            return Poll::Ready(());
        }
        if self.stream.holds_memory() {
            self.stream.release();
        } else {
            self.leave(now);
        }
        // To send the GOAWAY, and to set the next deadline.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Serves one stream.
async fn serve_stream(shared: Rc<Shared>, request: Request<RecvStream>, respond: SendResponse<Piece>) {
    let Shared { client, facts, resets, total, heads } = &*shared;
    let core = &client.core;
    let _watch = core.watch(Panicked::Stream);
    let (head, body) = request.into_parts();
    let is_head = head.method == http::Method::HEAD;
    let mut downstream =
        Http2Downstream::new(body, respond, is_head, facts.head_limits, total.clone(), heads.clone());
    if !downstream.is_reset_already() {
        let timer = core.timers.timer();
        let mut scratch = core.take_scratch();
        let end_of_stream = downstream.is_end_of_stream();
        let read = head::read_request(&head, end_of_stream, &facts.head_limits, &mut scratch.request);
        drop(head);
        match read.map(|()| client.hold_head(&mut scratch.request)) {
            Ok(Ok(_held)) => {
                downstream.begin(&scratch.request);
                let mut facts = facts.clone();
                exchange::serve(client, &timer, &mut facts, &mut downstream, &mut scratch).await;
            }
            Ok(Err(NoRoom)) => {
                client.metrics.refused(RefusalReason::new("http2_heads"));
                downstream.refuse_unprocessed();
            }
            Err(error) => {
                let failure = Failure::Head(error);
                client.metrics.refused(failure.reason());
                if head::is_malformed(error) {
                    downstream.refuse_malformed();
                } else {
                    exchange::refuse(client, &timer, facts, &mut downstream, &mut scratch, failure).await;
                }
            }
        }
        core.give_scratch(scratch);
    }
    if downstream.was_reset() {
        resets.borrow_mut().note(core.now());
    }
}

/// Reads on for a while after the last word, so that the client gets to read it: closing with unread bytes would
/// reset the connection.
async fn linger(transport: &Transport, timer: &Timer, deadline: Time) {
    let mut space = [0; 4096];
    let mut left = LINGERED;
    let _ = timer
        .within(deadline, |cx| {
            loop {
                match ready!(transport.poll_read(cx, &mut space)) {
                    Ok(0) | Err(_) => return Poll::Ready(()),
                    Ok(length) if length >= left => return Poll::Ready(()),
                    Ok(length) => left -= length,
                }
            }
        })
        .await;
}
