//! A client's connection over HTTP/2: its task, and a task a stream.

mod answer;
mod body;
mod control;
mod downstream;
mod frames;
mod input;
mod outgoing;
mod streams;
mod watch;
mod wire;

use crate::connection::Client;
use crate::exchange::{self, Scratch};
use crate::failure::Failure;
use crate::share::Held;
use crate::snapshot::PortFacts;
use crate::timer::Timer;
use crate::transport::Transport;
use body::Handle;
use downstream::Http2Downstream;
use frames::{Fault, Frames};
use input::Input;
use irongate_message::{HeadError, Method};
use irongate_telemetry::{Panicked, Reason};
use irongate_traffic::Time;
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use wire::Wire;

/// What is read of a client within a turn before others have theirs, in bytes of a body or work that is as much.
const TURN: usize = 64 << 10;
/// Nothing more is read while so much waits to be sent: what is read may have to be answered.
const HELD: usize = 512 << 10;
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
    let mut server = Server::new(client, facts, transport.clone(), start);
    poll_fn(|cx| server.poll(cx, &timer)).await;
    let at_odds = server.at_odds;
    // Streams still at work learn from this that the client is gone.
    drop(server);
    if at_odds {
        linger(&transport, &timer, core.now().after(LINGER)).await;
    }
}

/// What the tasks of a connection and of its streams share.
struct Shared {
    client: Client,
    facts: Arc<PortFacts>,
    wire: RefCell<Wire>,
}

/// A connection, as its task sees it.
struct Server {
    shared: Rc<Shared>,
    transport: Rc<Transport>,
    input: Input,
    frames: Frames,
    /// When a stream was last seen open.
    active: Time,
    /// The client was told to open no more streams, at this time.
    leaving: Option<Time>,
    /// Bytes wait for the client: how much it had taken, and since when it takes no more.
    waiting: Option<(u64, Time)>,
    /// A header block has begun and not ended, and was first seen so at this time.
    head: Option<Time>,
    /// Nothing more is read; only the last bytes are to be sent.
    ended: bool,
    /// One side has broken the rules.
    at_odds: bool,
}

impl Server {
    fn new(client: Client, facts: Arc<PortFacts>, transport: Rc<Transport>, start: Vec<u8>) -> Self {
        let now = client.core.now();
        let limits = &facts.options.limits;
        let wire = Wire::new(client.core.clone(), limits.streams.max(1), limits.head_bytes);
        Self {
            shared: Rc::new(Shared { client, facts, wire: RefCell::new(wire) }),
            transport,
            input: Input::new(start),
            frames: Frames::new(now),
            active: now,
            leaving: None,
            waiting: None,
            head: None,
            ended: false,
            at_odds: false,
        }
    }

