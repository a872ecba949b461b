//! Keeping a connection to a store: one task of the control side for each.

use super::{Io, Link, LiveStore, Peer, redis, service};
use crate::control::supervised;
use crate::discovery::Tools;
use crate::tls::peer_configuration;
use irongate_config::{LimitStore, LimitStoreKind};
use irongate_telemetry::Registry as Metrics;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{mpsc::UnboundedReceiver, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

/// How long connecting may take, with TLS, a login and a first question.
const CONNECTING: Duration = Duration::from_secs(2);
/// How often a connection is asked for a sign of life, and how long that may take.
const BEAT: Duration = Duration::from_secs(1);
/// The first pause before another connection; doubles up to the longest, within which a store that is back is noticed.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that lasted for so long was a good one: the next is made after the first pause.
const GOOD: Duration = Duration::from_secs(10);

/// A store to which a connection is to be kept.
pub(crate) struct KeepRequest(pub(super) Weak<LiveStore>);

/// How a store does, for people.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Connections that were made.
    pub(super) connections: u64,
    /// Since when it is as it is; `None`: nobody has tried yet.
    pub(super) since: Option<Instant>,
    /// The last failure, and when it was.
    pub(super) failure: Option<(Instant, String)>,
}

/// A store of rate limits as it is now, for people.
#[derive(Clone, Debug)]
pub struct LimitStoreReport {
    /// The object that says it.
    pub store: Arc<str>,
    /// Where it is.
    pub address: String,
    /// It is connected to and asked.
    pub is_up: bool,
    /// How long that has been so; `None`: nobody has tried yet.
    pub since: Option<Duration>,
    /// Connections that were made.
    pub connections: u64,
    /// The last failure, and how long ago it was.
    pub failure: Option<(Duration, String)>,
}

/// A connection that has just been made.
pub(super) struct Opened {
    pub(super) peer: Peer,
    pub(super) pulse: Pulse,
    /// What moves its bytes; it ends when the connection does.
    pub(super) driver: JoinSet<()>,
}

/// What gives signs of life.
pub(super) enum Pulse {
    Redis(redis::Redis),
    Service(h2::PingPong),
}

impl Pulse {
    async fn beat(&mut self) -> Result<(), String> {
        match self {
            Self::Redis(redis) => redis.ping().await,
            Self::Service(pings) => service::ping(pings).await,
        }
    }
}

/// Runs for as long as the proxy does.
pub(crate) async fn run(mut requests: UnboundedReceiver<KeepRequest>, metrics: Arc<Metrics>) {
    let tools = Tools::default();
    while let Some(KeepRequest(store)) = requests.recv().await {
        let Some(kept) = store.upgrade() else { continue };
        let tools = tools.clone();
        let task = move || keep(store.clone(), tools.clone());
        let task =
            tokio::spawn(supervised(metrics.clone(), "the connection to a store of rate limits", task));
        // It is set once: each is asked for once.
        let _ = kept.task.set(task.abort_handle());
    }
}

/// Waits until each of these was tried once, whatever came of it; for so long at most.
pub(crate) async fn wait_for_first(stores: &[Arc<LiveStore>], most: Duration) {
    let all = async {
        for store in stores {
            let mut was_tried: watch::Receiver<bool> = store.was_tried.subscribe();
            // The sender lives as long as what we hold.
            let _ = was_tried.wait_for(|was_tried| *was_tried).await;
        }
    };
    let _ = tokio::time::timeout(most, all).await;
}

async fn keep(store: Weak<LiveStore>, tools: Tools) {
    let mut failures = 0;
    loop {
        let Some(config) = store.upgrade().map(|store| store.config.clone()) else { return };
        let opened = tokio::time::timeout(CONNECTING, open(&config, &tools)).await;
        let opened = opened.unwrap_or_else(|_| Err(format!("{config} does not answer")));
        let Some(kept) = store.upgrade() else { return };
        let why = match opened {
            Ok(Opened { peer, pulse, driver }) => {
                let begun = Instant::now();
                let link = Link::new(peer);
                kept.connected(link);
                drop(kept);
                let why = watch_over(&store, pulse, driver).await;
                if begun.elapsed() >= GOOD {
                    failures = 0;
                }
                why
            }
            Err(why) => why,
        };
        failures += 1;
        let Some(kept) = store.upgrade() else { return };
        kept.lost(&why);
        drop(kept);
        tokio::time::sleep(pause(failures, fastrand::u64(..))).await;
    }
}

