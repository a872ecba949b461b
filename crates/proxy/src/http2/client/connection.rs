//! One connection to an origin.

use super::super::queue::{MOST_OF_STREAM, Piece, Total};
use super::super::stream::Stream;
use super::interim::{Interim, Watched};
use super::lifetime::Lifetime;
use super::pulse::{Pulse, Sign};
use super::window::{Taken, Window};
use crate::core::Core;
use crate::transport::Transport;
use h2::client::{Builder, SendRequest};
use h2::{Ping, PingPong};
use irongate_telemetry::BackendMetrics;
use irongate_traffic::Time;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::task::AbortHandle;

/// Streams on one connection at once, should the origin allow more.
const STREAMS: usize = 256;
/// A connection, as those see it who look for room.
pub(super) struct Connection {
    requests: SendRequest<Piece>,
    state: Rc<State>,
    window: Window,
    task: AbortHandle,
    stream: Stream,
    pings: Option<PingPong>,
    pulse: Pulse,
    /// It may be dead: requests had better go elsewhere.
    doubtful: bool,
    lifetime: Lifetime,
}

/// How much of its room a connection gives.
#[derive(Clone, Copy)]
pub(super) enum Share {
    /// All but a quarter: while this is taken, the next connection is opened.
    Ahead,
    All,
}

/// A connection takes no more requests.
pub(super) struct Over;

/// What a connection's requests and its task share with it.
struct State {
    /// The host of requests that name none.
    host: Box<str>,
    /// It is over TLS.
    is_secure: bool,
    /// Requests under way.
    active: Cell<usize>,
    /// Requests begun so far.
    begun: Cell<u64>,
    /// The task has ended.
    over: Cell<bool>,
    /// What is on its way of all requests' bodies.
    total: Total,
    /// Heads that came and were not taken yet.
    interim: Rc<Interim>,
    /// The origin has sent its settings, and those who wait for them.
    settled: Cell<bool>,
    unsettled: RefCell<Vec<Waker>>,
}

impl Connection {
    /// Begins the protocol on a fresh transport. Waits for nothing: the origin's settings come later.
    pub(super) async fn begin(
        core: &Rc<Core>,
        address: SocketAddr,
        metrics: Arc<BackendMetrics>,
        head_bytes: usize,
        window: Window,
        transport: Rc<Transport>,
    ) -> Option<Self> {
        let state = Rc::new(State::new(address, transport.tls().is_some()));
        let end = End { state: state.clone(), metrics };
        let settling = state.clone();
        let stream = Stream::new(core.clone(), transport);
        let interim = state.interim.clone();
        let watched = Watched::new(stream.clone(), interim.clone());
        let (requests, mut connection) =
            builder(head_bytes, window).handshake::<_, Piece>(watched).await.ok()?;
        let pings = connection.ping_pong();
        let writes = stream.clone();
        let task = tokio::task::spawn_local(async move {
            let _end = end;
            poll_fn(|cx| {
                let polled = Pin::new(&mut connection).poll(cx);
                let sent = writes.poll_end_turn(cx);
                if !settling.settled.get() && writes.received() > 0 {
                    settling.settle();
                }
                if let Poll::Ready(Err(error)) = &polled {
                    tracing::debug!(%error, %address, "an HTTP/2 connection to an origin failed");
                }
                let is_bounded = interim.end_turn();
                if !is_bounded {
                    tracing::debug!(%address, "an origin sends more interim answers than are taken");
                }
                if !is_bounded || polled.is_ready() || matches!(sent, Poll::Ready(Err(_))) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        });
        let (task, now) = (task.abort_handle(), core.now());
        let lifetime = Lifetime::new(now, [core.random(), core.random()]);
        let pulse = Pulse::new(now);
        Some(Self { requests, state, window, task, stream, pings, pulse, doubtful: false, lifetime })
    }

    /// What each of its answers may be ahead.
    pub(super) fn window(&self) -> Window {
        self.window
    }

    /// Room for one request, if there is within this share of all.
    ///
    /// # Errors
    /// If it takes no more requests: it has ended, or has had as many as it takes, or the origin said that it is to end.
    pub(super) fn sender(&self, share: Share) -> Result<Option<Sender>, Over> {
        let state = &self.state;
        if state.over.get() || self.lifetime.is_used_up(state.begun.get()) {
            return Err(Over);
        }
        if self.doubtful {
            return Ok(None);
        }
        // A fresh handle, since one whose last stream waits to be opened is not ready.
        let mut requests = self.requests.clone();
        match requests.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(_)) => return Err(Over),
            Poll::Ready(Ok(())) if state.active.get() < share.of(requests.current_max_send_streams()) => {}
            _ => return Ok(None),
        }
        state.active.set(state.active.get() + 1);
        state.begun.set(state.begun.get() + 1);
        Ok(Some(Sender { requests, slot: Slot { state: state.clone(), window: None, stream: 0 } }))
    }

