//! A client's connection over HTTP/3: its task, and a task a stream.

use super::body::at_once;
use super::code;
use super::downstream::Http3Downstream;
use super::transport::Transport;
use super::wire::{Flow, Wire};
use crate::connection::Client;
use crate::exchange;
use crate::failure::Failure;
use crate::http2::head;
use crate::http2::resets::Resets;
use crate::share::NoRoom;
use crate::snapshot::PortFacts;
use crate::timer::Timer;
use bytes::Bytes;
use h3::error::StreamError;
use h3::server::{Connection, RequestResolver};
use irongate_message::HeadError;
use irongate_telemetry::{Panicked, Reason};
use irongate_traffic::Time;
use quinn::VarInt;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// How long a client that was told to go may take to say that it has heard.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long the last of an answer may take to arrive before its stream is forgotten.
const ARRIVAL: Duration = Duration::from_secs(30);

/// Serves a client that speaks HTTP/3, until it has gone. `leaving` tells that its port closes.
pub(super) async fn serve(
    mut client: Client,
    facts: Arc<PortFacts>,
    connection: quinn::Connection,
    leaving: Rc<Cell<bool>>,
) {
    client.share = Some(Rc::default());
    let core = client.core.clone();
    let timer = core.timers.timer();
    let flow = Flow::new(connection);
    let head_bytes = facts.options.limits.head_bytes as u64;
    let mut builder = h3::server::builder();
    builder.max_field_section_size(head_bytes).send_grease(false);
    let mut building = pin!(builder.build(Transport::new(flow.clone(), head_bytes)));
    let deadline = core.now().after(facts.options.timeouts.head);
    let Ok(Ok(connection)) = timer.within(deadline, |cx| building.as_mut().poll(cx)).await else {
        client.metrics.refused(Reason::new("http3_settings"));
        return;
    };
    let mut server = Server::new(client, facts, connection, flow, leaving);
    poll_fn(|cx| server.poll(cx, &timer)).await;
    // Streams still at work learn from this that the client is gone: the connection is closed, unless it is already.
    drop(server);
}

/// What the tasks of a connection's streams share.
struct Shared {
    client: Client,
    facts: Arc<PortFacts>,
    flow: Rc<Flow>,
    resets: RefCell<Resets>,
    /// Streams that are served, or whose answers have not arrived.
    open: Cell<usize>,
    /// The connection's task.
    waker: RefCell<Option<Waker>>,
}

/// A connection, as its task sees it.
struct Server {
    shared: Rc<Shared>,
    connection: Connection<Transport, Bytes>,
    /// When a stream was last seen open.
    active: Time,
    /// A stream has been opened.
    used: bool,
    /// The client was told to open no more streams, at this time, and how many times.
    told: Option<(Time, u8)>,
    /// Its port closes.
    leaving: Rc<Cell<bool>>,
}

impl Server {
    fn new(
        client: Client,
        facts: Arc<PortFacts>,
        connection: Connection<Transport, Bytes>,
        flow: Rc<Flow>,
        leaving: Rc<Cell<bool>>,
    ) -> Self {
        let now = client.core.now();
        let shared = Shared {
            client,
            facts,
            flow,
            resets: RefCell::new(Resets::new(now)),
            open: Cell::new(0),
            waker: RefCell::default(),
        };
        Self { shared: Rc::new(shared), connection, active: now, used: false, told: None, leaving }
    }

