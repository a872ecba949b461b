//! Backends and endpoints as they are now: for people and for metrics.

use super::Proxy;
use crate::discovery::SourceReport;
use crate::limit_store::LimitStoreReport;
use crate::listener::Command;
use crate::live::{LiveBackend, Shared};
use irongate_telemetry::{BackendHealth, ConcurrencyReading, DiscoveryReading, LimitStoreReading};
use irongate_traffic::{Health, HealthReport, Limited, Member};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// A backend as it is now, for people.
#[derive(Clone, Debug)]
pub struct BackendReport {
    /// Its key, as it is shown.
    pub backend: Arc<str>,
    /// Where its endpoints come from, and how that goes.
    pub source: SourceReport,
    /// Its endpoints, by address.
    pub endpoints: Vec<EndpointReport>,
}

/// An endpoint as it is now, for people.
#[derive(Clone, Debug)]
pub struct EndpointReport {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its weight.
    pub weight: u32,
    /// It is in the gateway's own zone.
    pub is_near: bool,
    /// It is used when those of a lower number are not to be had.
    pub priority: u16,
    /// What it is expected to take to answer: the mean over the cores.
    pub estimate: Duration,
    /// Requests under way, on all cores.
    pub pending: u32,
    /// Its health, which all cores share.
    pub health: HealthReport,
    /// How long its health has been what it is.
    pub since: Duration,
}

/// Endpoints by address, with how many cores have told of them.
type Endpoints = BTreeMap<SocketAddr, (EndpointReport, u32)>;

impl Proxy {
    /// Every backend's endpoints as they are now.
    pub async fn backends(&self) -> Vec<BackendReport> {
        let receivers: Vec<_> = self
            .spread
            .cores
            .iter()
            .filter_map(|core| {
                let (sender, receiver) = oneshot::channel();
                core.commands.send(Command::Report(sender)).ok().map(|()| receiver)
            })
            .collect();
        let mut found = without_load(&self.shared);
        for receiver in receivers {
            // A core that is busy with a stop does not answer.
            let Ok(Ok(report)) = tokio::time::timeout(Duration::from_secs(1), receiver).await else {
                continue;
            };
            for (live, loads) in report {
                let Some((_, endpoints)) = found.get_mut(&live.label) else { continue };
                for load in loads {
                    if let Some((report, cores)) = endpoints.get_mut(&load.endpoint.address()) {
                        report.estimate = (report.estimate * *cores + load.estimate) / (*cores + 1);
                        report.pending += load.pending;
                        *cores += 1;
                    }
                }
            }
        }
        let reports = found.into_iter().map(|(backend, (source, endpoints))| BackendReport {
            backend,
            source,
            endpoints: endpoints.into_values().map(|(report, _)| report).collect(),
        });
        reports.collect()
    }

    /// How many endpoints of each backend are ready, ejected and unreachable; cheap, for metrics.
    #[must_use]
    pub fn backend_health(&self) -> Vec<BackendHealth> {
        health_of(&self.shared)
    }

    /// A function that tells how the sources of endpoints do, for as long as the proxy lives; cheap, for metrics.
    pub fn discovery_source(&self) -> impl Fn() -> Vec<DiscoveryReading> + Send + Sync + 'static {
        let shared = Arc::downgrade(&self.shared);
        move || shared.upgrade().map(|shared| discovery_of(&shared)).unwrap_or_default()
    }

    /// A function that tells how limits of what is under way stand, for as long as the proxy lives.
    pub fn concurrency_source(&self) -> impl Fn() -> Vec<ConcurrencyReading> + Send + Sync + 'static {
        let shared = Arc::downgrade(&self.shared);
        move || {
            shared.upgrade().map(|shared| shared.registry.limits.concurrency.readings()).unwrap_or_default()
        }
    }

    /// A function that tells how the stores of rate limits do, for as long as the proxy lives; cheap, for metrics.
    pub fn limit_store_source(&self) -> impl Fn() -> Vec<LimitStoreReading> + Send + Sync + 'static {
        let shared = Arc::downgrade(&self.shared);
        move || shared.upgrade().map(|shared| shared.registry.stores.readings()).unwrap_or_default()
    }

    /// Every store of rate limits as it is now, for people.
    #[must_use]
    pub fn limit_stores(&self) -> Vec<LimitStoreReport> {
        self.shared.registry.stores.all().iter().map(|store| store.report()).collect()
    }

    /// A function that tells [`backend_health`](Self::backend_health) for as long as the proxy lives.
    pub fn health_source(&self) -> impl Fn() -> Vec<BackendHealth> + Send + Sync + 'static {
        let shared = Arc::downgrade(&self.shared);
        move || shared.upgrade().map(|shared| health_of(&shared)).unwrap_or_default()
    }
}

/// What all cores share of each backend: its source, and its endpoints' health.
fn without_load(shared: &Shared) -> BTreeMap<Arc<str>, (SourceReport, Endpoints)> {
    let now = shared.clock.now();
    let mut found: BTreeMap<Arc<str>, (SourceReport, Endpoints)> = BTreeMap::new();
    for live in shared.registry.all() {
        let (_, endpoints) =
            found.entry(live.label.clone()).or_insert_with(|| (live.source(), Endpoints::new()));
        for Member { state, weight, is_near, priority } in live.settings().plan.members() {
            let health = state.report(now);
            let report = EndpointReport {
                address: state.address(),
                weight: *weight,
                is_near: *is_near,
                priority: *priority,
                estimate: Duration::ZERO,
                pending: 0,
                health,
                since: now.saturating_since(health.since),
            };
            endpoints.insert(state.address(), (report, 0));
        }
    }
    found
}

fn health_of(shared: &Shared) -> Vec<BackendHealth> {
    let now = shared.clock.now();
    let count = |live: Arc<LiveBackend>| {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let limits = live.state.limits();
        let used = |what| limits.used(what).1.map(|_| (what.as_str(), limits.used(what).0));
        let mut health = BackendHealth {
            backend: live.label.clone(),
            checks: [count(&live.watched.checks[0]), count(&live.watched.checks[1])],
            ejections: count(&live.watched.ejected),
            in_use: Limited::ALL.into_iter().filter_map(used).collect(),
            ..BackendHealth::default()
        };
        for Member { state, .. } in live.settings().plan.members() {
            match state.report(now).health {
                Health::Ready | Health::Failing => health.ready += 1,
                Health::Ejected { .. } | Health::Trial => health.ejected += 1,
                Health::Unhealthy => health.unhealthy += 1,
                Health::Waiting => health.waiting += 1,
                Health::Unreachable { .. } => health.unreachable += 1,
            }
        }
        health
    };
    shared.registry.all().into_iter().map(count).collect()
}

fn discovery_of(shared: &Shared) -> Vec<DiscoveryReading> {
    let read = |live: Arc<LiveBackend>| {
        let report = live.following()?.report();
        Some(DiscoveryReading {
            backend: live.label.clone(),
            source: report.kind,
            changed: report.updates,
            unchanged: report.confirmations,
            failed: report.failures,
            age: report.last_answer,
        })
    };
    shared.registry.all().into_iter().filter_map(read).collect()
}
