//! Everything that is counted, by key.

use crate::accepting::AcceptPauses;
use crate::series::{CoreTotals, ENDPOINT_RETENTION, Family};
use crate::{
    AcceptPause, BackendHealth, BackendMetrics, CompressionLabels, CompressionMetrics, ConcurrencyMetrics,
    ConcurrencyReading, DiscoveryReading, EndpointLabels, EndpointMetrics, EndpointReading, ExchangeMetrics,
    FlowLabels, FlowMetrics, LimitStoreMetrics, LimitStoreReading, ListenerMetrics, RequestLabels,
    RequestMetrics, Series, StreamMetrics, encode, process,
};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The media type of [`Registry::encode`]: OpenMetrics 1.0, which Prometheus reads since 2.5.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that a process counts. Taking handles and scraping lock it for a moment and belong to the
/// control side; counting never touches it.
#[derive(Debug)]
pub struct Registry {
    pub(crate) requests: Family<RequestMetrics>,
    pub(crate) exchanges: Family<ExchangeMetrics>,
    pub(crate) listeners: Family<ListenerMetrics>,
    pub(crate) backends: Family<BackendMetrics>,
    pub(crate) endpoints: Family<EndpointMetrics>,
    pub(crate) streams: Family<StreamMetrics>,
    pub(crate) flow: Family<FlowMetrics>,
    pub(crate) compression: Family<CompressionMetrics>,
    pub(crate) concurrency: Family<ConcurrencyMetrics>,
    pub(crate) limit_stores: Family<LimitStoreMetrics>,
    pub(crate) totals: Arc<[Arc<CoreTotals>]>,
    pub(crate) config: ConfigState,
    pub(crate) panics: [AtomicU64; Panicked::ALL.len()],
    pub(crate) accept_pauses: AcceptPauses,
    pub(crate) started: SystemTime,
    epoch: Instant,
    health: Mutex<Option<Ask<BackendHealth>>>,
    discovery: Mutex<Option<Ask<DiscoveryReading>>>,
    limits: Mutex<Option<Ask<ConcurrencyReading>>>,
    stores: Mutex<Option<Ask<LimitStoreReading>>>,
}

/// How the configuration in use came about.
#[derive(Debug, Default)]
pub(crate) struct ConfigState {
    pub(crate) version: AtomicU64,
    pub(crate) applied: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) last_failed: AtomicBool,
    pub(crate) last_applied_seconds: AtomicU64,
    /// Microseconds that each of [`ReloadPhases`] took last.
    pub(crate) phases: [AtomicU64; 3],
}

/// How long the parts of a reload took.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReloadPhases {
    /// Reading the files and decoding what changed.
    pub read: Duration,
    /// Working out what it means.
    pub translate: Duration,
    /// Compiling, publishing, opening and closing sockets, and looking up names that are new.
    pub apply: Duration,
}

/// What a panic has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panicked {
    /// A client's connection.
    Connection,
    /// A stream of one, over HTTP/2.
    Stream,
    /// A task that serves all connections; it was started again.
    Task,
    /// All of a data thread; it was started again.
    Core,
}

impl Panicked {
    pub(crate) const ALL: [Self; 4] = [Self::Connection, Self::Stream, Self::Task, Self::Core];

    /// In lower case, as metrics say it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Stream => "stream",
            Self::Task => "task",
            Self::Core => "core",
        }
    }
}

/// What a scrape asks somebody else for.
struct Ask<T>(Arc<dyn Fn() -> Vec<T> + Send + Sync>);

impl<T> Ask<T> {
    fn ask(of: &Mutex<Option<Self>>) -> Vec<T> {
        // It is called without the lock, so that it may take as long as it does.
        let ask = of.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|ask| ask.0.clone());
        ask.map(|ask| ask()).unwrap_or_default()
    }
}

impl<T> fmt::Debug for Ask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ask")
    }
}

