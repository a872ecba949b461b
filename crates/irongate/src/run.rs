//! `irongate run`: the gateway from YAML files.

use crate::command_line::RunOptions;
use crate::knowledge::{Known, placed};
use crate::reload::Configuration;
use crate::{limits, log};
use anyhow::{Context, bail};
use irongate_admin::{Admin, Applied, Current, Phase, Readiness};
use irongate_config::{Config, Problem};
use irongate_proxy::{Drain, Proxy, StartOptions, available_threads, give_way};
use irongate_telemetry::Registry;
use irongate_translate::{Resources, Translation};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Threads of the control side: it has little to do.
const CONTROL_THREADS: usize = 1;

/// Runs until a signal ends it.
///
/// # Errors
/// The configuration cannot be read at the start, or the admin address cannot be opened.
pub(crate) fn command(options: &RunOptions) -> anyhow::Result<()> {
    log::start(&options.log, options.log_format)?;
    let runtime = control_runtime()?;
    runtime.block_on(run(options))?;
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(())
}

/// The runtime of everything that is not traffic.
pub(crate) fn control_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(CONTROL_THREADS).thread_name("irongate-control").enable_all();
    builder.build().context("the control runtime cannot be started")
}

/// A gateway and what is seen of it from outside.
pub(crate) struct Gateway {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) metrics: Arc<Registry>,
    pub(crate) readiness: Arc<Readiness>,
    /// What the admin API shows; `None` where there is none.
    current: Option<Arc<Current>>,
    version: u64,
}

impl Gateway {
    /// Starts the data plane and, if it has an address, the admin endpoints.
    ///
    /// # Errors
    /// The system gives no threads, or the admin address cannot be opened.
    pub(crate) async fn start(
        threads: usize,
        admin: Option<SocketAddr>,
        zone: Option<Arc<str>>,
    ) -> anyhow::Result<Self> {
        let descriptors = limits::raise_descriptors();
        let metrics = Registry::new(threads);
        let readiness = Arc::new(Readiness::default());
        let current = admin.map(|_| Arc::new(Current::default()));
        if let (Some(address), Some(current)) = (admin, &current) {
            let listener = TcpListener::bind(address).await;
            let listener = listener.with_context(|| {
                format!(
                    "the admin endpoints cannot listen on {address}; choose another with --admin, or \"off\""
                )
            })?;
            let address = listener.local_addr()?;
            let admin =
                Admin { registry: metrics.clone(), readiness: readiness.clone(), current: current.clone() };
            tokio::spawn(irongate_admin::serve(listener, admin, std::future::pending()));
            tracing::info!("admin endpoints at http://{address}");
        }
        let start = StartOptions { threads, most_connections: (descriptors / 2).max(1), zone };
        let proxy = Proxy::start(&start, &metrics).context("the data plane cannot be started")?;
        metrics.set_backend_health(proxy.health_source());
        metrics.set_discovery(proxy.discovery_source());
        metrics.set_concurrency(proxy.concurrency_source());
        metrics.set_limit_stores(proxy.limit_store_source());
        if let Some(current) = &current {
            current.set_proxy(&proxy);
        }
        Ok(Self { proxy, metrics, readiness, current, version: 0 })
    }

    /// Applies a configuration; gives what is wrong with it.
    pub(crate) async fn apply(&mut self, config: &Config) -> Vec<Problem> {
        let resolved = self.proxy.resolve(config).await;
        let problems = self.proxy.apply(config);
        drop(resolved);
        self.version += 1;
        self.metrics.config_applied(self.version, SystemTime::now());
        problems
    }

    /// What is wrong with addresses that could not be opened, at the place where each was written.
    pub(crate) fn unopened(&self, resources: &Resources) -> Vec<Problem> {
        self.proxy.unopened().iter().map(|one| placed(one, resources)).collect()
    }

    /// Tells the admin API what was applied last, and what was found wrong with it.
    pub(crate) fn publish(&self, resources: Resources, translation: Translation, problems: Vec<Problem>) {
        let Some(current) = &self.current else { return };
        let Translation { config, statuses, policies, traffic_policies, problems: _ } = translation;
        current.set_applied(Applied {
            version: self.version,
            at: SystemTime::now(),
            config: Arc::new(config),
            problems,
            knowledge: Box::new(Known { resources, statuses, policies, traffic_policies }),
        });
    }
}

/// The zone that the gateway is in: as typed, else as the environment says.
fn zone(options: &RunOptions) -> Option<Arc<str>> {
    let zone = options.zone.clone().or_else(|| std::env::var("IRONGATE_ZONE").ok());
    zone.filter(|zone| !zone.is_empty()).map(Into::into)
}

async fn run(options: &RunOptions) -> anyhow::Result<()> {
    let threads = options.threads.map_or_else(available_threads, usize::from);
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut configuration = Configuration::new(&options.paths)?;
    let mut gateway = Gateway::start(threads, options.admin.0, zone(options)).await?;
    configuration.load(&mut gateway).await;
    gateway.readiness.set(Phase::Ready);
    // This thread does nothing but reload and end.
    give_way();
    loop {
        tokio::select! {
            _ = hangup.recv() => configuration.load(&mut gateway).await,
            () = configuration.changed() => configuration.apply_changes(&mut gateway).await,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    gateway.readiness.set(Phase::Draining);
    tracing::info!(connections = gateway.proxy.connections(), "draining");
    let drain = Drain { delay: options.drain_delay, timeout: options.drain };
    let drained = tokio::select! {
        drained = gateway.proxy.drain(drain) => drained,
        _ = terminate.recv() => bail!("ended by a second signal"),
        _ = interrupt.recv() => bail!("ended by a second signal"),
    };
    if drained {
        tracing::info!("all requests have finished");
    } else {
        tracing::warn!(after = ?options.drain, "connections that had not finished were closed");
    }
    Ok(())
}