    /// One turn: takes what came, and opens streams. Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>, timer: &Timer) -> Poll<()> {
        let core = &self.shared.client.core;
        let now = core.now();
        *self.shared.waker.borrow_mut() = Some(cx.waker().clone());
        let is_over = || self.shared.client.tls.as_ref().is_some_and(|tls| tls.is_outdated());
        if self.told.is_none()
            && (core.draining.get() || core.closes_idle() || self.leaving.get() || is_over())
        {
            self.tell(now);
        }
        if self.shared.resets.borrow().are_too_many() {
            self.shared.client.metrics.refused(Reason::new("http3_resets"));
            self.shared.flow.connection.close(code::EXCESSIVE_LOAD, b"too many streams were cut short");
            return Poll::Ready(());
        }
        loop {
            // The future keeps nothing from one turn to the next: what it waits for is the connection's.
            let accepted = pin!(self.connection.accept()).poll(cx);
            match accepted {
                Poll::Ready(Ok(Some(resolver))) => self.begin(resolver),
                Poll::Ready(Ok(None)) => return Poll::Ready(()),
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, client = %self.shared.client.text, "an HTTP/3 connection ended");
                    return Poll::Ready(());
                }
                Poll::Pending => break,
            }
        }
        self.poll_deadline(cx, timer, now)
    }

    /// Tells the client to open no more streams: at first that none will be served beyond as many as it may open at once,
    /// and a while later that none beyond the last that came is, so that no request is lost (RFC 9114 §5.2).
    fn tell(&mut self, now: Time) {
        let times = self.told.map_or(1, |(_, times)| times + 1);
        self.told = Some((now, times));
        let flow = &self.shared.flow;
        // h3 counts from the last stream, which was taken.
        let beyond = if times == 1 { self.shared.facts.options.limits.streams.max(1) } else { 1 };
        let from = flow.last.get().map_or(0, |last| last + 4 * u64::from(beyond));
        flow.refused_from.set(from.min(flow.refused_from.get()));
        // What has no room on the control stream goes with the next turn; failing shows in it, too.
        let _ = at_once(self.connection.shutdown(beyond as usize));
    }

    fn begin(&mut self, resolver: RequestResolver<Transport, Bytes>) {
        self.used = true;
        let Some(wire) = self.shared.flow.newest.take() else { return };
        self.shared.flow.add_request();
        self.shared.open.set(self.shared.open.get() + 1);
        let open = OpenStream(self.shared.clone());
        // Boxed, since the runtime moves what it is given several times, and this is several KiB.
        tokio::task::spawn_local(Box::pin(serve_stream(open, wire, resolver)));
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, timer: &Timer, now: Time) -> Poll<()> {
        let timeouts = &self.shared.facts.options.timeouts;
        let is_busy = self.shared.open.get() > 0;
        if is_busy {
            self.active = now;
        }
        let until = match self.told {
            Some((at, 1)) => at.after(GOODBYE),
            Some((at, _)) if !is_busy => at.max(self.active).after(GOODBYE),
            None if !self.used => self.active.after(timeouts.head),
            _ => self.active.after(timeouts.http2_idle),
        };
        ready!(timer.poll(cx, now, until));
        if self.told.is_some_and(|(_, times)| times > 1) {
            return Poll::Ready(());
        }
        self.tell(now);
        // To set the next deadline.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A stream that is being served.
struct OpenStream(Rc<Shared>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        let Self(shared) = self;
        shared.open.set(shared.open.get() - 1);
        if shared.open.get() == 0
            && let Some(waker) = &*shared.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }
}

/// Serves one stream.
async fn serve_stream(open: OpenStream, wire: Rc<Wire>, resolver: RequestResolver<Transport, Bytes>) {
    let Shared { client, facts, resets, .. } = &*open.0;
    let core = &client.core;
    let _watch = core.watch(Panicked::Stream);
    let timer = core.timers.timer();
    let deadline = core.now().after(facts.options.timeouts.head);
    let was_cut = {
        let mut resolving = Box::pin(resolver.resolve_request());
        match timer.within(deadline, |cx| resolving.as_mut().poll(cx)).await {
            Ok(Ok((request, stream))) => {
                drop(resolving);
                wire.incoming.borrow_mut().forget_head();
                serve_request(&open.0, &timer, &wire, request, stream.split()).await
            }
            Ok(Err(error)) => {
                refuse(client, &wire, &error);
                true
            }
            Err(_) => {
                client.metrics.refused(Reason::new("head_timeout"));
                wire.reset(code::REQUEST_INCOMPLETE);
                true
            }
        }
    };
    if was_cut {
        resets.borrow_mut().note(core.now());
        if let Some(waker) = &*open.0.waker.borrow() {
            waker.wake_by_ref();
        }
        return;
    }
    // The connection is not closed before the answer has arrived: what is on its way would be lost.
    let mut arrived = pin!(wire.outgoing.borrow().stopped());
    drop(wire);
    let _ = timer.within(core.now().after(ARRIVAL), |cx| arrived.as_mut().poll(cx)).await;
}

