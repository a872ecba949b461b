//! The proxy as its owner sees it: start, apply a configuration, look, drain.
//!
//! All of this runs on the control side, an ordinary runtime; cores are told by messages.

mod check;
mod core_thread;
mod probe;
mod report;
mod threads;
mod unopened;

pub use report::{BackendReport, EndpointReport};
pub use threads::{available_threads, give_way};
pub use unopened::Unopened;

use crate::datagram;
use crate::discovery;
use crate::http3::QuicPort;
use crate::limit_store::{self, LiveStore};
use crate::listener::{self, Command, CoreHandle, ListenSocket, Spread};
use crate::live::{LiveBackend, Shared};
use crate::place::{Place, PlaceKind};
use crate::snapshot::{PortId, Snapshot, compile};
use irongate_config::{Backend, Config, Endpoints, ListenerKey, Problem};
use irongate_telemetry::{Panicked, Registry as Metrics};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;

/// How long idle clients have, after the sockets were closed, for a request that is already on its way.
const GRACE: Duration = Duration::from_secs(1);
/// How long a new configuration waits for the endpoints of backends that are new in it.
const FIRST: Duration = Duration::from_secs(2);
/// Before a task or a thread that panicked is started again, so that one that always does costs little.
const PAUSE: Duration = Duration::from_millis(50);

/// How the proxy is started.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// Threads of the data plane; at least 1.
    pub threads: usize,
    /// Client connections at once.
    pub most_connections: usize,
    /// The zone that the gateway is in, where that is known: endpoints there are preferred.
    pub zone: Option<Arc<str>>,
}

/// How a proxy ends.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// How long connections are still accepted.
    pub delay: Duration,
    /// How long what runs may take to finish after that.
    pub timeout: Duration,
}

/// A running data plane. Dropped, its threads end at once.
pub struct Proxy {
    shared: Arc<Shared>,
    spread: Arc<Spread>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    ports: Mutex<Ports>,
}

/// Which addresses there are, and which of them are open.
#[derive(Default)]
struct Ports {
    ids: HashMap<Place, PortId>,
    open: BTreeSet<Place>,
    /// Wanted, but they could not be opened.
    missing: BTreeMap<Place, Unopened>,
    version: u64,
}

/// Backends whose sources were asked, and stores that were connected to, until a configuration is applied that has them.
pub struct Resolved {
    _backends: Vec<Arc<LiveBackend>>,
    _stores: Vec<Arc<LiveStore>>,
}

impl Proxy {
    /// Starts the threads. Has to be called within a tokio runtime, which becomes the control side.
    ///
    /// # Errors
    /// The system cannot start a thread, or a runtime in one.
    pub fn start(options: &StartOptions, metrics: &Arc<Metrics>) -> io::Result<Arc<Self>> {
        let threads = options.threads.max(1);
        let (probe_sender, probe_receiver) = unbounded_channel();
        let (discard_sender, discard_receiver) = std::sync::mpsc::channel::<Arc<Snapshot>>();
        std::thread::Builder::new().name("irongate-discard".into()).spawn(move || {
            // Taking a large snapshot apart is work that no data thread should do, nor wait for.
            give_way();
            discard_receiver.into_iter().for_each(drop);
        })?;
        let most_connections = options.most_connections.max(1);
        let shared = Shared::new(metrics.clone(), probe_sender, most_connections, discard_sender);
        if let Some(zone) = &options.zone {
            shared.registry.set_zone(zone.clone());
        }
        let (handles, receivers): (Vec<_>, Vec<_>) = (0..threads)
            .map(|_| {
                let (commands, receiver) = unbounded_channel();
                (CoreHandle { commands, connections: AtomicUsize::new(0) }, receiver)
            })
            .unzip();
        let spread = Arc::new(Spread { cores: handles });
        shared.set_spread(spread.clone());
        let mut joins = Vec::new();
        for (index, commands) in receivers.into_iter().enumerate() {
            joins.push(core_thread::spawn(index, shared.clone(), commands)?);
        }
        tokio::spawn(probe::run(probe_receiver, shared.clock, metrics.clone()));
        let proxy = Arc::new(Self { shared, spread, threads: Mutex::new(joins), ports: Mutex::default() });
        if let Some(requests) = proxy.shared.take_follow_requests() {
            tokio::spawn(discovery::run(requests, metrics.clone()));
        }
        if let Some(requests) = proxy.shared.take_keep_requests() {
            tokio::spawn(limit_store::run(requests, metrics.clone()));
        }
        let of_checks = Arc::downgrade(&proxy.shared);
        tokio::spawn(supervised(metrics.clone(), "active checks", move || check::run(of_checks.clone())));
        let of_ports = Arc::downgrade(&proxy);
        tokio::spawn(supervised(metrics.clone(), "ports that are taken", move || {
            keep_binding(of_ports.clone())
        }));
        Ok(proxy)
    }

