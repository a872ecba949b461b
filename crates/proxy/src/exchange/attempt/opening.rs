//! Opening connections for attempts: pooled, fresh, or room on one that is shared.

use super::End;
use crate::backend::{Held, Load, Permit, connect_outcome};
use crate::connection::Client;
use crate::exchange::admit::Work;
use crate::failure::Failure;
use crate::http2::client::{Connections, Opener, Sender, Taken, TakenWindow};
use crate::proxy_header;
use crate::snapshot::PortFacts;
use crate::timer::Timer;
use crate::transport::Transport;
use crate::upstream;
use irongate_telemetry::Panicked;
use irongate_traffic::{
    AttemptFailure, EndpointIndex, Limited, Outcome as LoadOutcome, Time, connect_timeout,
};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// How often those who wait look for a connection where there may be no more.
const LOOK: Duration = Duration::from_millis(2);

/// Why there is no connection, and what that says of the endpoint.
pub(super) type NotOpened = (End, LoadOutcome);

/// A connection; whether it was pooled.
pub(super) type Opened<'a> = (Rc<Transport>, Held<'a>, bool);

/// How a request gets a connection where these may be limited.
enum Place {
    /// It may open one.
    Free(Option<Permit>),
    /// It gets one that was idle.
    Idle(Rc<Transport>),
}

/// What is needed to get a connection.
#[derive(Clone, Copy)]
pub(super) struct Opening<'a, 't> {
    pub(super) client: &'a Client,
    pub(super) timer: &'t Timer,
    pub(super) facts: &'a PortFacts,
    pub(super) work: &'a Work,
    /// On which endpoints the request was tried, this one with them.
    pub(super) tried: &'t [EndpointIndex],
    /// The request's own time is over then.
    pub(super) until: Time,
    /// No pooled one.
    pub(super) only_new: bool,
}

