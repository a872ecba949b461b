//! One core of the data plane: a thread, a single-threaded runtime, and everything that only it touches.
//!
//! No lock and no `Send` type is on the path of a request. What the cores share is in [`Shared`]: the published
//! Snapshot, the live state of backends, and the counts by which connections are spread.

use crate::backend::CoreBackend;
use crate::buffer::BufferPool;
use crate::clock::{Clock, Date};
use crate::exchange::Scratch;
use crate::listener::CoreReport;
use crate::live::{LiveBackend, Shared};
use crate::mirror::Copies;
use crate::snapshot::{PortId, PortPlan, Snapshot};
use crate::timer::Timers;
use crate::tls::Handshakes;
use irongate_telemetry::{CoreMetrics, Panicked};
use irongate_traffic::Time;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

/// What one core has to itself.
pub(crate) struct Core {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Clock,
    /// The time of day for answers without one; renewed each second.
    pub(crate) date: Date,
    pub(crate) timers: Rc<Timers>,
    pub(crate) buffers: Rc<BufferPool>,
    pub(crate) metrics: CoreMetrics,
    pub(crate) copies: Rc<Copies>,
    pub(crate) handshakes: Rc<Handshakes>,
    /// Memory of what compresses answers, in bytes.
    pub(crate) coded: Cell<usize>,
    /// Memory of bodies of requests that are read whole first, in bytes.
    pub(crate) stored: Cell<usize>,
    /// Set once draining has begun: answers end their connections.
    pub(crate) draining: Cell<bool>,
    closes_idle: Cell<bool>,
    /// Clients so far.
    clients: Cell<u64>,
    view: RefCell<Rc<View>>,
    /// By [`LiveBackend::slot`]; made when the first request comes for one.
    backends: RefCell<Vec<Option<Rc<CoreBackend>>>>,
    random: RefCell<fastrand::Rng>,
    #[expect(clippy::vec_box, reason = "a scratch is moved twice a request: as a pointer, not as 400 bytes")]
    scratch: RefCell<Vec<Box<Scratch>>>,
    memory: RefCell<Vec<Vec<u8>>>,
    /// What the next connections to origins are, in place of sockets.
    #[cfg(feature = "memory")]
    pub(crate) fresh: RefCell<std::collections::VecDeque<crate::transport::Transport>>,
}

/// The published Snapshot as this core sees it: counted here, so that the cores do not share a count of it.
pub(crate) struct View {
    pub(crate) snapshot: Arc<Snapshot>,
}

/// How many emptied vectors and scratches are kept for the next exchange, and how large a vector may be to be kept.
const KEPT: usize = 128;
const KEPT_CAPACITY: usize = 32 << 10;
/// Before a task that panicked is started again, so that one that always does costs little.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs a task of a core; after a panic in it, again: everything on the core depends on it.
pub(crate) async fn supervised<F>(core: Rc<Core>, what: &'static str, task: impl Fn(Rc<Core>) -> F)
where
    F: Future<Output = ()> + 'static,
{
    while let Err(error) = tokio::task::spawn_local(task(core.clone())).await {
        if !error.is_panic() {
            return;
        }
        core.shared.registry.metrics.panicked(Panicked::Task);
        tracing::error!(what, "a task of a core panicked and is started again");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Counts a panic if one ends the task that holds it.
pub(crate) struct PanicWatch {
    core: Rc<Core>,
    what: Panicked,
}

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.core.shared.registry.metrics.panicked(self.what);
        }
    }
}

