//! One core of the proxy over in-memory streams: for tests on a paused clock and for instruction counts.

use crate::connection;
use crate::core::Core;
use crate::listener::{CoreHandle, Spread};
use crate::live::Shared;
use crate::snapshot::{PortId, Snapshot, compile};
use crate::transport::{MemoryStream, memory_pair};
use irongate_config::{Config, Problem};
use irongate_telemetry::Registry as Metrics;
use irongate_traffic::PickRequest;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What one direction of a stream holds, in bytes, unless told otherwise: about as much as a socket's buffer.
const CAPACITY: usize = 256 << 10;
/// What time of day it is unless told: always the same, so that runs can be compared.
const TIME_OF_DAY: SystemTime = SystemTime::UNIX_EPOCH;

/// A core that serves streams in memory; origins are other ends of pooled connections.
pub struct MemoryGateway {
    core: Rc<Core>,
    metrics: Arc<Metrics>,
    capacity: Cell<usize>,
    _probes: UnboundedReceiver<crate::live::ProbeRequest>,
}

impl MemoryGateway {
    /// Compiles a configuration for one core. Has to be called on a local runtime.
    #[must_use]
    pub fn new(config: &Config) -> (Self, Vec<Problem>) {
        let metrics = Metrics::new(1);
        let (probes, received) = unbounded_channel();
        let (discard, _) = std::sync::mpsc::channel();
        let shared = Shared::new(metrics.clone(), probes, usize::MAX, discard);
        let (commands, _) = unbounded_channel();
        let handle = CoreHandle { commands, connections: AtomicUsize::new(0) };
        shared.set_spread(Arc::new(Spread { cores: vec![handle] }));
        let (snapshot, problems) = compile(config, &shared.registry, &Snapshot::default(), 1, |place| {
            PortId(place.address.port().into())
        });
        shared.snapshot.store(Arc::new(snapshot));
        shared.version.store(1, Ordering::Release);
        let core = Core::new(0, shared);
        core.date.set(TIME_OF_DAY);
        tokio::task::spawn_local(core.timers.clone().drive());
        (Self { core, metrics, capacity: Cell::new(CAPACITY), _probes: received }, problems)
    }

    /// What each direction of the streams that are made from now on holds, in bytes.
    pub fn set_capacity(&self, bytes: usize) {
        self.capacity.set(bytes);
    }

    /// What answers without a `Date` get from now on; 1970 unless told.
    pub fn set_time_of_day(&self, now: SystemTime) {
        self.core.date.set(now);
    }

    /// A client's end of a new connection to a port.
    #[must_use]
    pub fn connect(&self, port: u16) -> MemoryStream {
        let (client, ours) = memory_pair(self.capacity.get());
        let peer = SocketAddr::from(([127, 0, 0, 1], 4000));
        connection::spawn(&self.core, PortId(port.into()), ours.into(), peer);
        client
    }

    /// An origin's end of the connection that is opened next.
    #[must_use]
    pub fn fresh(&self) -> MemoryStream {
        let (origin, ours) = memory_pair(self.capacity.get());
        self.core.fresh.borrow_mut().push_back(ours.into());
        origin
    }

    /// An origin's end of a new pooled connection to an endpoint of the first backend.
    #[must_use]
    pub fn origin(&self) -> Option<MemoryStream> {
        let view = self.core.view();
        let backend = self.core.backend(view.snapshot.backends.iter().flatten().next()?);
        let request =
            PickRequest { random: self.core.random(), tried: &[], replayable: true, affinity: None };
        let picked = backend.pick(self.core.now(), &request)?;
        let (origin, ours) = memory_pair(self.capacity.get());
        backend.metrics.opened();
        backend.give_idle(picked.index, Rc::new(ours.into()), self.core.now(), None);
        Some(origin)
    }

    /// Answers end their connections from now on, and idle ones end.
    pub fn close_idle(&self) {
        self.core.draining.set(true);
        self.core.close_idle();
    }

    /// Looks after what is idle, silent or old; a running gateway does so every second.
    pub fn tidy(&self) {
        self.core.tidy();
    }

    /// Requests under way to endpoints, as the balancers count them.
    #[must_use]
    pub fn pending(&self) -> u32 {
        let report = self.core.report();
        report.iter().flat_map(|(_, loads)| loads).map(|load| load.pending).sum()
    }

    /// Client connections, as they are counted for spreading them over the cores.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.core.shared.spread().total()
    }

    /// The metrics, as they are scraped.
    #[must_use]
    pub fn scrape(&self) -> String {
        self.metrics.encode()
    }
}
