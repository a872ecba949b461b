//! Unreachable endpoints: connected to in the background until they are there again.

use super::supervised;
use crate::clock::Clock;
use crate::live::{ProbeReason, ProbeRequest};
use irongate_telemetry::Registry as Metrics;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;

/// How long one probe may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs for as long as there are cores, beside `look`. An endpoint becomes unreachable once until it is ready again, so there is at
/// most one task for each.
pub(super) async fn run(mut requests: UnboundedReceiver<ProbeRequest>, clock: Clock, metrics: Arc<Metrics>) {
    while let Some(request) = requests.recv().await {
        let probing = move || see(request.clone(), clock);
        tokio::spawn(supervised(metrics.clone(), "a probe of an endpoint", probing));
    }
}

/// Connects, and begins TLS where that is configured.
async fn reach(request: &ProbeRequest, address: SocketAddr) -> io::Result<()> {
    let stream = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await??;
    let Some(backend) = request.backend.upgrade() else { return Ok(()) };
    let Some(plan) = backend.settings().tls.clone() else { return Ok(()) };
    let stream = stream.into_std()?;
    tokio::task::spawn_blocking(move || plan.probe(stream, PATIENCE)).await.map_err(io::Error::other)??;
    backend.note_tls(None);
    Ok(())
}

async fn see(request: ProbeRequest, clock: Clock) {
    match request.reason {
        ProbeReason::Unreachable => probe(request, clock).await,
        ProbeReason::Suspected => look(request, clock).await,
    }
}

/// Connects once to an endpoint whose requests wait for long. Only if nothing comes back is it taken for gone: one that refuses may
/// be finishing what it has.
async fn look(request: ProbeRequest, clock: Clock) {
    let Some(address) = request.endpoint.upgrade().map(|endpoint| endpoint.address()) else { return };
    if tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await.is_ok() {
        return;
    }
    let (Some(backend), Some(endpoint)) = (request.backend.upgrade(), request.endpoint.upgrade()) else {
        return;
    };
    if let Some(change) = endpoint.connect_timed_out(clock.now()) {
        backend.note_change(change, &endpoint);
    }
}

async fn probe(request: ProbeRequest, clock: Clock) {
    loop {
        let Some(endpoint) = request.endpoint.upgrade() else { return };
        let Some(due) = endpoint.next_probe() else { return };
        let address = endpoint.address();
        drop(endpoint);
        tokio::time::sleep_until(clock.instant(due)).await;
        let reached = reach(&request, address).await;
        let Some(endpoint) = request.endpoint.upgrade() else { return };
        match reached {
            Ok(()) => {
                if let Some(change) = endpoint.connect_succeeded(clock.now())
                    && let Some(backend) = request.backend.upgrade()
                {
                    tracing::info!(backend = %backend.label, %address, "endpoint can be reached again");
                    backend.note_change(change, &endpoint);
                }
                return;
            }
            // Its requests that wait are told apart by this.
            Err(error) if error.kind() == io::ErrorKind::TimedOut => endpoint.connect_timed_out(clock.now()),
            Err(_) => endpoint.connect_failed(clock.now()),
        };
    }
}
