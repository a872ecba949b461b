//! Connections to an origin over HTTP/2: many requests share one, and another is opened when it is full.

mod connection;
mod upstream;
mod window;

pub(crate) use connection::Sender;
pub(crate) use upstream::Http2Upstream;
pub(crate) use window::{Taken as TakenWindow, Windows};

use crate::core::Core;
use crate::failure::Failure;
use crate::transport::Transport;
use connection::{Connection, Over};
use irongate_config::Limits;
use irongate_telemetry::BackendMetrics;
use irongate_traffic::Time;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use window::Window;

/// Connections to one endpoint that one core opens at most.
const MOST: usize = 64;

/// One core's connections to one endpoint.
#[derive(Default)]
pub(crate) struct Connections {
    open: RefCell<Vec<Connection>>,
    /// By the size of their windows.
    opening: RefCell<[Option<Rc<Opening>>; Window::COUNT]>,
}

/// What a request gets that asks for a connection.
pub(crate) enum Taken {
    /// Room on one.
    Sender(Sender),
    /// There is none with room, and this request is to open another.
    Open(Opener),
    /// Another request is opening one.
    Wait(Rc<Opening>),
    /// All are full, and no more are opened.
    Full,
}

impl Connections {
    /// Room for a request whose answer has this window.
    pub(crate) fn take(&self, window: &TakenWindow) -> Taken {
        let window = window.window;
        let mut open = self.open.borrow_mut();
        let mut next = 0;
        while let Some(connection) = open.get(next) {
            if connection.window() != window {
                next += 1;
                continue;
            }
            match connection.sender() {
                Ok(Some(sender)) => return Taken::Sender(sender),
                Ok(None) => next += 1,
                Err(Over) => drop(open.remove(next)),
            }
        }
        let opening = &mut self.opening.borrow_mut()[window as usize];
        if let Some(opening) = opening
            && opening.outcome.get().is_none()
        {
            return Taken::Wait(opening.clone());
        }
        if open.len() >= MOST {
            return Taken::Full;
        }
        let fresh = Rc::<Opening>::default();
        *opening = Some(fresh.clone());
        Taken::Open(Opener(fresh))
    }

    /// Begins a connection over a transport that was just opened, and was counted as such. False: that failed.
    pub(crate) async fn open(
        &self,
        core: &Rc<Core>,
        address: SocketAddr,
        metrics: &Arc<BackendMetrics>,
        limits: &Limits,
        window: &TakenWindow,
        transport: Rc<Transport>,
    ) -> bool {
        let window = window.window;
        let connection = Connection::begin(core, address, metrics.clone(), limits, window, transport).await;
        let begun = connection.is_some();
        self.open.borrow_mut().extend(connection);
        begun
    }

    /// Whether none is open.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.borrow().is_empty()
    }

    /// Ends connections that were idle for long, or whose peer has fallen silent.
    pub(crate) fn tidy(&self, now: Time) {
        self.open.borrow_mut().retain_mut(|connection| connection.tidy(now));
    }
}

/// A connection that is being opened; those who want it wait here.
#[derive(Default)]
pub(crate) struct Opening {
    outcome: Cell<Option<Result<(), Failure>>>,
    waiting: RefCell<Vec<Waker>>,
}

impl Opening {
    /// Ready when it is open, or failed, or was given up by the request that was at it (which is no failure: another
    /// goes on).
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if let Some(outcome) = self.outcome.get() {
            return Poll::Ready(outcome);
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn end(&self, outcome: Result<(), Failure>) {
        if self.outcome.get().is_none() {
            self.outcome.set(Some(outcome));
        }
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}

/// The duty to open a connection. Dropped, it is passed on.
pub(crate) struct Opener(Rc<Opening>);

impl Opener {
    /// It did not work: those who wait need not try the same.
    pub(crate) fn failed(self, failure: Failure) {
        self.0.end(Err(failure));
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.0.end(Ok(()));
    }
}
