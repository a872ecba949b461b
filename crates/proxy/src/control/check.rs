//! Active checks: endpoints are asked now and then whether requests go there or not. Once a process, not a core.
//!
//! A backend that wants checks has one task that sees to it that each of its endpoints has one of its own, and, where latencies are
//! compared, compares them each second. All of it ends with the backend, or when its policy asks for it no more.

mod ask;
mod grpc;
mod http;

use super::supervised;
use crate::clock::Clock;
use crate::live::{LiveBackend, Shared};
use irongate_config::{BeforeFirstCheck, HealthChecks};
use irongate_telemetry::Registry as Metrics;
use irongate_traffic::{Change, CheckFault, EndpointState, Member, eject_slow};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How soon a change of the configuration or of the endpoints counts.
const LOOK: Duration = Duration::from_millis(100);
/// Between two comparisons of latencies.
const COMPARE: Duration = Duration::from_secs(1);
/// Checks under way at once, of all backends; others wait for their turn.
const MOST: usize = 128;

/// Sees to backends that are new, or whose policy is. Runs for as long as the proxy does.
pub(super) async fn run(shared: Weak<Shared>) {
    let turns = Arc::new(Semaphore::new(MOST));
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let (clock, metrics) = (strong.clock, strong.registry.metrics.clone());
        for backend in strong.registry.all() {
            if is_wanted(&backend) && !backend.watched.kept.swap(true, Ordering::Relaxed) {
                let keeper = Keeper {
                    backend: Arc::downgrade(&backend),
                    clock,
                    turns: turns.clone(),
                    metrics: metrics.clone(),
                };
                // After a panic in it, another one takes its place here.
                tokio::spawn(keeper.keep());
            }
        }
        drop(strong);
        tokio::time::sleep(LOOK).await;
    }
}

fn is_wanted(backend: &LiveBackend) -> bool {
    let options = &backend.settings().options;
    options.health_checks.is_some() || options.ejection.latency.is_some()
}

/// Lets another task see to a backend, however this one ended.
struct Kept(Weak<LiveBackend>);

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(backend) = self.0.upgrade() {
            backend.watched.kept.store(false, Ordering::Relaxed);
        }
    }
}