    /// Begins to ask for the endpoints of backends that are new in a configuration, so that their first requests find some,
    /// and to connect to stores of rate limits.
    /// To be called before [`apply`](Self::apply), and what it gives dropped after. Takes 2 seconds at most.
    pub async fn resolve(&self, config: &Config) -> Resolved {
        let is_discovered = |backend: &&Arc<Backend>| !matches!(backend.endpoints, Endpoints::Static(_));
        // All of them are kept: what a source has told by now would else go with the one that nobody holds yet.
        let live: Vec<_> = config
            .backends
            .values()
            .filter(is_discovered)
            .map(|backend| self.shared.registry.backend(backend))
            .collect();
        let empty: Vec<_> =
            live.iter().filter(|backend| backend.settings().plan.members().is_empty()).cloned().collect();
        let stores: Vec<_> =
            config.limit_stores.iter().map(|store| self.shared.registry.store(store)).collect();
        tokio::join!(discovery::wait_for_first(&empty, FIRST), limit_store::wait_for_first(&stores, FIRST));
        Resolved { _backends: live, _stores: stores }
    }

    /// Compiles a configuration, publishes it, and opens and closes sockets as it says. What was good keeps running;
    /// what cannot be done is told, here or by [`unopened`](Self::unopened). Returns when every new socket accepts.
    pub fn apply(&self, config: &Config) -> Vec<Problem> {
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.version += 1;
        let version = ports.version;
        let ids = &mut ports.ids;
        let former = self.shared.snapshot.load_full();
        let (snapshot, problems) = compile(config, &self.shared.registry, &former, version, |place| {
            let next = PortId(u32::try_from(ids.len()).unwrap_or(u32::MAX));
            *ids.entry(place).or_insert(next)
        });
        // The newest snapshot is there before the first connection to a new socket is.
        drop(self.shared.snapshot.swap(Arc::new(snapshot)));
        self.shared.version.store(version, Ordering::Release);
        let mut wanted: BTreeMap<Place, ListenerKey> = BTreeMap::new();
        for listener in &config.listeners {
            for place in Place::of(listener) {
                wanted.entry(place).or_insert_with(|| listener.key.clone());
            }
        }
        let gone: Vec<_> = ports.open.iter().filter(|place| !wanted.contains_key(place)).copied().collect();
        ports.missing.clear();
        for (place, listener) in wanted {
            if ports.open.contains(&place) {
                continue;
            }
            if let Err(error) = self.open(&mut ports, place) {
                ports.missing.insert(place, Unopened::new(listener, place, &error));
            }
        }
        // After the new ones are open: a listener that moves from one interface to all keeps its port served.
        for place in gone {
            ports.open.remove(&place);
            let id = ports.ids[&place];
            self.tell_all(|| Command::Close(id));
        }
        problems
    }

    /// The addresses that are wanted and not open, now.
    #[must_use]
    pub fn unopened(&self) -> Vec<Unopened> {
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.missing.values().cloned().collect()
    }

