//! Unreachable endpoints: connected to in the background until they are there again.

use super::supervised;
use crate::clock::Clock;
use crate::live::ProbeRequest;
use irongate_telemetry::Registry as Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;

/// How long one probe may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs for as long as there are cores. An endpoint becomes unreachable once until it is ready again, so there is at
/// most one task for each.
pub(super) async fn run(mut requests: UnboundedReceiver<ProbeRequest>, clock: Clock, metrics: Arc<Metrics>) {
    while let Some(request) = requests.recv().await {
        let probing = move || probe(request.clone(), clock);
        tokio::spawn(supervised(metrics.clone(), "a probe of an endpoint", probing));
    }
}

async fn probe(request: ProbeRequest, clock: Clock) {
    loop {
        let Some(endpoint) = request.endpoint.upgrade() else { return };
        let Some(due) = endpoint.next_probe() else { return };
        let address = endpoint.address();
        drop(endpoint);
        tokio::time::sleep_until(clock.instant(due)).await;
        let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await;
        let Some(endpoint) = request.endpoint.upgrade() else { return };
        if matches!(connected, Ok(Ok(_))) {
            if endpoint.connect_succeeded(clock.now()).is_some()
                && let Some(backend) = request.backend.upgrade()
            {
                tracing::info!(backend = %backend.label, %address, "endpoint can be reached again");
            }
            return;
        }
        endpoint.connect_failed(clock.now());
    }
}