    /// Looks after the connection; called every second or so. False: no request may use it any more. It ends by
    /// itself when those that do have ended.
    pub(super) fn tidy(&mut self, now: Time) -> bool {
        let state = &self.state;
        let active = state.active.get();
        let sign = self.pulse.look(now, self.stream.received(), state.begun.get(), active);
        self.doubtful = sign == Sign::Doubtful;
        match sign {
            Sign::Well if active == 0 => self.stream.release(),
            Sign::Well | Sign::Asked | Sign::Doubtful => {}
            Sign::Silent => self.ask(),
            Sign::Dead => {
                // Requests under way fail with the connection.
                self.task.abort();
                return false;
            }
            Sign::Idle => return false,
        }
        self.takes_more(now)
    }

    fn ask(&mut self) {
        let Some(pings) = &mut self.pings else { return };
        // The answer to an earlier one is taken first: the crate has one at a time.
        let _ = pings.poll_pong(&mut Context::from_waker(Waker::noop()));
        // Failing means that the connection is over, or that the earlier one was not answered.
        let _ = pings.send_ping(Ping::opaque());
    }

    fn takes_more(&self, now: Time) -> bool {
        !self.state.over.get() && !self.lifetime.is_over(now)
    }
}

impl Share {
    /// How many streams at once, where the origin allows so many.
    fn of(self, allowed: usize) -> usize {
        let all = allowed.min(STREAMS);
        match self {
            Self::Ahead => all - all / 4,
            Self::All => all,
        }
    }
}

fn builder(head_bytes: usize, window: Window) -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(window.size())
        // As much as all streams' together, so that answers which slow clients do not take hold up no other.
        .initial_connection_window_size(window.size() * STREAMS as u32)
        // Until the origin has said how many it takes.
        .initial_max_send_streams(100)
        .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
        .max_send_buffer_size(MOST_OF_STREAM)
        // Answers that we gave up, remembered for frames that were under way.
        .max_concurrent_reset_streams(STREAMS);
    builder
}

/// Tells that a connection has ended, however it did.
struct End {
    state: Rc<State>,
    metrics: Arc<BackendMetrics>,
}

impl State {
    fn new(address: SocketAddr, is_secure: bool) -> Self {
        Self {
            host: address.to_string().into_boxed_str(),
            is_secure,
            active: Cell::new(0),
            begun: Cell::new(0),
            over: Cell::new(false),
            total: Total::default(),
            interim: Rc::default(),
            settled: Cell::new(false),
            unsettled: RefCell::default(),
        }
    }

    fn settle(&self) {
        self.settled.set(true);
        self.unsettled.take().into_iter().for_each(Waker::wake);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.state.over.set(true);
        self.state.settle();
        self.metrics.closed();
    }
}

/// Room on a connection for one request.
pub(crate) struct Sender {
    pub(super) requests: SendRequest<Piece>,
    pub(super) slot: Slot,
}

impl Sender {
    /// Whether the origin takes an extended `CONNECT`, as far as is known.
    pub(super) fn offers_connect(&self) -> bool {
        self.requests.is_extended_connect_protocol_enabled()
    }

    /// Ready when the origin has said what it offers: its first frame is its settings (RFC 9113 §3.4).
    pub(crate) fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &self.slot.state;
        if state.settled.get() || state.over.get() {
            return Poll::Ready(());
        }
        state.unsettled.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    }

    /// Keeps the window for as long as the request lasts.
    pub(crate) fn with_window(mut self, window: Taken) -> Self {
        self.slot.window = Some(window);
        self
    }

    /// Whether the connection is over TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.slot.state.is_secure
    }

    /// The host of a request that names none.
    pub(super) fn host(&self) -> &str {
        &self.slot.state.host
    }
}

/// A place among a connection's requests, until it is dropped.
pub(super) struct Slot {
    state: Rc<State>,
    window: Option<Taken>,
    /// The request's stream; 0 before it has one.
    stream: u32,
}

impl Slot {
    /// The request has begun on this stream.
    pub(super) fn begin(&mut self, stream: u32) {
        self.stream = stream;
        self.state.interim.begin(stream);
    }

    /// An interim answer was taken.
    pub(super) fn took_interim(&self) {
        self.state.interim.take(self.stream);
    }

    /// Whether its client has many requests at once.
    pub(super) fn is_one_of_many(&self) -> bool {
        self.window.as_ref().is_some_and(|taken| taken.window != Window::Large)
    }

    /// What is on its way of all of the connection's requests' bodies.
    pub(super) fn total(&self) -> Total {
        self.state.total.clone()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.state.active.set(self.state.active.get() - 1);
        self.state.interim.end(self.stream);
    }
}

#[cfg(test)]
mod tests;
