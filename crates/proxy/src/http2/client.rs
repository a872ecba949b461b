//! Connections to an origin over HTTP/2: many requests share one, and another is opened before it is full.

mod connection;
mod interim;
mod lifetime;
mod pulse;
mod upstream;
mod window;

pub(crate) use connection::Sender;
pub(crate) use upstream::Http2Upstream;
pub(crate) use window::Taken as TakenWindow;

use crate::core::Core;
use crate::failure::Failure;
use crate::transport::Transport;
use connection::{Connection, Over, Share};
use irongate_telemetry::BackendMetrics;
use irongate_traffic::Time;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use window::Window;

/// Connections to one endpoint that one core opens at most.
const MOST: usize = 64;
/// After a connection could not be opened ahead of need, so long none is. Requests that find no room open one all the same.
const PAUSE: Duration = Duration::from_secs(1);

/// One core's connections to one endpoint.
#[derive(Default)]
pub(crate) struct Connections {
    open: RefCell<Vec<Connection>>,
    /// By the size of their windows.
    opening: RefCell<[Option<Rc<Opening>>; Window::COUNT]>,
    /// No connection is opened ahead of need before this time.
    paused: Cell<Time>,
}

/// What a request gets that asks for a connection.
pub(crate) enum Taken {
    /// Room on one. With an opener: little is left, and the next is to be opened meanwhile.
    Sender(Sender, Option<Opener>),
    /// There is none with room, and this request is to open another.
    Open(Opener),
    /// Another request is opening one.
    Wait(Rc<Opening>),
    /// All are full, and no more are opened.
    Full,
}

impl Connections {
    /// Room for a request whose answer has this window.
    pub(crate) fn take(&self, window: &TakenWindow, now: Time) -> Taken {
        let window = window.window;
        if let Some(sender) = self.sender(window, Share::Ahead) {
            return Taken::Sender(sender, None);
        }
        if let Some(sender) = self.sender(window, Share::All) {
            let next = if now < self.paused.get() { None } else { self.opener(window).ok() };
            return Taken::Sender(sender, next);
        }
        match self.opener(window) {
            Ok(opener) => Taken::Open(opener),
            Err(Some(opening)) => Taken::Wait(opening),
            Err(None) => Taken::Full,
        }
    }

    /// Room on the first connection that has not given away this share of its own. Forgets those that are over.
    fn sender(&self, window: Window, share: Share) -> Option<Sender> {
        let mut open = self.open.borrow_mut();
        let mut next = 0;
        while let Some(connection) = open.get(next) {
            if connection.window() != window {
                next += 1;
                continue;
            }
            match connection.sender(share) {
                Ok(Some(sender)) => return Some(sender),
                Ok(None) => next += 1,
                Err(Over) => drop(open.remove(next)),
            }
        }
        None
    }

    /// The duty to open a connection.
    ///
    /// # Errors
    /// Somebody else has it already, or there are as many connections as there may be.
    fn opener(&self, window: Window) -> Result<Opener, Option<Rc<Opening>>> {
        let opening = &mut self.opening.borrow_mut()[window as usize];
        if let Some(opening) = opening
            && opening.outcome.get().is_none()
        {
            return Err(Some(opening.clone()));
        }
        if self.open.borrow().len() >= MOST {
            return Err(None);
        }
        let fresh = Rc::<Opening>::default();
        *opening = Some(fresh.clone());
        Ok(Opener { opening: fresh, window })
    }

    /// Begins a connection over a transport that was just opened, and was counted as such. False: that failed.
    pub(crate) async fn open(
        &self,
        core: &Rc<Core>,
        address: SocketAddr,
        metrics: &Arc<BackendMetrics>,
        head_bytes: usize,
        opener: &Opener,
        transport: Rc<Transport>,
    ) -> bool {
        let window = opener.window;
        let connection =
            Connection::begin(core, address, metrics.clone(), head_bytes, window, transport).await;
        let begun = connection.is_some();
        self.open.borrow_mut().extend(connection);
        begun
    }

    /// None could be opened ahead of need.
    pub(crate) fn pause(&self, now: Time) {
        self.paused.set(now.after(PAUSE));
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
pub(crate) struct Opener {
    opening: Rc<Opening>,
    window: Window,
}

impl Opener {
    /// It did not work: those who wait need not try the same.
    pub(crate) fn failed(self, failure: Failure) {
        self.opening.end(Err(failure));
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        self.opening.end(Ok(()));
    }
}