impl Core {
    pub(crate) fn new(index: usize, shared: Arc<Shared>) -> Rc<Self> {
        let clock = shared.clock;
        Rc::new(Self {
            index,
            clock,
            date: Date::new(SystemTime::now()),
            timers: Timers::new(clock),
            buffers: Rc::default(),
            metrics: shared.registry.metrics.core(index),
            copies: Rc::default(),
            handshakes: Rc::default(),
            coded: Cell::default(),
            stored: Cell::default(),
            draining: Cell::new(false),
            closes_idle: Cell::new(false),
            clients: Cell::new(0),
            view: RefCell::new(Rc::new(View { snapshot: Arc::default() })),
            backends: RefCell::default(),
            random: RefCell::new(fastrand::Rng::new()),
            scratch: RefCell::default(),
            memory: RefCell::default(),
            #[cfg(feature = "memory")]
            fresh: RefCell::default(),
            shared,
        })
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// To be held by a task that ends `what` if it panics.
    pub(crate) fn watch(self: &Rc<Self>, what: Panicked) -> PanicWatch {
        PanicWatch { core: self.clone(), what }
    }

    /// Whether idle connections are to end now.
    pub(crate) fn closes_idle(&self) -> bool {
        self.closes_idle.get()
    }

    /// Ends idle connections, and those that become idle.
    pub(crate) fn close_idle(&self) {
        self.closes_idle.set(true);
        self.timers.wake_all();
    }

    /// The load of every endpoint as this core sees it.
    pub(crate) fn report(&self) -> CoreReport {
        let now = self.now();
        let backends = self.backends.borrow();
        backends.iter().flatten().map(|backend| (backend.live.clone(), backend.loads(now))).collect()
    }

    pub(crate) fn random(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }

    /// A number for a client, from 1.
    pub(crate) fn next_number(&self) -> u64 {
        self.clients.set(self.clients.get() + 1);
        self.clients.get()
    }

    /// The newest Snapshot. Looked at once a request: one atomic load when nothing changed.
    pub(crate) fn view(&self) -> Rc<View> {
        {
            let view = self.view.borrow();
            if view.snapshot.version == self.shared.version.load(Ordering::Acquire) {
                return view.clone();
            }
        }
        self.renew()
    }

    /// Takes the newest Snapshot. What the core has of backends and routes stays: nothing is looked up anew.
    #[cold]
    fn renew(&self) -> Rc<View> {
        let view = Rc::new(View { snapshot: self.shared.snapshot.load_full() });
        let old = self.view.replace(view.clone());
        // Taking a large snapshot apart takes time: it is done on the control side.
        if let Some(View { snapshot }) = Rc::into_inner(old) {
            self.shared.discard(snapshot);
        }
        view
    }

    /// What the core has of a backend.
    #[inline]
    pub(crate) fn backend(&self, live: &Arc<LiveBackend>) -> Rc<CoreBackend> {
        match self.backends.borrow().get(live.slot) {
            Some(Some(known)) if Arc::ptr_eq(&known.live, live) => return known.clone(),
            _ => {}
        }
        self.first_use(live)
    }

    #[cold]
    fn first_use(&self, live: &Arc<LiveBackend>) -> Rc<CoreBackend> {
        let backend = CoreBackend::new(live, &self.metrics, self.now());
        let mut backends = self.backends.borrow_mut();
        if backends.len() <= live.slot {
            backends.resize(live.slot + 1, None);
        }
        backends[live.slot] = Some(backend.clone());
        backend
    }

    /// Gives back what is used no more: an old Snapshot, which a core without requests would keep for ever, backends
    /// that are not in the newest, and connections that were idle for too long. To be called now and then.
    pub(crate) fn tidy(&self) {
        let view = self.view();
        let now = self.now();
        for (slot, entry) in self.backends.borrow_mut().iter_mut().enumerate() {
            let Some(backend) = entry else { continue };
            let wanted = view.snapshot.backends.get(slot).and_then(Option::as_ref);
            if wanted.is_some_and(|live| Arc::ptr_eq(live, &backend.live)) {
                backend.tidy(now);
            } else {
                *entry = None;
            }
        }
    }

    /// The heads of an exchange, to be given back.
    pub(crate) fn take_scratch(&self) -> Box<Scratch> {
        self.scratch.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_scratch(&self, mut scratch: Box<Scratch>) {
        scratch.request.fields.forget_large();
        scratch.response.fields.forget_large();
        let mut kept = self.scratch.borrow_mut();
        if kept.len() < KEPT {
            kept.push(scratch);
        }
    }

    /// An empty vector, to be given back.
    pub(crate) fn take_memory(&self) -> Vec<u8> {
        self.memory.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_memory(&self, mut memory: Vec<u8>) {
        let mut kept = self.memory.borrow_mut();
        if kept.len() < KEPT && (1..=KEPT_CAPACITY).contains(&memory.capacity()) {
            memory.clear();
            kept.push(memory);
        }
    }
}

impl View {
    /// The plan of a port, unless it is gone.
    pub(crate) fn port(&self, id: PortId) -> Option<&PortPlan> {
        self.snapshot.ports.get(&id).map(|plan| &**plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::{CoreHandle, Spread};
    use crate::snapshot::compile;
    use irongate_config::{Backend, BackendKey, BackendKind, Config, Endpoint, Endpoints};
    use irongate_telemetry::Registry;
    use irongate_traffic::PickRequest;
    use std::sync::atomic::AtomicUsize;
    use tokio::net::{TcpListener, TcpStream};

    fn config() -> Config {
        let name = irongate_config::ObjectName::new("default", "origin").expect("a name");
        let key = BackendKey {
            kind: BackendKind::Service,
            name,
            port: 80,
            protocol: irongate_config::BackendProtocol::Http1,
            identity: None,
        };
        let endpoint = Endpoint::new(([127, 0, 0, 1], 1).into(), 1);
        let backend = Backend {
            key: key.clone(),
            endpoints: Endpoints::Static(vec![endpoint]),
            tls: None,
            options: Arc::default(),
        };
        Config { backends: [(key, backend.into())].into(), ..Config::default() }
    }

    fn publish(shared: &Shared, config: &Config, version: u64) {
        let former = shared.snapshot.load_full();
        let (snapshot, _) = compile(config, &shared.registry, &former, version, |_| PortId(0));
        shared.snapshot.store(Arc::new(snapshot));
        shared.version.store(version, Ordering::Release);
    }

    /// The idle connections to origins, as they are scraped.
    fn idle(metrics: &Arc<Registry>) -> f64 {
        let text = metrics.encode();
        let line = text.lines().find(|line| line.starts_with("irongate_upstream_connections_idle{"));
        line.and_then(|line| line.split_whitespace().last()?.parse().ok()).unwrap_or_default()
    }

    #[test]
    fn what_a_snapshot_no_longer_has_is_given_back() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let metrics = Registry::new(1);
            let (probes, _received) = tokio::sync::mpsc::unbounded_channel();
            let (discard, discarded) = std::sync::mpsc::channel();
            let shared = Shared::new(metrics.clone(), probes, 1, discard);
            let (commands, _) = tokio::sync::mpsc::unbounded_channel();
            let handle = CoreHandle { commands, connections: AtomicUsize::new(0) };
            shared.set_spread(Arc::new(Spread { cores: vec![handle] }));
            publish(&shared, &config(), 1);
            let core = Core::new(0, shared.clone());
            let view = core.view();
            let request = PickRequest { random: 0, tried: &[], replayable: true, affinity: None };
            let backend = core.backend(view.snapshot.backends[0].as_ref().expect("a backend"));
            let picked = backend.pick(core.now(), &request).expect("an endpoint");
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
            let stream = TcpStream::connect(listener.local_addr().expect("its address")).await;
            backend.metrics.opened();
            backend.give_idle(picked.index, Rc::new(stream.expect("open").into()), core.now(), None);
            drop((view, backend));
            assert_eq!(idle(&metrics), 1.0);
            discarded.try_iter().for_each(drop);
            publish(&shared, &Config::default(), 2);
            core.tidy();
            assert_eq!(idle(&metrics), 0.0, "the backend's connections were closed and counted");
            let version = discarded.try_recv().map(|snapshot| snapshot.version);
            assert_eq!(version, Ok(1), "the old snapshot is taken apart elsewhere");
        });
    }
}