impl<'a> Opening<'a, '_> {
    /// An idle connection. `careful`: the request could not be sent again.
    pub(super) fn idle(self, load: &Load, now: Time, careful: bool) -> Option<Rc<Transport>> {
        let backend = &self.work.backend;
        if self.only_new {
            return None;
        }
        backend.take_idle(load.index, now, careful, backend.owner(self.client))
    }

    /// Room on an HTTP/2 connection to the endpoint. Requests that come while one is being opened wait for it,
    /// as long as they would wait for one of their own.
    pub(super) async fn room(self, load: &Load, now: Time) -> Result<Sender, (End, LoadOutcome)> {
        let backend = &self.work.backend;
        let gone = || (End::Final(Failure::NoEndpoint), LoadOutcome::Cancelled);
        let connections = backend.http2(load.index, backend.owner(self.client)).ok_or_else(gone)?;
        let window = TakenWindow::new(self.client.share.as_ref());
        loop {
            match connections.take(&window, now) {
                Taken::Sender(sender, next) => {
                    next.into_iter().for_each(|next| self.open_next(load.index, connections.clone(), next));
                    return Ok(sender.with_window(window));
                }
                Taken::Open(opener) => match self.connect_when_allowed(load, now).await {
                    Ok((transport, held)) => {
                        let Some(address) = backend.address(load.index) else { return Err(gone()) };
                        let head_bytes = self.facts.options.limits.head_bytes;
                        let (core, metrics) = (&self.client.core, &backend.metrics);
                        held.give_back();
                        if !connections.open(core, address, metrics, head_bytes, &opener, transport).await {
                            let end =
                                End::Failed(AttemptFailure::Reset { sent: false }, Failure::UpstreamClosed);
                            return Err((end, LoadOutcome::Failed));
                        }
                    }
                    Err(failed) => {
                        if let End::Failed(_, failure) = failed.0 {
                            opener.failed(failure);
                        }
                        return Err(failed);
                    }
                },
                Taken::Wait(opening) => {
                    let failure =
                        match self.timer.within(self.connect_until(now), |cx| opening.poll(cx)).await {
                            Ok(Ok(())) => continue,
                            Ok(Err(failure)) => failure,
                            Err(_) if self.client.core.now() >= self.until => {
                                return Err((End::Final(Failure::RequestTimeout), LoadOutcome::Cancelled));
                            }
                            Err(_) => Failure::ConnectTimeout,
                        };
                    // The endpoint is held to it once, by the one who opens.
                    return Err((End::Failed(AttemptFailure::Connect, failure), LoadOutcome::Cancelled));
                }
                Taken::Full => {
                    let end = End::Failed(AttemptFailure::Refused, Failure::UpstreamFull);
                    return Err((end, LoadOutcome::Cancelled));
                }
            }
        }
    }

    /// Opens a connection to the endpoint before those that are there are full. If that fails, the request that needs it will
    /// find out, and hold the endpoint to it.
    fn open_next(self, index: EndpointIndex, connections: Rc<Connections>, opener: Opener) {
        let (core, backend) = (self.client.core.clone(), self.work.backend.clone());
        let header = proxy_header::header(backend.options().proxy_protocol, self.client, self.facts.address);
        let head_bytes = self.facts.options.limits.head_bytes;
        let patience = connect_timeout(backend.options().connect_timeout, true);
        // Those that are there have room yet.
        let Ok(permit) = backend.try_permit(Limited::Connections) else { return };
        tokio::task::spawn_local(Box::pin(async move {
            let _watch = core.watch(Panicked::Task);
            let Some(address) = backend.address(index) else { return };
            let timer = core.timers.timer();
            let mut connecting = pin!(upstream::open(&core, &backend, index, address, &header, permit));
            let opened = timer.within(core.now().after(patience), |cx| connecting.as_mut().poll(cx)).await;
            let Ok(Ok(transport)) = opened else {
                backend.metrics.connect_failed();
                connections.pause(core.now());
                return;
            };
            backend.metrics.opened();
            let metrics = &backend.metrics;
            connections.open(&core, address, metrics, head_bytes, &opener, Rc::new(transport)).await;
        }));
    }

    /// A new connection to the endpoint; where there may be no more, an idle one that is given back meanwhile (`true`).
    pub(super) async fn open_or_wait(
        self,
        load: &Load,
        now: Time,
        careful: bool,
    ) -> Result<Opened<'a>, NotOpened> {
        let backend = &self.work.backend;
        match self.place(now, || self.idle(load, now, careful)).await? {
            Place::Idle(transport) => Ok((transport, Held::new(&backend.metrics), true)),
            Place::Free(permit) => {
                let (transport, held) = self.connect(load, now, permit).await?;
                Ok((transport, held, false))
            }
        }
    }

    async fn connect_when_allowed(
        self,
        load: &Load,
        now: Time,
    ) -> Result<(Rc<Transport>, Held<'a>), NotOpened> {
        match self.place(now, || None).await? {
            Place::Idle(transport) => Ok((transport, Held::new(&self.work.backend.metrics))),
            Place::Free(permit) => self.connect(load, now, permit).await,
        }
    }

    /// A place among the backend's connections, or an idle one that comes free while that is waited for.
    async fn place(
        self,
        now: Time,
        mut idle: impl FnMut() -> Option<Rc<Transport>>,
    ) -> Result<Place, NotOpened> {
        let backend = &self.work.backend;
        if let Ok(permit) = backend.try_permit(Limited::Connections) {
            return Ok(Place::Free(permit));
        }
        let refused = |what| (End::Final(Failure::Limit(what)), LoadOutcome::Cancelled);
        let _waiting = backend.permit(Limited::Pending).map_err(|_| refused(Limited::Pending))?;
        let _here = backend.wait_for_connection();
        let until = self.connect_until(now);
        loop {
            if let Some(transport) = idle() {
                return Ok(Place::Idle(transport));
            }
            if let Ok(permit) = backend.try_permit(Limited::Connections) {
                return Ok(Place::Free(permit));
            }
            // Connections to other endpoints count too.
            if backend.close_one_idle() {
                continue;
            }
            let now = self.client.core.now();
            if now >= until {
                backend.metrics.limited(Limited::Connections as usize);
                return Err(refused(Limited::Connections));
            }
            // Another core may give one back, and does not know who waits.
            self.timer.sleep_until(now.after(LOOK)).await;
        }
    }

    /// Until when a connection may take to open.
    pub(super) fn connect_until(self, now: Time) -> Time {
        let backend = &self.work.backend;
        let configured = backend.options().connect_timeout;
        now.after(connect_timeout(configured, backend.has_other(self.tried))).min(self.until)
    }

    /// A new connection to the endpoint.
    async fn connect(
        self,
        load: &Load,
        now: Time,
        permit: Option<Permit>,
    ) -> Result<(Rc<Transport>, Held<'a>), (End, LoadOutcome)> {
        let backend = &self.work.backend;
        let Some(address) = backend.address(load.index) else {
            return Err((End::Final(Failure::NoEndpoint), LoadOutcome::Cancelled));
        };
        let until = self.connect_until(now);
        let core = &self.client.core;
        let header = proxy_header::header(backend.options().proxy_protocol, self.client, self.facts.address);
        let mut connecting = pin!(upstream::open(core, backend, load.index, address, &header, permit));
        let failed = |failure| {
            backend.metrics.connect_failed();
            Err((End::Failed(AttemptFailure::Connect, failure), connect_outcome(failure)))
        };
        match self.timer.within(until, |cx| connecting.as_mut().poll(cx)).await {
            Ok(Ok(transport)) => {
                let held = Held::opened(&backend.metrics);
                load.connected(self.client.core.now());
                Ok((Rc::new(transport), held))
            }
            Ok(Err(failure)) => failed(failure),
            Err(_) if until == self.until => {
                Err((End::Final(Failure::RequestTimeout), LoadOutcome::Cancelled))
            }
            Err(_) => failed(Failure::ConnectTimeout),
        }
    }
}