/// Sees to one backend.
#[derive(Clone)]
struct Keeper {
    backend: Weak<LiveBackend>,
    clock: Clock,
    turns: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Keeper {
    async fn keep(self) {
        let _kept = Kept(self.backend.clone());
        // Which way of checking counts; tasks of others end.
        let current = Arc::new(AtomicU64::new(0));
        let _end_tasks = EndTasks(current.clone());
        let mut seen = u64::MAX;
        let mut checks: Option<HealthChecks> = None;
        let mut running: HashMap<SocketAddr, Weak<EndpointState>> = HashMap::new();
        let mut compare = tokio::time::Instant::now() + COMPARE;
        while let Some(backend) = self.backend.upgrade() {
            let settings = backend.settings();
            if settings.version != seen {
                seen = settings.version;
                if checks != settings.options.health_checks {
                    checks.clone_from(&settings.options.health_checks);
                    current.fetch_add(1, Ordering::Relaxed);
                    running.clear();
                }
                match &checks {
                    Some(checks) => self.begin(checks, settings.plan.members(), &current, &mut running),
                    None => end_checks(&backend, settings.plan.members(), self.clock),
                }
            }
            let Some(latency) = settings.options.ejection.latency.as_ref() else {
                if checks.is_none() {
                    return;
                }
                drop(backend);
                tokio::time::sleep(LOOK).await;
                continue;
            };
            if tokio::time::Instant::now() >= compare {
                compare += COMPARE;
                let endpoints: Vec<_> = settings.plan.members().iter().map(|member| &member.state).collect();
                for (place, change) in eject_slow(&endpoints, latency, self.clock.now(), fastrand::u64(..)) {
                    backend.note_change(change, endpoints[place]);
                    backend.watched.ejected.fetch_add(1, Ordering::Relaxed);
                }
            }
            drop((settings, backend));
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Begins to check the endpoints that are not checked yet.
    fn begin(
        &self,
        checks: &HealthChecks,
        members: &[Member],
        current: &Arc<AtomicU64>,
        running: &mut HashMap<SocketAddr, Weak<EndpointState>>,
    ) {
        // Of those that are gone, the tasks end themselves.
        running.retain(|_, endpoint| endpoint.strong_count() > 0);
        for Member { state: endpoint, .. } in members {
            let known = running.get(&endpoint.address());
            if known.is_some_and(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(endpoint))) {
                continue;
            }
            if checks.before_first == BeforeFirstCheck::Waiting {
                endpoint.await_check(self.clock.now());
            }
            running.insert(endpoint.address(), Arc::downgrade(endpoint));
            let task = Checked {
                backend: self.backend.clone(),
                endpoint: Arc::downgrade(endpoint),
                checks: checks.clone(),
                clock: self.clock,
                turns: self.turns.clone(),
                wanted: current.load(Ordering::Relaxed),
                current: current.clone(),
            };
            let again = move || task.clone().run();
            tokio::spawn(supervised(self.metrics.clone(), "checks of an endpoint", again));
        }
    }
}

/// The tasks of endpoints end with the one that began them.
struct EndTasks(Arc<AtomicU64>);

impl Drop for EndTasks {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn end_checks(backend: &Arc<LiveBackend>, members: &[Member], clock: Clock) {
    for Member { state: endpoint, .. } in members {
        if let Some(change) = endpoint.checks_ended(clock.now()) {
            backend.note_change(change, endpoint);
        }
    }
}

/// The checks of one endpoint.
#[derive(Clone)]
struct Checked {
    backend: Weak<LiveBackend>,
    endpoint: Weak<EndpointState>,
    checks: HealthChecks,
    clock: Clock,
    turns: Arc<Semaphore>,
    wanted: u64,
    current: Arc<AtomicU64>,
}

impl Checked {
    async fn run(self) {
        let mut results = Results::default();
        let mut due = tokio::time::Instant::now();
        loop {
            // Closed never.
            let Ok(turn) = self.turns.acquire().await else { return };
            let Some(result) = self.once().await else { return };
            drop(turn);
            if !self.note(&mut results, result) {
                return;
            }
            due = (due + self.pause()).max(tokio::time::Instant::now());
            tokio::time::sleep_until(due).await;
        }
    }

    /// One check; `None` if nobody wants it.
    async fn once(&self) -> Option<Result<(), CheckFault>> {
        let (address, plan, protocol) = {
            let backend = self.backend.upgrade()?;
            let endpoint = self.endpoint.upgrade()?;
            if self.current.load(Ordering::Relaxed) != self.wanted {
                return None;
            }
            let mut address = endpoint.address();
            if let Some(port) = self.checks.port {
                address.set_port(port);
            }
            (address, backend.settings().tls.clone(), backend.key.protocol)
        };
        Some(ask::ask(&self.checks, address, plan, protocol).await)
    }

    /// Says what follows from a result; `false` if nobody wants to know.
    fn note(&self, results: &mut Results, result: Result<(), CheckFault>) -> bool {
        let (Some(backend), Some(endpoint)) = (self.backend.upgrade(), self.endpoint.upgrade()) else {
            return false;
        };
        if self.current.load(Ordering::Relaxed) != self.wanted {
            return false;
        }
        backend.watched.checks[usize::from(result.is_err())].fetch_add(1, Ordering::Relaxed);
        let change = match results.conclude(result, &self.checks) {
            Some(Ok(())) => endpoint.check_passed(self.clock.now()),
            Some(Err(fault)) => endpoint.check_failed(self.clock.now(), fault),
            None => None,
        };
        if let Some(change) = change {
            if change == Change::Unhealthy {
                backend.watched.ejected.fetch_add(1, Ordering::Relaxed);
            }
            backend.note_change(change, &endpoint);
        }
        true
    }

    fn pause(&self) -> Duration {
        let more = self.checks.interval.mul_f64(f64::from(self.checks.jitter_percent) / 100.0);
        self.checks.interval + more.mul_f64(fastrand::f64())
    }
}

/// Results in a row.
#[derive(Default)]
struct Results {
    passed: u32,
    failed: u32,
    /// No result has counted yet: the first check that passes does.
    known: bool,
}

impl Results {
    /// What follows from another result, if as many are there as it takes.
    fn conclude(
        &mut self,
        result: Result<(), CheckFault>,
        checks: &HealthChecks,
    ) -> Option<Result<(), CheckFault>> {
        let enough = match result {
            Ok(()) => {
                (self.passed, self.failed) = (self.passed.saturating_add(1), 0);
                !self.known || self.passed >= checks.healthy_threshold
            }
            Err(_) => {
                (self.passed, self.failed) = (0, self.failed.saturating_add(1));
                self.failed >= checks.unhealthy_threshold
            }
        };
        self.known |= enough;
        enough.then_some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use irongate_config::HealthCheck;

    #[test]
    fn it_takes_several_in_a_row() {
        let checks = HealthChecks {
            interval: Duration::from_secs(1),
            jitter_percent: 0,
            timeout: Duration::from_secs(1),
            unhealthy_threshold: 3,
            healthy_threshold: 2,
            port: None,
            before_first: BeforeFirstCheck::Ready,
            check: HealthCheck::Tcp { send: Arc::from([]), expect: Arc::from([]) },
        };
        // `+`: passed, `-`: failed; what is concluded from each is in the second line.
        let check = |results: &str, expected: &str| {
            let mut known = Results::default();
            let concluded = results.chars().map(|result| {
                let result = if result == '+' { Ok(()) } else { Err(CheckFault::Timeout) };
                match known.conclude(result, &checks) {
                    None => '.',
                    Some(Ok(())) => '+',
                    Some(Err(_)) => '-',
                }
            });
            assert_eq!(expected, concluded.collect::<String>(), "{results}");
        };
        check("+--+---+--++", "+.....-....+");
        check("---++", "..-.+");
        check("--+", "..+");
    }
}