/// Waits until a connection is of no use any more; tells why.
async fn watch_over(store: &Weak<LiveStore>, mut pulse: Pulse, mut driver: JoinSet<()>) -> String {
    let Some(kept) = store.upgrade() else { return String::new() };
    let config = kept.config.clone();
    loop {
        let next = tokio::time::sleep(BEAT);
        tokio::select! {
            _ = driver.join_next() => return format!("{config} has closed the connection"),
            () = kept.failed.notified() => return format!("{config} fails too often, or does not answer in time"),
            () = next => {}
        }
        let beat = tokio::select! {
            _ = driver.join_next() => return format!("{config} has closed the connection"),
            beat = tokio::time::timeout(BEAT, pulse.beat()) => beat,
        };
        match beat {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return format!("{config} fails: {why}"),
            Err(_) => return format!("{config} does not answer any more"),
        }
    }
}

async fn open(config: &LimitStore, tools: &Tools) -> Result<Opened, String> {
    if config.kind == LimitStoreKind::Unusable {
        return Err("what is configured of it is wrong".to_owned());
    }
    let mut failure = format!("{} has no address", config.host);
    for address in tools.addresses(&config.host, config.port).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Questions are small, and somebody waits for each.
                let _ = stream.set_nodelay(true);
                return begin(config, stream).await.map_err(|why| format!("{config}: {why}"));
            }
            Err(error) => failure = format!("{address} cannot be reached: {error}"),
        }
    }
    Err(failure)
}

async fn begin(config: &LimitStore, stream: TcpStream) -> Result<Opened, String> {
    let stream: Box<dyn Io> = match &config.tls {
        None => Box::new(stream),
        Some(tls) => {
            let (client, name) = peer_configuration(tls)?;
            let mut client = (*client).clone();
            client.alpn_protocols = match config.kind {
                LimitStoreKind::Redis(_) | LimitStoreKind::Unusable => Vec::new(),
                LimitStoreKind::Service { .. } => vec![b"h2".to_vec()],
            };
            let begun = TlsConnector::from(Arc::new(client)).connect(name, stream).await;
            Box::new(begun.map_err(|error| format!("TLS cannot be begun: {error}"))?)
        }
    };
    match &config.kind {
        LimitStoreKind::Redis(redis) => redis::open(redis, stream).await,
        LimitStoreKind::Service { domain } => service::open(config, domain, stream).await,
        LimitStoreKind::Unusable => Err("what is configured of it is wrong".to_owned()),
    }
}

impl LiveStore {
    pub(crate) fn report(&self) -> LimitStoreReport {
        let state = self.state();
        LimitStoreReport {
            store: self.label.clone(),
            address: self.config.to_string(),
            is_up: self.link().is_some(),
            since: state.since.map(|since| since.elapsed()),
            connections: state.connections,
            failure: state.failure.as_ref().map(|(at, why)| (at.elapsed(), why.clone())),
        }
    }

    fn connected(&self, link: Arc<Link>) {
        self.link.store(Some(link));
        self.was_tried.send_replace(true);
        let now = Instant::now();
        let mut state = self.state();
        state.connections += 1;
        let was_away = state.failure.is_some();
        state.since = Some(now);
        drop(state);
        if was_away {
            tracing::info!(store = %self.label, at = %self.config, "a store of rate limits answers again");
        }
    }

    fn lost(&self, why: &str) {
        let was_up = self.link.swap(None).is_some();
        self.was_tried.send_replace(true);
        let now = Instant::now();
        let mut state = self.state();
        let is_new = was_up || state.since.is_none();
        if is_new {
            state.since = Some(now);
        }
        state.failure = Some((now, why.to_owned()));
        drop(state);
        if is_new {
            tracing::warn!(store = %self.label, why, "a store of rate limits is away: limits are decided without it");
        }
    }
}

/// Between half of a pause that doubles with each failure in a row, and all of it.
fn pause(failures: u32, random: u64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
    let half = doubled / 2;
    let micros = u128::from(u64::try_from(half.as_micros()).unwrap_or(u64::MAX));
    half + Duration::from_micros(u64::try_from((micros * u128::from(random)) >> 64).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let longest: Vec<_> = (1..8).map(|failures| pause(failures, u64::MAX).as_millis()).collect();
        assert_eq!(longest, [99, 199, 399, 799, 1599, 1999, 1999]);
        let shortest: Vec<_> = (1..8).map(|failures| pause(failures, 0).as_millis()).collect();
        assert_eq!(shortest, [50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(pause(u32::MAX, 0).as_millis(), 1000);
    }
}