impl Registry {
    /// An empty one, for that many threads that count (at least one).
    #[must_use]
    pub fn new(cores: usize) -> Arc<Self> {
        let totals: Arc<[_]> = (0..cores.max(1)).map(|_| Arc::<CoreTotals>::default()).collect();
        Arc::new(Self {
            requests: Family::new(cores),
            exchanges: Family::new(cores),
            listeners: Family::new(cores),
            backends: Family::new(cores),
            endpoints: Family::with_retention(cores, ENDPOINT_RETENTION),
            streams: Family::new(cores),
            flow: Family::new(cores),
            compression: Family::new(cores),
            concurrency: Family::new(cores),
            limit_stores: Family::new(cores),
            totals,
            config: ConfigState::default(),
            panics: Default::default(),
            accept_pauses: AcceptPauses::default(),
            started: SystemTime::now(),
            epoch: Instant::now(),
            health: Mutex::new(None),
            discovery: Mutex::new(None),
            limits: Mutex::new(None),
            stores: Mutex::new(None),
        })
    }

    /// What is counted of the requests of one listener, route and backend, for all cores. It keeps what is counted
    /// of that listener and backend together ([`ExchangeMetrics`]) for as long as it is kept itself.
    #[must_use]
    pub fn requests(&self, labels: &RequestLabels) -> Arc<Series<RequestMetrics>> {
        let now = self.now();
        self.requests
            .series(labels, now, || self.exchanges.series(&labels.exchange(), now, || self.totals.clone()))
    }

    /// What is counted of a listener's connections, for all cores; by its key as it is shown.
    #[must_use]
    pub fn listener(&self, listener: &str) -> Arc<Series<ListenerMetrics>> {
        self.listeners.series(&listener.into(), self.now(), || ())
    }

    /// What is counted of the connections to a backend, for all cores; by its key as it is shown.
    #[must_use]
    pub fn backend(&self, backend: &str) -> Arc<Series<BackendMetrics>> {
        self.backends.series(&backend.into(), self.now(), || ())
    }

    /// What is counted of the attempts at an endpoint, for all cores.
    #[must_use]
    pub fn endpoint(&self, backend: &str, address: SocketAddr) -> Arc<Series<EndpointMetrics>> {
        let labels = EndpointLabels { backend: backend.into(), address };
        self.endpoints.series(&labels, self.now(), || ())
    }

