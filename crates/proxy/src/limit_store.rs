//! Stores that count rate limits for all replicas: one connection to each, kept by a task of the control side, over which the
//! requests of all cores ask.
//!
//! A request never waits for a connection. While there is none, or the one that there is fails too often, limits are decided
//! without the store at once; its task alone tries whether it answers again. So a store that is dead costs the few requests
//! their wait that find it out.

mod keep;
mod messages;
mod redis;
mod script;
mod service;

pub use keep::LimitStoreReport;
pub(crate) use keep::{KeepRequest, run, wait_for_first};

use arc_swap::ArcSwapOption;
use irongate_config::{LimitStore, ObjectName};
use irongate_message::FieldName;
use irongate_telemetry::{LimitStoreMetrics, LimitStoreReading, Registry as Metrics, Series};
use irongate_traffic::{LimitVerdict, StoreHealth};
use keep::State;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc::UnboundedSender, watch};
use tokio::task::AbortHandle;

/// Requests that wait for one store at once.
const MOST_UNDER_WAY: usize = 1024;

/// A stream to a store.
trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A store while a configuration names it. Dropped, its connection is closed.
pub(crate) struct LiveStore {
    pub(crate) config: Arc<LimitStore>,
    /// The object that says it, for metrics and the log.
    pub(crate) label: Arc<str>,
    pub(crate) metrics: Arc<Series<LimitStoreMetrics>>,
    link: ArcSwapOption<Link>,
    /// Told when the link is of no use any more.
    failed: Notify,
    /// Whether a connection was made, or could not be made, once.
    was_tried: watch::Sender<bool>,
    state: Mutex<State>,
    task: OnceLock<AbortHandle>,
}

/// A connection to a store.
pub(crate) struct Link {
    health: StoreHealth,
    under_way: AtomicUsize,
    to: Peer,
}

enum Peer {
    Redis(redis::Redis),
    Service(service::Service),
}

/// What a limit asks for a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Redis: that one more is counted.
    Count {
        /// In the store's keys.
        key: Vec<u8>,
        /// From one request to the next, in nanoseconds.
        interval: u64,
        /// How far ahead the moment may be, in nanoseconds.
        tolerance: u64,
        /// Those after it are asked, even if it refuses.
        is_dry_run: bool,
    },
    /// A service: what is known of the request. Empty: the request lacks a part, and is not asked about.
    Describe(Vec<(Arc<str>, String)>),
}

/// What a store says to a request's limits, in order; after a refusal the others may be missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) verdicts: SmallVec<[LimitVerdict; 4]>,
    /// Fields for the answer to the client.
    pub(crate) fields: Vec<(FieldName, Box<[u8]>)>,
}

/// Why there is no answer; time is watched by whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// Too many ask already.
    Busy,
    /// It failed.
    Failed,
}

impl LiveStore {
    fn new(config: &Arc<LimitStore>, metrics: &Metrics) -> Arc<Self> {
        let label: Arc<str> = config.name.to_string().into();
        Arc::new(Self {
            config: config.clone(),
            metrics: metrics.limit_store(&label),
            label,
            link: ArcSwapOption::empty(),
            failed: Notify::new(),
            was_tried: watch::Sender::new(false),
            state: Mutex::default(),
            task: OnceLock::new(),
        })
    }

    /// The connection, if it is worth asking over.
    pub(crate) fn link(&self) -> Option<Arc<Link>> {
        self.link.load().as_ref().filter(|link| link.health.is_asked()).cloned()
    }

    /// An answer came over the connection.
    pub(crate) fn answered(link: &Link) {
        link.health.answered();
    }

    /// None came, or none in time.
    pub(crate) fn unanswered(&self, link: &Link) {
        if link.health.failed() {
            self.failed.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LiveStore {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

impl Link {
    fn new(to: Peer) -> Arc<Self> {
        Arc::new(Self { health: StoreHealth::default(), under_way: AtomicUsize::new(0), to })
    }

    /// Asks all questions of a request at once.
    pub(crate) async fn ask(&self, questions: &[Question]) -> Result<Answer, NoAnswer> {
        let _permit = self.permit().ok_or(NoAnswer::Busy)?;
        let answer = match &self.to {
            Peer::Redis(redis) => redis.ask(questions).await,
            Peer::Service(service) => service.ask(questions).await,
        };
        answer.map_err(|why| {
            tracing::debug!(%why, "a store of rate limits did not answer a request");
            NoAnswer::Failed
        })
    }

    fn permit(&self) -> Option<Permit<'_>> {
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(&self.under_way);
        (under_way < MOST_UNDER_WAY).then_some(permit)
    }
}

/// A place among those who wait for a store.
struct Permit<'l>(&'l AtomicUsize);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The live stores, by the objects that say them.
#[derive(Default)]
pub(crate) struct Stores {
    by_name: Mutex<HashMap<ObjectName, Weak<LiveStore>>>,
}

impl Stores {
    /// The live store for a configured one: the one that there is, if nothing of it changed.
    pub(crate) fn live(
        &self,
        config: &Arc<LimitStore>,
        metrics: &Metrics,
        keepers: &UnboundedSender<KeepRequest>,
    ) -> Arc<LiveStore> {
        let mut stores = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let known = stores.get(&config.name).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| known.config == *config) {
            return known;
        }
        stores.retain(|_, store| store.strong_count() > 0);
        let store = LiveStore::new(config, metrics);
        stores.insert(config.name.clone(), Arc::downgrade(&store));
        // Failing means that the process ends.
        let _ = keepers.send(KeepRequest(Arc::downgrade(&store)));
        store
    }

    /// Every live store, by name.
    pub(crate) fn all(&self) -> Vec<Arc<LiveStore>> {
        let stores = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = stores.values().filter_map(Weak::upgrade).collect();
        all.sort_by(|one, other| one.label.cmp(&other.label));
        all
    }

    /// How they do, for metrics.
    pub(crate) fn readings(&self) -> Vec<LimitStoreReading> {
        let reading = |store: Arc<LiveStore>| LimitStoreReading {
            store: store.label.clone(),
            is_up: store.link().is_some(),
            connections: store.state().connections,
        };
        self.all().into_iter().map(reading).collect()
    }
}
