//! A session: one client's datagrams to one endpoint, and its answers.

use super::Port;
use super::socket::Peer;
use crate::backend::{CoreBackend, Load};
use crate::live::LiveBackend;
use irongate_telemetry::{Panicked, Reason, StreamMetrics};
use irongate_traffic::{Outcome, Time};
use rustix::net::SendFlags;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::net::UdpSocket;

/// How long an endpoint is waited for: one that has not answered by then counts as one that took as long. So endpoints that
/// never answer, as many protocols have it, look alike, and one among others that do looks slow.
const PATIENCE: Duration = Duration::from_secs(5);
/// Answers that one session passes on before others have their turn.
const TURN: u32 = 64;

/// A session.
pub(super) struct Session {
    peer: Peer,
    upstream: UdpSocket,
    backend: Rc<CoreBackend>,
    address: SocketAddr,
    /// Counts as load; `None` once it is over.
    load: RefCell<Option<Load>>,
    metrics: Arc<StreamMetrics>,
    begun: Time,
    /// When a datagram last passed, and when the client last sent one.
    moved: Cell<Time>,
    asked: Cell<Time>,
    answered: Cell<Time>,
    /// The snapshot and the list of endpoints for which its way was last looked at.
    pub(super) seen: Cell<(u64, u64)>,
    waker: RefCell<Option<Waker>>,
}

/// What became of a client's datagram.
pub(super) enum Pass {
    /// It was passed on, or dropped for want of room.
    Done,
    /// The endpoint is not there: it, or one before it, was refused.
    Failed,
}

impl Session {
    pub(super) fn new(
        (peer, upstream, address): (Peer, UdpSocket, SocketAddr),
        backend: Rc<CoreBackend>,
        load: Load,
        metrics: Arc<StreamMetrics>,
        now: Time,
    ) -> Self {
        metrics.begun();
        Self {
            peer,
            upstream,
            backend,
            address,
            load: RefCell::new(Some(load)),
            metrics,
            begun: now,
            moved: Cell::new(now),
            asked: Cell::new(Time::ZERO),
            answered: Cell::new(Time::ZERO),
            seen: Cell::default(),
            waker: RefCell::default(),
        }
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(super) fn live(&self) -> &Arc<LiveBackend> {
        &self.backend.live
    }

    /// When a datagram last passed.
    pub(super) fn moved(&self) -> Time {
        self.moved.get()
    }

    /// Whether the client asked since the last answer.
    pub(super) fn awaits_answer(&self) -> bool {
        self.asked.get() > self.answered.get()
    }

    /// Whether its endpoint is one of the backend's.
    pub(super) fn has_endpoint(&self) -> bool {
        self.live().settings().plan.members().iter().any(|member| member.state.address() == self.address)
    }

    /// Passes on a client's datagram.
    pub(super) fn send(&self, bytes: &[u8], now: Time) -> Pass {
        self.moved.set(now);
        self.asked.set(now);
        // Asked directly: the runtime does not know yet that a socket is ready which was just made.
        match rustix::net::send(&self.upstream, bytes, SendFlags::DONTWAIT).map_err(io::Error::from) {
            Ok(_) => self.metrics.received_datagram(bytes.len() as u64),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.metrics.dropped(Reason::new("upstream_full"));
            }
            Err(error) if is_unreachable(&error) => return Pass::Failed,
            Err(_) => self.metrics.dropped(Reason::new("upstream_unsendable")),
        }
        Pass::Done
    }

    /// It is over.
    pub(super) fn end(&self, now: Time, failure: Option<Reason>) {
        let outcome = if self.answered.get() == Time::ZERO { Outcome::Cancelled } else { Outcome::Complete };
        self.finish(now, failure, outcome);
    }

    /// It is over because the endpoint cannot be reached, which is held against it.
    pub(super) fn fail(&self, now: Time) {
        self.finish(now, Some(Reason::new("upstream_unreachable")), Outcome::Failed);
    }

    fn finish(&self, now: Time, failure: Option<Reason>, outcome: Outcome) {
        let Some(mut load) = self.load.take() else { return };
        self.metrics.ended(now.micros_since(self.begun), failure);
        load.end(now, outcome);
        // Whoever waits for its answers looks, and sees that it is over.
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    fn is_over(&self) -> bool {
        self.load.borrow().is_none()
    }

    /// The endpoint has answered, or was waited for as long as is reasonable: that is its latency.
    fn note_answer(&self, now: Time) {
        if let Some(load) = &mut *self.load.borrow_mut() {
            load.opened(now);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Ended half-way, by a stop or a panic.
        self.end(self.moved.get(), Some(Reason::new("stopped")));
    }
}

/// Whether an error tells that the endpoint is not there (ICMP says so, or no way leads to it).
pub(super) fn is_unreachable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable
    )
}

/// Passes on a session's answers until it is over.
pub(super) async fn answers(port: Rc<Port>, session: Rc<Session>, idle: Duration) {
    let _watch = port.core.watch(Panicked::Stream);
    let timer = port.core.timers.timer();
    let mut is_measured = false;
    poll_fn(|cx| {
        if session.is_over() {
            return Poll::Ready(());
        }
        *session.waker.borrow_mut() = Some(cx.waker().clone());
        if let Poll::Ready(()) = poll_answers(&port, &session, &mut is_measured, cx) {
            port.fail(&session, port.core.now());
            return Poll::Ready(());
        }
        loop {
            let now = port.core.now();
            let patience = session.begun.after(PATIENCE);
            if !is_measured && now >= patience {
                is_measured = true;
                session.note_answer(now);
            }
            let end = session.moved().after(idle);
            let next = if is_measured { end } else { end.min(patience) };
            match timer.poll(cx, now, next) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) if next == end => {
                    port.end(&session, now, None);
                    return Poll::Ready(());
                }
                Poll::Ready(()) => {}
            }
        }
    })
    .await;
}

/// Passes on what has come. Ready when the endpoint is not there.
fn poll_answers(port: &Port, session: &Session, is_measured: &mut bool, cx: &mut Context<'_>) -> Poll<()> {
    for _ in 0..TURN {
        let received = port.listening.with_space(|space| {
            let length = session.upstream.try_recv(space)?;
            port_answer(port, session, &space[..length]);
            io::Result::Ok(())
        });
        match received {
            Ok(()) if !*is_measured => {
                *is_measured = true;
                session.note_answer(session.answered.get());
            }
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match session.upstream.poll_recv_ready(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                }
            }
            Err(error) if is_unreachable(&error) => return Poll::Ready(()),
            // One that is over at once, as most are (`Interrupted`): the bound on a turn holds for them, too.
            Err(_) => {}
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

fn port_answer(port: &Port, session: &Session, bytes: &[u8]) {
    let now = port.core.now();
    session.moved.set(now);
    session.answered.set(now);
    port.answer(&session.peer, bytes, &session.metrics);
}