    /// The addresses that are open.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.open.iter().map(|place| place.address).collect()
    }

    /// Client connections that are open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.spread.total()
    }

    /// Ends well: accepts for `delay` while every answer ends its connection, then closes the sockets, waits for what
    /// runs, and stops. True if everything had finished in time.
    pub async fn drain(&self, drain: Drain) -> bool {
        self.tell_all(|| Command::Drain);
        tokio::time::sleep(drain.delay).await;
        {
            let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
            // What could not be opened before is not opened now.
            ports.missing.clear();
            for place in std::mem::take(&mut ports.open) {
                let id = ports.ids[&place];
                self.tell_all(|| Command::Close(id));
            }
        }
        let done = async {
            let grace = tokio::time::Instant::now() + GRACE.min(drain.timeout);
            let mut told = false;
            while self.connections() > 0 {
                if !told && tokio::time::Instant::now() >= grace {
                    told = true;
                    self.tell_all(|| Command::CloseIdle);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        // The accept queues are emptied by the cores: they have had their turn after this.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let in_time = tokio::time::timeout(drain.timeout, done).await.is_ok();
        self.stop();
        in_time
    }

    /// Ends all threads at once.
    fn stop(&self) {
        self.tell_all(|| Command::Stop);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A thread that panicked has said so; there is nothing to be done about it here.
            let _ = thread.join();
        }
    }

    fn open(&self, ports: &mut Ports, place: Place) -> io::Result<()> {
        let Place { address, kind } = place;
        let is_ours =
            ports.open.iter().any(|open| open.kind == kind && open.address.port() == address.port());
        let cores = self.spread.cores.len();
        let id = ports.ids[&place];
        let sockets: Vec<ListenSocket> = match kind {
            PlaceKind::Stream => {
                let sockets = listener::bind(address, cores, is_ours)?.into_iter();
                sockets.map(|socket| ListenSocket::Stream(Arc::new(socket))).collect()
            }
            PlaceKind::Datagram => {
                let sockets = datagram::bind(address, cores, is_ours)?.into_iter();
                sockets.map(|socket| ListenSocket::Datagram(Arc::new(socket))).collect()
            }
            PlaceKind::Quic => {
                let shared = QuicPort::new(cores);
                let sockets = datagram::bind(address, cores, is_ours)?.into_iter();
                sockets.map(|socket| ListenSocket::Quic(Arc::new(socket), shared.clone())).collect()
            }
        };
        for (core, socket) in self.spread.cores.iter().zip(sockets) {
            // Failing means that the core has ended, and the process with it.
            let _ = core.commands.send(Command::Listen(id, socket));
        }
        ports.open.insert(place);
        Ok(())
    }

    fn tell_all(&self, command: impl Fn() -> Command) {
        for core in &self.spread.cores {
            // Failing means that the core has ended.
            let _ = core.commands.send(command());
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a task of the control side; after a panic in it, again.
pub(crate) async fn supervised<F>(metrics: Arc<Metrics>, what: &'static str, task: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    // The set ends the task when nobody waits for it any more.
    let mut running = JoinSet::new();
    loop {
        running.spawn(task());
        match running.join_next().await {
            Some(Err(error)) if error.is_panic() => {}
            _ => return,
        }
        metrics.panicked(Panicked::Task);
        tracing::error!(what, "a task of the control side panicked and is started again");
        tokio::time::sleep(PAUSE).await;
    }
}

/// A socket that could not be opened is tried again, and nobody else waits for it.
async fn keep_binding(proxy: std::sync::Weak<Proxy>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Some(proxy) = proxy.upgrade() else { return };
        let mut ports = proxy.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<_> = ports.missing.keys().copied().collect();
        for place in missing {
            if proxy.open(&mut ports, place).is_ok() {
                ports.missing.remove(&place);
                tracing::info!(address = %place, "listening now");
            }
        }
    }
}

#[cfg(test)]
mod tests;
