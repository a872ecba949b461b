//! What lives beside the snapshots, shared by the cores: the published pointer, and the state of backends by key.

mod health;
mod source;

pub(crate) use health::{ProbeReason, ProbeRequest};

use crate::clock::Clock;
use crate::discovery::{FollowRequest, Following};
use crate::failure::Failure;
use crate::limit_store::{KeepRequest, LiveStore, Stores};
use crate::listener::Spread;
use crate::snapshot::{ConcurrencyUse, Limits, Snapshot};
use crate::tls::{ClientPlan, ServerPlans};
use arc_swap::ArcSwap;
use health::Watched;
use irongate_config::{Backend, BackendKey, BackendOptions, Concurrency, Endpoint, Endpoints, LimitStore};
use irongate_telemetry::{AcceptPause, LogLimit, Registry as Metrics};
use irongate_traffic::{BackendState, BalancePlan, EndpointState, Member, Time, session};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What all cores and the control side share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    /// The published snapshot's; looked at once a request.
    pub(crate) version: AtomicU64,
    pub(crate) registry: Registry,
    /// Our name in `Via`, unlike any other instance's, so that a loop is told from a chain.
    pub(crate) via: String,
    /// Client connections at once; beyond it accepting waits.
    pub(crate) most_connections: usize,
    spread: OnceLock<Arc<Spread>>,
    /// Backends whose sources are to be followed, for the one who does it.
    follow_requests: Mutex<Option<UnboundedReceiver<FollowRequest>>>,
    /// Stores to which connections are to be kept, for the one who does it.
    keep_requests: Mutex<Option<UnboundedReceiver<KeepRequest>>>,
    /// Snapshots that the last core let go of, to be taken apart elsewhere.
    discarded: std::sync::mpsc::Sender<Arc<Snapshot>>,
    full: LogLimit,
    unaccepted: LogLimit,
    handshakes: LogLimit,
}

impl Shared {
    pub(crate) fn new(
        metrics: Arc<Metrics>,
        probes: UnboundedSender<ProbeRequest>,
        most_connections: usize,
        discarded: std::sync::mpsc::Sender<Arc<Snapshot>>,
    ) -> Arc<Self> {
        let clock = Clock::start();
        let (followers, follow_requests) = unbounded_channel();
        let (keepers, keep_requests) = unbounded_channel();
        Arc::new(Self {
            clock,
            follow_requests: Mutex::new(Some(follow_requests)),
            keep_requests: Mutex::new(Some(keep_requests)),
            snapshot: ArcSwap::default(),
            version: AtomicU64::new(0),
            registry: Registry {
                metrics,
                probes,
                followers,
                keepers,
                clock,
                zone: OnceLock::new(),
                backends: Mutex::default(),
                limits: Limits::default(),
                stores: Stores::default(),
                servers: ServerPlans::default(),
            },
            via: format!("irongate-{:08x}", fastrand::u32(..)),
            most_connections,
            spread: OnceLock::new(),
            discarded,
            full: LogLimit::new(),
            unaccepted: LogLimit::new(),
            handshakes: LogLimit::new(),
        })
    }