    /// How many threads count.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.totals.len()
    }

    /// What is counted of the connections or sessions of one listener, route and backend that carry plain bytes or
    /// datagrams, for all cores.
    #[must_use]
    pub fn streams(&self, labels: &RequestLabels) -> Arc<Series<StreamMetrics>> {
        self.streams.series(labels, self.now(), || ())
    }

    /// What is counted of a limit or of a policy's faults, for all cores.
    #[must_use]
    pub fn flow(&self, labels: &FlowLabels) -> Arc<Series<FlowMetrics>> {
        self.flow.series(labels, self.now(), || ())
    }

    /// What is counted of a policy's compression by one coding, for all cores.
    #[must_use]
    pub fn compression(&self, labels: &CompressionLabels) -> Arc<Series<CompressionMetrics>> {
        self.compression.series(labels, self.now(), || ())
    }

    /// What is counted of a limit of what is under way, for all cores; by its policy and target.
    #[must_use]
    pub fn concurrency(&self, scope: &Arc<str>) -> Arc<Series<ConcurrencyMetrics>> {
        self.concurrency.series(scope, self.now(), || ())
    }

    /// What is counted of a store of rate limits, for all cores; by its name as it is shown.
    #[must_use]
    pub fn limit_store(&self, store: &str) -> Arc<Series<LimitStoreMetrics>> {
        self.limit_stores.series(&store.into(), self.now(), || ())
    }

    /// The same handles for one core, from 0.
    #[must_use]
    pub fn core(self: &Arc<Self>, core: usize) -> CoreMetrics {
        CoreMetrics { registry: self.clone(), core }
    }

    /// Where each scrape asks how the endpoints of the backends are. Called on the scraping thread; it should
    /// only read.
    pub fn set_backend_health(&self, source: impl Fn() -> Vec<BackendHealth> + Send + Sync + 'static) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = Some(Ask(Arc::new(source)));
    }

    /// The same for the sources of endpoints.
    pub fn set_discovery(&self, source: impl Fn() -> Vec<DiscoveryReading> + Send + Sync + 'static) {
        *self.discovery.lock().unwrap_or_else(PoisonError::into_inner) = Some(Ask(Arc::new(source)));
    }

    /// The same for limits of what is under way.
    pub fn set_concurrency(&self, source: impl Fn() -> Vec<ConcurrencyReading> + Send + Sync + 'static) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = Some(Ask(Arc::new(source)));
    }

    /// Each limit of what is under way, as it stands.
    #[must_use]
    pub fn concurrency_limits(&self) -> Vec<ConcurrencyReading> {
        Ask::ask(&self.limits)
    }

    /// The same for the stores of rate limits.
    pub fn set_limit_stores(&self, source: impl Fn() -> Vec<LimitStoreReading> + Send + Sync + 'static) {
        *self.stores.lock().unwrap_or_else(PoisonError::into_inner) = Some(Ask(Arc::new(source)));
    }

    pub(crate) fn limit_store_readings(&self) -> Vec<LimitStoreReading> {
        Ask::ask(&self.stores)
    }

    /// A configuration has been put into use; `version` is the process's own count of them.
    pub fn config_applied(&self, version: u64, at: SystemTime) {
        let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        self.config.version.store(version, Ordering::Relaxed);
        self.config.last_applied_seconds.store(seconds, Ordering::Relaxed);
        self.config.last_failed.store(false, Ordering::Relaxed);
        self.config.applied.fetch_add(1, Ordering::Relaxed);
    }

    /// How long the parts of the last reload took.
    pub fn config_phases(&self, phases: &ReloadPhases) {
        let ReloadPhases { read, translate, apply } = *phases;
        for (to, from) in self.config.phases.iter().zip([read, translate, apply]) {
            to.store(u64::try_from(from.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// Not all of a new configuration could be used; what is broken stays as it was before.
    pub fn config_failed(&self) {
        self.config.last_failed.store(true, Ordering::Relaxed);
        self.config.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// A panic, which is a mistake in the program, has ended this.
    pub fn panicked(&self, what: Panicked) {
        self.panics[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Accepting had to wait, on one core, for this.
    pub fn accept_paused(&self, pause: AcceptPause) {
        self.accept_pauses.note(pause);
    }

    /// What was counted of every endpoint so far. Feed it to a [`crate::Window`] for the last few seconds.
    #[must_use]
    pub fn endpoints(&self) -> BTreeMap<EndpointLabels, EndpointReading> {
        let all = self.endpoints.all(self.now());
        all.iter().map(|series| (series.labels().clone(), EndpointReading::of(series))).collect()
    }

    /// Everything as OpenMetrics text ([`CONTENT_TYPE`]), in many small writes. Takes time in proportion to the
    /// number of series that have counted something, and little memory besides the writer's.
    ///
    /// # Errors
    ///
    /// The writer's own.
    pub fn encode_to(self: &Arc<Self>, writer: &mut impl fmt::Write) -> fmt::Result {
        encode::encode(self, process::read(), writer)
    }

    /// The same as one string, which may take twice the text's memory while it grows.
    #[must_use]
    pub fn encode(self: &Arc<Self>) -> String {
        let mut text = String::with_capacity(16 << 10);
        // Writing to a string does not fail, and neither does anything that is written here.
        let written = self.encode_to(&mut text);
        debug_assert!(written.is_ok());
        text
    }

    /// Time since the registry was made.
    pub(crate) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    pub(crate) fn backend_health(&self) -> Vec<BackendHealth> {
        Ask::ask(&self.health)
    }

    pub(crate) fn discovery(&self) -> Vec<DiscoveryReading> {
        Ask::ask(&self.discovery)
    }
}

/// One core's way to its handles.
#[derive(Clone, Debug)]
pub struct CoreMetrics {
    registry: Arc<Registry>,
    core: usize,
}

impl CoreMetrics {
    /// Which core it is.
    #[must_use]
    pub fn index(&self) -> usize {
        self.core
    }

    /// What this core counts of the requests of one listener, route and backend.
    #[must_use]
    pub fn requests(&self, labels: &RequestLabels) -> Arc<RequestMetrics> {
        self.registry.requests(labels).core(self.core).clone()
    }

    /// What this core counts of a listener's connections.
    #[must_use]
    pub fn listener(&self, listener: &str) -> Arc<ListenerMetrics> {
        self.registry.listener(listener).core(self.core).clone()
    }

    /// What this core counts of its connections to a backend.
    #[must_use]
    pub fn backend(&self, backend: &str) -> Arc<BackendMetrics> {
        self.registry.backend(backend).core(self.core).clone()
    }

    /// What this core counts of the attempts at an endpoint.
    #[must_use]
    pub fn endpoint(&self, backend: &str, address: SocketAddr) -> Arc<EndpointMetrics> {
        self.registry.endpoint(backend, address).core(self.core).clone()
    }
}