    /// One turn: takes what came, opens streams, sends what there is. Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>, timer: &Timer) -> Poll<()> {
        let client = &self.shared.client;
        let core = &client.core;
        let now = core.now();
        let is_over = || client.tls.as_ref().is_some_and(|tls| tls.is_outdated());
        let leaves = core.draining.get() || core.closes_idle() || is_over() || self.frames.client_leaves;
        self.shared.wire.borrow_mut().begin_turn(cx);
        if self.leaving.is_none() && leaves {
            self.leave(now);
        }
        if let Err(fault) = self.read(cx, now) {
            self.fail(fault);
        }
        let mut wire = self.shared.wire.borrow_mut();
        self.ended |= wire.final_stream.is_some() && wire.streams.count() == 0;
        let is_held = wire.out.left() >= HELD;
        let sent = wire.out.poll_send(cx, &self.transport);
        if is_held && sent.is_ready() {
            // What was not read for its sake is read now.
            cx.waker().wake_by_ref();
        }
        match sent {
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Ready(Ok(())) if self.ended => return Poll::Ready(()),
            _ => wire.end_turn(),
        }
        self.frames.watch.forgive(now, wire.out.sent());
        drop(wire);
        self.head = if self.frames.is_in_head() { self.head.or(Some(now)) } else { None };
        self.poll_deadline(cx, timer, now)
    }

    /// Takes what came.
    fn read(&mut self, cx: &mut Context<'_>, now: Time) -> Result<(), Fault> {
        let mut wire = self.shared.wire.borrow_mut();
        let mut allowance = TURN;
        while !self.ended && wire.out.left() < HELD {
            while let Some((header, payload)) = self.input.next()? {
                let work = self.frames.take(&self.shared, &mut wire, header, payload, now)?;
                allowance = allowance.saturating_sub(work);
                if allowance == 0 {
                    // The others have their turn.
                    cx.waker().wake_by_ref();
                    return Ok(());
                }
            }
            match self.input.poll_read(cx, &self.transport) {
                Poll::Ready(Ok(length)) if length > 0 => {}
                Poll::Ready(_) => self.ended = true,
                Poll::Pending => break,
            }
        }
        if self.ended {
            wire.end(None);
        }
        Ok(())
    }

    /// Ends the connection of a client that breaks the rules or goes too far.
    fn fail(&mut self, Fault { code, reason }: Fault) {
        let client = &self.shared.client;
        tracing::debug!(%code, client = %client.text, "an HTTP/2 connection failed");
        if let Some(reason) = reason {
            client.metrics.refused(Reason::new(reason));
        }
        self.ended = true;
        self.at_odds = true;
        self.shared.wire.borrow_mut().end(Some(code));
    }

    /// Two GOAWAYs, a round trip apart, so that no request is lost; then the end with the last stream
    /// (RFC 9113 6.8).
    fn leave(&mut self, now: Time) {
        self.leaving = Some(now);
        self.shared.wire.borrow_mut().say_goodbye();
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, timer: &Timer, now: Time) -> Poll<()> {
        let timeouts = &self.shared.facts.options.timeouts;
        let (busy, left, sent, out_holds) = {
            let wire = self.shared.wire.borrow();
            (wire.streams.count() > 0, wire.out.left(), wire.out.sent(), wire.out.holds_memory())
        };
        if busy {
            self.active = now;
        }
        let head = self.head.map_or(Time::NEVER, |since| since.after(timeouts.head));
        if now >= head {
            self.shared.client.metrics.refused(Reason::new("head_timeout"));
            return Poll::Ready(());
        }
        if left > 0 {
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
        let holds_memory = out_holds || self.input.holds_memory();
        let until = match self.leaving {
            Some(since) if !busy => since.max(self.active).after(GOODBYE),
            None if !busy && holds_memory => self.active.after(QUIET),
            _ if !self.frames.is_used => self.active.after(timeouts.head),
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
        if holds_memory && !busy {
            self.shared.wire.borrow_mut().release();
            self.input.release();
            self.frames.release();
        } else {
            self.leave(now);
        }
        // To send the GOAWAY, and to set the next deadline.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.input.has_begun() {
            self.shared.client.metrics.refused(Reason::new("http2_preface"));
        }
        // While a panic unwinds nothing may fail.
        if let Ok(mut wire) = self.shared.wire.try_borrow_mut() {
            wire.end(None);
            wire.out.clear();
        }
    }
}

/// What came of a request's head: room for it, or why it is refused, and whether it was a `HEAD`.
type ReadHead = Result<Option<Held>, (HeadError, bool)>;

/// Begins to serve a stream.
fn spawn(shared: &Rc<Shared>, place: usize, scratch: Box<Scratch>, read: ReadHead) {
    let handle = Handle { shared: shared.clone(), place };
    let (is_head, asks_for_tunnel) = match read {
        Ok(_) => (scratch.request.method() == Method::Head, scratch.request.is_extended_connect()),
        Err((_, is_head)) => (is_head, false),
    };
    let downstream = Http2Downstream::new(handle, is_head, asks_for_tunnel);
    // Boxed, since the runtime moves what it is given several times, and this is several KiB.
    tokio::task::spawn_local(Box::pin(serve_stream(shared.clone(), downstream, scratch, read)));
}

async fn serve_stream(
    shared: Rc<Shared>,
    mut downstream: Http2Downstream,
    mut scratch: Box<Scratch>,
    read: ReadHead,
) {
    let Shared { client, facts, .. } = &*shared;
    let core = &client.core;
    let _watch = core.watch(Panicked::Stream);
    if !downstream.is_broken() {
        let timer = core.timers.timer();
        match read {
            Ok(_held) => {
                downstream.begin(&scratch.request);
                let mut facts = facts.clone();
                exchange::serve(client, &timer, &mut facts, &mut downstream, &mut scratch).await;
            }
            Err((error, _)) => {
                let failure = Failure::Head(error);
                exchange::refuse(client, &timer, facts, &mut downstream, &mut scratch, failure).await;
            }
        }
    }
    core.give_scratch(scratch);
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