    /// The backends whose sources are to be followed; `None`: somebody does it already.
    pub(crate) fn take_follow_requests(&self) -> Option<UnboundedReceiver<FollowRequest>> {
        self.follow_requests.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The stores to which connections are to be kept; `None`: somebody does it already.
    pub(crate) fn take_keep_requests(&self) -> Option<UnboundedReceiver<KeepRequest>> {
        self.keep_requests.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn set_spread(&self, spread: Arc<Spread>) {
        let _ = self.spread.set(spread);
    }

    /// How connections are spread.
    pub(crate) fn spread(&self) -> Arc<Spread> {
        self.spread.get().expect("set before the first core starts").clone()
    }

    pub(crate) fn discard(&self, snapshot: Arc<Snapshot>) {
        // Failing means that the process ends.
        let _ = self.discarded.send(snapshot);
    }

    /// Accepting had to wait; said once in a while.
    pub(crate) fn note_full(&self) {
        self.registry.metrics.accept_paused(AcceptPause::Connections);
        if self.full.admit(self.clock.now().saturating_since(Time::ZERO)).is_some() {
            tracing::warn!(
                connections = self.most_connections,
                "no more connections are accepted until some end; raise the limit on file descriptors"
            );
        }
    }

    /// A handshake with a client failed; said once in a while.
    pub(crate) fn note_handshake(&self, reason: &'static str, client: &str, listener: &str) {
        if let Some(times) = self.handshakes.admit(self.clock.now().saturating_since(Time::ZERO)) {
            tracing::info!(reason, client, listener, times, "a TLS handshake failed");
        }
    }

    /// Accepting failed, not by the client's fault; said once in a while.
    pub(crate) fn note_unaccepted(&self, error: &std::io::Error) {
        self.registry.metrics.accept_paused(crate::listener::pause(error));
        if let Some(times) = self.unaccepted.admit(self.clock.now().saturating_since(Time::ZERO)) {
            let advice = crate::listener::advice(error);
            tracing::warn!(%error, times, "connections cannot be accepted, and wait; {advice}");
        }
    }
}

/// The live backends by key.
pub(crate) struct Registry {
    pub(crate) metrics: Arc<Metrics>,
    probes: UnboundedSender<ProbeRequest>,
    followers: UnboundedSender<FollowRequest>,
    keepers: UnboundedSender<KeepRequest>,
    clock: Clock,
    /// The zone that the gateway is in, if that is known.
    zone: OnceLock<Arc<str>>,
    backends: Mutex<Backends>,
    /// What is kept of rate limits.
    pub(crate) limits: Limits,
    /// Who counts limits for all replicas.
    pub(crate) stores: Stores,
    /// How TLS ends at the listeners.
    pub(crate) servers: ServerPlans,
}

/// The live backends, each in a slot that is its own for as long as it lives.
#[derive(Default)]
struct Backends {
    by_key: HashMap<BackendKey, usize>,
    slots: Vec<Weak<LiveBackend>>,
    free: Vec<usize>,
}

impl Backends {
    /// Frees the slots of those that nobody has any more.
    fn sweep(&mut self) {
        let Self { by_key, slots, free } = self;
        by_key.retain(|_, slot| {
            let lives = slots[*slot].strong_count() > 0;
            if !lives {
                free.push(*slot);
            }
            lives
        });
    }
}

/// What lives of a backend: health, budget and the endpoints of the moment.
pub(crate) struct LiveBackend {
    pub(crate) key: BackendKey,
    /// Its place in the cores' lists.
    pub(crate) slot: usize,
    /// The key as text, for metrics.
    pub(crate) label: Arc<str>,
    /// A number for it, by which sessions name it.
    pub(crate) tag: u64,
    pub(crate) state: Arc<BackendState>,
    /// Where the endpoints come from, if the configuration does not have them.
    following: Mutex<Option<Arc<Following>>>,
    pub(crate) watched: Watched,
    version: AtomicU64,
    /// Read by the cores without a lock: whoever changes it may have to wait for its turn on a busy machine.
    settings: ArcSwap<Settings>,
    changing: Mutex<()>,
    /// Why TLS could not be begun with an endpoint, where it could not the last time.
    tls_failure: Mutex<Option<Failure>>,
    probes: UnboundedSender<ProbeRequest>,
    clock: Clock,
    zone: Option<Arc<str>>,
    cores: usize,
}

/// What is configured of a backend, or was looked up.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Counts up with each change.
    pub(crate) version: u64,
    pub(crate) options: Arc<BackendOptions>,
    /// The endpoints, and how one of them is chosen.
    pub(crate) plan: Arc<BalancePlan>,
    /// How TLS is begun with them; `None`: they are spoken to in cleartext.
    pub(crate) tls: Option<Arc<ClientPlan>>,
    /// How many requests may be under way at once.
    pub(crate) concurrency: Option<Arc<ConcurrencyUse>>,
}

impl Default for Settings {
    fn default() -> Self {
        let options = Arc::default();
        let plan = BalancePlan::new(&options, Vec::new(), 1);
        Self { version: 0, options, plan, tls: None, concurrency: None }
    }
}

impl Registry {
    /// Says in which zone the gateway is; to be called before the first backend is made.
    pub(crate) fn set_zone(&self, zone: Arc<str>) {
        let _ = self.zone.set(zone);
    }

    /// The live backend for a configured one, with the endpoints and options that are configured now.
    pub(crate) fn backend(&self, backend: &Backend) -> Arc<LiveBackend> {
        let mut backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        let known = backends.by_key.get(&backend.key).copied();
        let live = known.and_then(|slot| backends.slots[slot].upgrade()).unwrap_or_else(|| {
            let slot = known.or_else(|| backends.free.pop()).unwrap_or_else(|| {
                backends.slots.push(Weak::new());
                backends.slots.len() - 1
            });
            let label: Arc<str> = backend.key.to_string().into();
            let live = Arc::new(LiveBackend {
                key: backend.key.clone(),
                slot,
                tag: session::tag(&label),
                label,
                state: BackendState::new(&backend.options),
                following: Mutex::default(),
                watched: Watched::default(),
                version: AtomicU64::new(0),
                settings: ArcSwap::default(),
                changing: Mutex::default(),
                tls_failure: Mutex::default(),
                probes: self.probes.clone(),
                clock: self.clock,
                zone: self.zone.get().cloned(),
                cores: self.metrics.cores(),
            });
            backends.slots[slot] = Arc::downgrade(&live);
            backends.by_key.insert(backend.key.clone(), slot);
            live
        });
        drop(backends);
        live.set_options(&backend.options, || self.concurrency(backend));
        live.set_tls(backend);
        match &backend.endpoints {
            Endpoints::Static(endpoints) => {
                live.follow_no_more();
                live.set_endpoints(endpoints);
            }
            discovered => live.follow(discovered, &self.followers),
        }
        live
    }

