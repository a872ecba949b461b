//! A backend as one core sees it: load, idle connections, counters.

mod affinity;
mod limits;
mod load;

pub(crate) use limits::Permit;
pub(crate) use load::{Load, connect_outcome};

use crate::http2::client::Connections;
use crate::live::{LiveBackend, Settings};
use crate::snapshot::ConcurrencyUse;
use crate::tls::{ClientPlan, EndpointTls, TlsStream};
use crate::transport::Transport;
use irongate_config::{BackendOptions, BackendProtocol};
use irongate_telemetry::{BackendMetrics, CoreMetrics, EndpointMetrics};
use irongate_traffic::{
    Balancer, Begin, EndpointIndex, EndpointLoad, EndpointState, PickRequest, Picked, Time,
};
use std::cell::{Cell, Ref, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// A pooled connection that was idle for longer is not used for a request that could not be sent again: the
/// origin may be closing it at this moment.
const SURELY_OPEN: Duration = Duration::from_secs(1);

/// One core's view of a backend. Kept across snapshots, by key.
pub(crate) struct CoreBackend {
    pub(crate) live: Arc<LiveBackend>,
    pub(crate) protocol: BackendProtocol,
    options: RefCell<Arc<BackendOptions>>,
    /// Whether the options limit anything.
    limited: Cell<bool>,
    /// How many requests may be under way at once.
    concurrency: RefCell<Option<Arc<ConcurrencyUse>>>,
    /// Requests of this core that wait for a connection.
    waiting: Cell<u32>,
    /// How TLS is begun with its endpoints.
    tls: RefCell<Option<Arc<ClientPlan>>>,
    /// Which version of the live backend's settings is known here.
    seen: Cell<u64>,
    balancer: RefCell<Balancer>,
    /// By the position of an [`EndpointIndex`]; those that requests were sent to.
    endpoints: RefCell<Vec<Option<CoreEndpoint>>>,
    pub(crate) metrics: Arc<BackendMetrics>,
    core_metrics: CoreMetrics,
}

/// What a core keeps of an endpoint.
struct CoreEndpoint {
    state: Arc<EndpointState>,
    metrics: Arc<EndpointMetrics>,
    idle: Vec<Idle>,
    tls: Option<EndpointTls>,
    http2: Option<Rc<Connections>>,
    /// Those that belong to one client each.
    owned_http2: HashMap<SocketAddr, Rc<Connections>>,
}

/// An idle connection; the one that was used last is used first.
struct Idle {
    transport: Rc<Transport>,
    /// Who alone may use it, if its beginning told the instance of one client.
    owner: Option<SocketAddr>,
    since: Time,
}

impl CoreEndpoint {
    /// The connection that was used last, of those that this owner may use.
    fn take_last(&mut self, owner: Option<SocketAddr>) -> Option<Idle> {
        if let Some(idle) = self.idle.pop_if(|idle| idle.owner == owner) {
            return Some(idle);
        }
        let place = self.idle.iter().rposition(|idle| idle.owner == owner)?;
        Some(self.idle.remove(place))
    }
}

impl CoreBackend {
    pub(crate) fn new(live: &Arc<LiveBackend>, metrics: &CoreMetrics, now: Time) -> Rc<Self> {
        let Settings { version, options, plan, tls, concurrency } = Settings::clone(&live.settings());
        let balancer = Balancer::new(live.state.clone(), &plan, metrics.index(), now);
        Rc::new(Self {
            protocol: live.key.protocol,
            limited: Cell::new(!options.limits.is_empty()),
            concurrency: RefCell::new(concurrency),
            waiting: Cell::new(0),
            options: RefCell::new(options),
            tls: RefCell::new(tls),
            seen: Cell::new(version),
            balancer: RefCell::new(balancer),
            endpoints: RefCell::default(),
            metrics: metrics.backend(&live.label),
            core_metrics: metrics.clone(),
            live: live.clone(),
        })
    }

    pub(crate) fn options(&self) -> Ref<'_, Arc<BackendOptions>> {
        self.options.borrow()
    }

    /// An endpoint for a request.
    pub(crate) fn pick(&self, now: Time, request: &PickRequest<'_>) -> Option<Picked> {
        if self.live.version() != self.seen.get() {
            self.take_settings(now);
        }
        self.balancer.borrow_mut().pick(now, request)
    }

    #[cold]
    fn take_settings(&self, now: Time) {
        let Settings { version, options, plan, tls, concurrency } = Settings::clone(&self.live.settings());
        self.seen.set(version);
        *self.concurrency.borrow_mut() = concurrency;
        self.balancer.borrow_mut().update(&plan, now);
        self.limited.set(!options.limits.is_empty());
        *self.options.borrow_mut() = options;
        // What was verified in a way that is no longer configured carries no more requests than those under way.
        let is_verified = is_same(self.tls.borrow().as_ref(), tls.as_ref());
        *self.tls.borrow_mut() = tls;
        // Connections to endpoints that are gone end; requests under way have their own.
        let balancer = self.balancer.borrow();
        for (position, place) in self.endpoints.borrow_mut().iter_mut().enumerate() {
            let Some(endpoint) = place else { continue };
            if !is_verified || !balancer.is_member(position, &endpoint.state) {
                self.drop_idle(endpoint, |_| false);
                *place = None;
            }
        }
    }

    /// How TLS is begun with an endpoint; `None`: it is spoken to in cleartext.
    pub(crate) fn tls(&self, index: EndpointIndex) -> Option<(Arc<ClientPlan>, EndpointTls)> {
        let plan = self.tls.borrow().clone()?;
        let endpoint = self
            .with_endpoint(index, |endpoint| endpoint.tls.get_or_insert_with(|| plan.endpoint()).clone())?;
        Some((plan, endpoint))
    }

    /// Every endpoint's load.
    pub(crate) fn loads(&self, now: Time) -> Vec<EndpointLoad> {
        self.balancer.borrow().snapshot(now)
    }

    pub(crate) fn has_other(&self, tried: &[EndpointIndex]) -> bool {
        self.balancer.borrow().has_other(tried)
    }

    pub(crate) fn try_retry(&self, now: Time) -> bool {
        self.balancer.borrow_mut().try_retry(now)
    }

    /// Begins a request to a picked endpoint.
    pub(crate) fn begin(self: &Rc<Self>, picked: &Picked, now: Time, begin: Begin) -> Load {
        let ticket = self.balancer.borrow_mut().begin(picked, now, begin);
        Load { backend: self.clone(), index: picked.index, ticket: Some(ticket), begun: now }
    }

    /// The endpoint's address.
    pub(crate) fn address(&self, index: EndpointIndex) -> Option<SocketAddr> {
        self.balancer.borrow().endpoint(index).map(|state| state.address())
    }

    /// The endpoint's state, which all cores share.
    pub(crate) fn endpoint(&self, index: EndpointIndex) -> Option<Arc<EndpointState>> {
        self.balancer.borrow().endpoint(index).cloned()
    }

    /// An idle connection that is still open as far as is known. `careful`: the request could not be sent again.
    pub(crate) fn take_idle(
        &self,
        index: EndpointIndex,
        now: Time,
        careful: bool,
        owner: Option<SocketAddr>,
    ) -> Option<Rc<Transport>> {
        let longest = if careful { SURELY_OPEN } else { self.options.borrow().pool.idle_timeout };
        self.with_endpoint(index, |endpoint| {
            while let Some(idle) = endpoint.take_last(owner) {
                self.metrics.unparked();
                if now.saturating_since(idle.since) <= longest && idle.transport.is_quiet() {
                    return Some(idle.transport);
                }
                self.metrics.closed();
            }
            None
        })?
    }

    /// Keeps a connection for the next request, if there is room.
    pub(crate) fn give_idle(
        &self,
        index: EndpointIndex,
        transport: Rc<Transport>,
        now: Time,
        owner: Option<SocketAddr>,
    ) {
        let most = self.options.borrow().pool.max_idle as usize;
        let is_verified = is_same(self.tls.borrow().as_ref(), transport.tls().and_then(TlsStream::plan));
        // One that was removed meanwhile gets no more requests.
        let is_wanted = is_verified && self.balancer.borrow().is_used(index);
        let kept = self.with_endpoint(index, |endpoint| {
            let room = is_wanted && endpoint.idle.len() < most && !self.is_short_of_connections();
            if room {
                endpoint.idle.push(Idle { transport, owner, since: now });
            }
            room
        });
        if kept == Some(true) { self.metrics.parked() } else { self.metrics.closed() }
    }

    /// The endpoint's HTTP/2 connections.
    pub(crate) fn http2(&self, index: EndpointIndex, owner: Option<SocketAddr>) -> Option<Rc<Connections>> {
        self.with_endpoint(index, |endpoint| match owner {
            None => endpoint.http2.get_or_insert_with(Rc::default).clone(),
            Some(owner) => endpoint.owned_http2.entry(owner).or_default().clone(),
        })
    }

    /// Closes what was idle for too long, is not quiet, or leads to an endpoint that is gone.
    pub(crate) fn tidy(&self, now: Time) {
        if self.live.version() != self.seen.get() {
            self.take_settings(now);
        }
        let is_short = self.is_short_of_connections();
        let longest = self.options.borrow().pool.idle_timeout;
        for endpoint in self.endpoints.borrow_mut().iter_mut().flatten() {
            self.drop_idle(endpoint, |idle| {
                !is_short && now.saturating_since(idle.since) <= longest && idle.transport.is_quiet()
            });
            if let Some(connections) = &endpoint.http2 {
                connections.tidy(now);
            }
            endpoint.owned_http2.retain(|_, connections| {
                connections.tidy(now);
                Rc::strong_count(connections) > 1 || !connections.is_empty()
            });
        }
    }

    fn drop_idle(&self, endpoint: &mut CoreEndpoint, keep: impl FnMut(&Idle) -> bool) {
        let before = endpoint.idle.len();
        endpoint.idle.retain(keep);
        for _ in endpoint.idle.len()..before {
            self.metrics.unparked();
            self.metrics.closed();
        }
    }

    fn with_endpoint<R>(&self, index: EndpointIndex, with: impl FnOnce(&mut CoreEndpoint) -> R) -> Option<R> {
        let balancer = self.balancer.borrow();
        let state = balancer.endpoint(index)?;
        let mut endpoints = self.endpoints.borrow_mut();
        let position = index.position();
        if endpoints.len() <= position {
            endpoints.resize_with(position + 1, || None);
        }
        let place = &mut endpoints[position];
        if place.as_ref().is_none_or(|endpoint| !Arc::ptr_eq(&endpoint.state, state)) {
            *place = Some(self.core_endpoint(state));
        }
        place.as_mut().map(with)
    }

    fn core_endpoint(&self, state: &Arc<EndpointState>) -> CoreEndpoint {
        let metrics = self.core_metrics.endpoint(&self.live.label, state.address());
        CoreEndpoint {
            state: state.clone(),
            metrics,
            idle: Vec::new(),
            tls: None,
            http2: None,
            owned_http2: HashMap::new(),
        }
    }
}

/// Whether TLS is begun in the same way.
fn is_same(one: Option<&Arc<ClientPlan>>, other: Option<&Arc<ClientPlan>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}

/// A connection that was taken for an exchange: counted as closed when it is dropped and was not given back.
pub(crate) struct Held<'a>(Option<&'a BackendMetrics>);

impl<'a> Held<'a> {
    pub(crate) fn new(metrics: &'a BackendMetrics) -> Self {
        Self(Some(metrics))
    }

    /// The same for one that was just opened, which is counted too.
    pub(crate) fn opened(metrics: &'a BackendMetrics) -> Self {
        metrics.opened();
        Self(Some(metrics))
    }

    /// Somebody else counts it from now on.
    pub(crate) fn give_back(mut self) {
        self.0 = None;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(metrics) = self.0 {
            metrics.closed();
        }
    }
}

impl Drop for CoreBackend {
    fn drop(&mut self) {
        for mut endpoint in std::mem::take(self.endpoints.get_mut()).into_iter().flatten() {
            self.drop_idle(&mut endpoint, |_| false);
        }
    }
}
