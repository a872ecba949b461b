//! UDP: datagrams are passed on as they come, in sessions by the client's address.
//!
//! A client's first datagram chooses a backend by weight and an endpoint by the balancer; what follows goes to the same
//! one, through a socket of the session's own, until nothing has passed for a while. Nothing waits: a datagram that
//! cannot be passed on at once is dropped and counted. The kernel keeps a client on one core, by a hash over both
//! addresses that changes only when sockets come or go, and those of a port that stays do not.

mod endpoint;
mod session;
mod socket;
mod table;

pub(crate) use socket::bind;

use crate::core::Core;
use crate::failure::Failure;
use crate::listener::{Closing, Seat};
use crate::snapshot::PortId;
use irongate_telemetry::{Reason, StreamMetrics};
use irongate_traffic::Time;
use session::{Pass, Session};
use socket::{Listening, Peer};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::UdpSocket;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use table::Table;

/// Datagrams that one socket passes on before others have their turn.
const TURN: u32 = 64;
/// Datagrams that are taken from the queue of a closing socket, at most.
const LEFT: u32 = 4096;
/// After receiving failed for want of something.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a port that closes waits for answers that are on their way.
const GRACE: Duration = Duration::from_secs(1);
/// How often it looks whether they have come.
const LOOK: Duration = Duration::from_millis(10);

/// One core's part of a port of datagrams.
struct Port {
    core: Rc<Core>,
    id: PortId,
    listening: Listening,
    sessions: RefCell<Table>,
}

/// Serves a port until it is told to close; then waits a little for answers.
pub(crate) async fn serve(core: Rc<Core>, id: PortId, socket: io::Result<UdpSocket>, closing: Rc<Closing>) {
    let listening = match socket.and_then(Listening::new) {
        Ok(listening) => listening,
        Err(error) => return tracing::error!(%error, "a listening socket could not be registered"),
    };
    let port = Rc::new(Port { core, id, listening, sessions: RefCell::default() });
    let mut closed = pin!(closing.wait());
    loop {
        let received = poll_fn(|cx| match closed.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending => port.poll(cx),
        });
        match received.await {
            Ok(()) => break,
            Err(error) => {
                port.core.shared.note_unaccepted(&error);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    port.finish().await;
}

impl Port {
    /// Passes on what has come. Ready when receiving fails.
    fn poll(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..TURN {
            match self.listening.poll_receive(cx, |peer, bytes| self.pass(peer, bytes)) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The port closes: what is in its queue is passed on, and answers have a moment to come.
    async fn finish(self: Rc<Self>) {
        // The drain waits for this.
        let seat = Seat::take(&self.core.shared.spread(), self.core.index);
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..LEFT {
            let received = self.listening.poll_receive(&mut cx, |peer, bytes| self.pass(peer, bytes));
            if !matches!(received, Poll::Ready(Ok(()))) {
                break;
            }
        }
        let until = self.core.now().after(GRACE);
        while self.core.now() < until && self.sessions.borrow().awaits_any() {
            tokio::time::sleep(LOOK).await;
        }
        let sessions = self.sessions.take();
        sessions.into_iter().for_each(|session| session.end(self.core.now(), None));
        drop(seat);
    }

    /// Passes on a client's datagram.
    fn pass(self: &Rc<Self>, peer: Peer, bytes: &[u8]) {
        let now = self.core.now();
        let known = self.sessions.borrow().find(&peer);
        if let Some(session) = known {
            if !self.is_current(&session) {
                self.end(&session, now, None);
            } else if let Pass::Done = session.send(bytes, now) {
                return;
            } else {
                // Whom an earlier datagram did not reach is left: this one begins anew, elsewhere if there is another.
                self.fail(&session, now);
            }
        }
        self.begin(peer, bytes, now);
    }

    /// Whether a session's way is still one that its route takes. Looked at when the configuration or the endpoints
    /// changed.
    fn is_current(&self, session: &Session) -> bool {
        let view = self.core.view();
        let versions = (view.snapshot.version, session.live().version());
        if session.seen.replace(versions) == versions {
            return true;
        }
        let plan = view.port(self.id).and_then(|plan| plan.plain());
        plan.is_some_and(|plan| plan.leads_to(session.live())) && session.has_endpoint()
    }

    /// The first datagram of a session.
    fn begin(self: &Rc<Self>, peer: Peer, bytes: &[u8], now: Time) {
        let view = self.core.view();
        let Some(plan) = view.port(self.id) else { return };
        let Some(streams) = plan.plain() else { return };
        let (series, target) = streams.draw(self.core.random());
        let metrics = series.core(self.core.index);
        let dropped = |failure: Failure| metrics.dropped(failure.reason());
        let options = &plan.facts.options;
        let backend = match target {
            Ok(live) => self.core.backend(live),
            Err(failure) => return dropped(failure),
        };
        if !self.make_room(now, options.limits.sessions as usize) {
            return metrics.dropped(Reason::new("sessions_full"));
        }
        let idle = options.timeouts.session_idle;
        match endpoint::begin(&self.core, &backend, metrics, peer, bytes, now) {
            Err(failure) => dropped(failure),
            Ok(session) => {
                session.seen.set((view.snapshot.version, session.live().version()));
                let session = Rc::new(session);
                self.sessions.borrow_mut().insert(session.clone());
                // Boxed: a future that is given to the runtime is moved about.
                tokio::task::spawn_local(Box::pin(session::answers(self.clone(), session, idle)));
            }
        }
    }

    /// Whether there is room for one more session; those that were idle longest make it.
    fn make_room(&self, now: Time, most: usize) -> bool {
        let evicted = self.sessions.borrow_mut().make_room(now, most);
        let Some(evicted) = evicted else { return false };
        evicted.iter().for_each(|session| session.end(now, Some(Reason::new("session_evicted"))));
        true
    }

    /// A session is over.
    fn end(&self, session: &Rc<Session>, now: Time, failure: Option<Reason>) {
        self.sessions.borrow_mut().remove(session);
        session.end(now, failure);
    }

    /// A session is over because its endpoint cannot be reached.
    fn fail(&self, session: &Rc<Session>, now: Time) {
        self.sessions.borrow_mut().remove(session);
        session.fail(now);
    }

    /// Passes an answer on to a client.
    fn answer(&self, peer: &Peer, bytes: &[u8], metrics: &StreamMetrics) {
        match self.listening.send(peer, bytes) {
            Ok(()) => metrics.sent_datagram(bytes.len() as u64),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                metrics.dropped(Reason::new("client_full"));
            }
            Err(_) => metrics.dropped(Reason::new("client_unreachable")),
        }
    }
}
