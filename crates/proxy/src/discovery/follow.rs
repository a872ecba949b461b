//! Following a source: one task a backend, for as long as the backend has that source.

use super::schedule::{Denials, pause, retry_pause};
use super::state::State;
use super::{FollowRequest, MOST_ENDPOINTS, News, Source, SourceError, SourceReport, Tools};
use crate::control::supervised;
use crate::live::LiveBackend;
use irongate_config::{Endpoint, Endpoints};
use irongate_telemetry::Registry as Metrics;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{mpsc::UnboundedReceiver, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// One backend's source while it is followed. Dropped, nobody follows it any more.
pub(crate) struct Following {
    /// What the configuration says.
    origin: Endpoints,
    state: Mutex<State>,
    /// Whether it has answered, or failed, once.
    was_asked: watch::Sender<bool>,
    task: OnceLock<AbortHandle>,
}

impl Following {
    pub(crate) fn new(origin: &Endpoints) -> Arc<Self> {
        Arc::new(Self {
            origin: origin.clone(),
            state: Mutex::default(),
            was_asked: watch::Sender::new(false),
            task: OnceLock::new(),
        })
    }

    /// Whether it is what a configuration says now.
    pub(crate) fn is_of(&self, origin: &Endpoints) -> bool {
        self.origin == *origin
    }

    pub(crate) fn report(&self) -> SourceReport {
        self.state().report(&self.origin, Instant::now())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// Runs for as long as the proxy does.
pub(crate) async fn run(mut requests: UnboundedReceiver<FollowRequest>, metrics: Arc<Metrics>) {
    let tools = Tools::default();
    while let Some(FollowRequest { backend, following }) = requests.recv().await {
        let Some(kept) = following.upgrade() else { continue };
        let tools = tools.clone();
        let task = move || {
            let source = following.upgrade().and_then(|following| tools.open(&following.origin));
            follow(backend.clone(), following.clone(), source)
        };
        let task = tokio::spawn(supervised(metrics.clone(), "the source of a backend's endpoints", task));
        // It is set once: each is asked for once.
        let _ = kept.task.set(task.abort_handle());
    }
}

/// Waits until every one of these was asked once, whatever came of it; for so long at most.
pub(crate) async fn wait_for_first(all: &[Arc<LiveBackend>], most: Duration) {
    let all = async {
        for following in all.iter().filter_map(|live| live.following()) {
            // The sender lives as long as what we hold.
            let _ = following.was_asked.subscribe().wait_for(|was_asked| *was_asked).await;
        }
    };
    // Not for ever: what can be served should not wait for what cannot.
    let _ = tokio::time::timeout(most, all).await;
}

/// Keeps a backend's endpoints what its source says.
pub(super) async fn follow(
    backend: Weak<LiveBackend>,
    following: Weak<Following>,
    source: Option<Box<dyn Source>>,
) {
    let Some(mut source) = source else { return };
    let mut denials = Denials::default();
    loop {
        if let Some(following) = following.upgrade() {
            following.state().next = None;
        }
        let told = source.next().await;
        let (Some(live), Some(kept)) = (backend.upgrade(), following.upgrade()) else { return };
        let now = Instant::now();
        let pause = match told {
            Ok(news) => take(&live, &kept, news, &mut denials, now),
            Err(error) => fail(&live, &kept, error, now),
        };
        kept.state().next = Some(now + pause);
        kept.was_asked.send_replace(true);
        drop((live, kept));
        tokio::time::sleep(pause).await;
    }
}

/// Puts news into the backend; gives how long they hold.
fn take(
    live: &LiveBackend,
    following: &Following,
    news: News,
    denials: &mut Denials,
    now: Instant,
) -> Duration {
    let News { endpoints, good_for, mut remark } = news;
    let endpoints = in_order(endpoints, &mut remark);
    let had = live.settings().plan.members().len();
    let changed = if endpoints.is_empty() {
        let is_believed = denials.another(now);
        if is_believed && had > 0 {
            tracing::warn!(backend = %live.label, "the source of a backend says that it has no endpoint, and is believed now");
        } else if denials.count() == 1 && had > 0 {
            tracing::warn!(backend = %live.label, "the source of a backend says that it has no endpoint; the last ones are kept for a while");
        }
        is_believed && live.set_endpoints(&[])
    } else {
        denials.clear();
        live.set_endpoints(&endpoints)
    };
    let mut state = following.state();
    if state.failures_in_a_row > 0 {
        tracing::info!(backend = %live.label, "the source of a backend's endpoints answers again");
    }
    state.endpoints = live.settings().plan.members().len();
    state.updates += u64::from(changed);
    state.confirmations += u64::from(!changed);
    state.failures_in_a_row = 0;
    state.denials_in_a_row = denials.count();
    state.last_answer = Some(now);
    state.remark = remark;
    pause(good_for, fastrand::u64(..))
}

/// Notes a failure; gives how long to wait.
fn fail(live: &LiveBackend, following: &Following, error: SourceError, now: Instant) -> Duration {
    let mut state = following.state();
    state.failures += 1;
    state.failures_in_a_row = state.failures_in_a_row.saturating_add(1);
    if state.failures_in_a_row == 1 {
        let (backend, kept) = (&live.label, live.settings().plan.members().len());
        tracing::warn!(%backend, %error, kept, "the endpoints of a backend cannot be found; the last ones are kept");
    }
    state.last_failure = Some((now, error.0));
    retry_pause(state.failures_in_a_row, fastrand::u64(..))
}

/// By address, each once (of two priorities the better one counts), and no more than can be used.
fn in_order(mut endpoints: Vec<Endpoint>, remark: &mut Option<String>) -> Vec<Endpoint> {
    endpoints.sort_unstable_by_key(|endpoint| (endpoint.address, endpoint.priority));
    endpoints.dedup_by(|later, first| {
        let is_same = later.address == first.address;
        if is_same && later.priority == first.priority {
            first.weight = first.weight.saturating_add(later.weight);
        }
        is_same
    });
    if endpoints.len() > MOST_ENDPOINTS {
        let more = endpoints.len() - MOST_ENDPOINTS;
        *remark = Some(format!("{more} endpoints are left out: {MOST_ENDPOINTS} are used at most"));
        endpoints.truncate(MOST_ENDPOINTS);
    }
    endpoints
}

#[cfg(test)]
mod tests;