    /// The limit of what is under way to a backend, whatever is spoken to it.
    fn concurrency(&self, backend: &Backend) -> Option<Arc<ConcurrencyUse>> {
        let wanted = backend.options.concurrency.as_ref()?;
        let limit = Concurrency { scope: backend.key.place().into(), ..wanted.clone() };
        Some(self.limits.concurrency.plan(&limit, &self.metrics))
    }

    /// The live store for a configured one.
    pub(crate) fn store(&self, config: &Arc<LimitStore>) -> Arc<LiveStore> {
        self.stores.live(config, &self.metrics, &self.keepers)
    }

    /// Every live backend.
    pub(crate) fn all(&self) -> Vec<Arc<LiveBackend>> {
        let mut backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        backends.sweep();
        backends.slots.iter().filter_map(Weak::upgrade).collect()
    }
}

impl LiveBackend {
    /// Replaces the endpoints; those that stay keep their state. True if anything changed.
    pub(crate) fn set_endpoints(&self, wanted: &[Endpoint]) -> bool {
        self.change(|former| {
            let wanted = || wanted.iter().map(|endpoint| (endpoint, self.is_near(endpoint)));
            let members = former.plan.members();
            let is_same = |(member, (endpoint, is_near)): (&Member, (&Endpoint, bool))| {
                member.state.address() == endpoint.address
                    && member.weight == endpoint.weight
                    && member.priority == endpoint.priority
                    && member.is_near == is_near
            };
            if members.len() == wanted().len() && members.iter().zip(wanted()).all(is_same) {
                return None;
            }
            let known: HashMap<SocketAddr, &Arc<EndpointState>, foldhash::fast::RandomState> =
                members.iter().map(|member| (member.state.address(), &member.state)).collect();
            let now = self.clock.now();
            let member = |(endpoint, is_near): (&Endpoint, bool)| {
                let state = match known.get(&endpoint.address) {
                    Some(state) => Arc::clone(state),
                    None => EndpointState::new(endpoint.address, &self.state, now),
                };
                Member { state, weight: endpoint.weight, is_near, priority: endpoint.priority }
            };
            let plan = BalancePlan::new(&former.options, wanted().map(member).collect(), self.cores);
            Some(Settings { plan, ..former.clone() })
        })
    }

    /// Whether an endpoint is for requests of the gateway's own zone.
    fn is_near(&self, endpoint: &Endpoint) -> bool {
        self.zone.as_ref().is_some_and(|zone| endpoint.zones.contains(zone))
    }

    fn set_options(
        &self,
        options: &Arc<BackendOptions>,
        concurrency: impl FnOnce() -> Option<Arc<ConcurrencyUse>>,
    ) {
        self.state.set_options(options);
        self.change(|former| {
            (former.options != *options).then(|| {
                let plan = BalancePlan::new(options, former.plan.members().to_vec(), self.cores);
                Settings { options: options.clone(), plan, concurrency: concurrency(), ..former.clone() }
            })
        });
    }

    fn set_tls(&self, backend: &Backend) {
        self.change(|former| {
            let is_same = match (&former.tls, &backend.tls) {
                (None, None) => true,
                (Some(plan), Some(tls)) => plan.is_of(tls),
                _ => false,
            };
            let plan = || backend.tls.as_ref().map(|tls| ClientPlan::new(backend, tls));
            (!is_same).then(|| Settings { tls: plan(), ..former.clone() })
        });
    }

    /// TLS was begun with an endpoint, or that failed.
    pub(crate) fn note_tls(&self, failure: Option<Failure>) {
        *self.tls_failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// Why no endpoint can be tried.
    pub(crate) fn unreachable(&self) -> Failure {
        let failure = *self.tls_failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.unwrap_or(Failure::NoEndpoint)
    }

    /// Publishes other settings, if there are any; tells whether.
    fn change(&self, change: impl FnOnce(&Settings) -> Option<Settings>) -> bool {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let former = self.settings.load();
        let Some(settings) = change(&former) else { return false };
        let version = former.version + 1;
        // Checks may take endpoints out before a core has seen any.
        self.state.set_endpoints(settings.plan.members().len());
        self.settings.store(Arc::new(Settings { version, ..settings }));
        self.version.store(version, Ordering::Release);
        true
    }

    /// What is configured now.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Counts up with each change of the settings.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}