/// Serves a request; whether it was cut short by the client.
async fn serve_request(
    shared: &Shared,
    timer: &Timer,
    wire: &Rc<Wire>,
    request: http::Request<()>,
    halves: (super::body::Half, super::body::Half),
) -> bool {
    let Shared { client, facts, flow, .. } = shared;
    let core = &client.core;
    let (head, ()) = request.into_parts();
    let is_head = head.method == http::Method::HEAD;
    let mut downstream = Http3Downstream::new(flow.clone(), wire.clone(), halves, is_head, facts.head_limits);
    let mut scratch = core.take_scratch();
    let end_of_stream = downstream.is_end_of_stream();
    let read = head::read_request(&head, end_of_stream, &facts.head_limits, &mut scratch.request);
    drop(head);
    match read {
        Ok(()) if downstream.begin(&scratch.request) => match client.hold_head(&mut scratch.request) {
            Ok(_held) => {
                scratch.request.set_http3();
                let mut facts = facts.clone();
                exchange::serve(client, timer, &mut facts, &mut downstream, &mut scratch).await;
            }
            Err(NoRoom) => {
                client.metrics.refused(Reason::new("http3_heads"));
                downstream.refuse_unprocessed();
            }
        },
        Ok(()) => {
            client.metrics.refused(Failure::Head(HeadError::Malformed).reason());
            downstream.refuse_malformed();
        }
        Err(error) => {
            let failure = Failure::Head(error);
            client.metrics.refused(failure.reason());
            if head::is_malformed(error) {
                downstream.refuse_malformed();
            } else {
                exchange::refuse(client, timer, facts, &mut downstream, &mut scratch, failure).await;
            }
        }
    }
    core.give_scratch(scratch);
    downstream.was_reset()
}

/// A request's head could not be taken.
fn refuse(client: &Client, wire: &Wire, error: &StreamError) {
    let is_too_long = wire.incoming.borrow().is_too_long;
    if is_too_long || matches!(error, StreamError::HeaderTooBig { .. }) {
        client.metrics.refused(Failure::Head(HeadError::TooLarge).reason());
        let mut outgoing = wire.outgoing.borrow_mut();
        if is_too_long {
            outgoing.waiting.extend_from_slice(&TOO_LARGE);
        }
        // At once or never: it is few bytes.
        let sent = outgoing.poll_flush(&mut Context::from_waker(Waker::noop()));
        if matches!(sent, Poll::Ready(Ok(()))) {
            outgoing.finish();
        }
        drop(outgoing);
        wire.incoming.borrow_mut().stop(code::NONE);
        return;
    }
    if let StreamError::StreamError { code, .. } = error {
        client.metrics.refused(Failure::Head(HeadError::Malformed).reason());
        wire.reset(VarInt::from_u64(code.value()).unwrap_or(code::MESSAGE));
    } else {
        wire.reset(code::REQUEST_CANCELLED);
    }
}

/// The answer 431 without a body, to a request of which `h3` was not shown enough to answer it: a head of nine bytes, whose
/// fields are `:status: 431` and `content-length: 0` (RFC 9204 §4.5, by its static table).
const TOO_LARGE: [u8; 11] = [0x01, 9, 0, 0, 0x5f, 9, 3, b'4', b'3', b'1', 0xc4];
