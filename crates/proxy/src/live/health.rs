//! What follows from changes of health, and from suspicion.

use super::LiveBackend;
use crate::backend::CoreBackend;
use irongate_traffic::{Change, EndpointIndex, EndpointState};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Weak};

/// An endpoint that somebody has to connect to in the background.
#[derive(Clone)]
pub(crate) struct ProbeRequest {
    pub(crate) backend: Weak<LiveBackend>,
    pub(crate) endpoint: Weak<EndpointState>,
    pub(crate) reason: ProbeReason,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeReason {
    /// It cannot be reached: until it can.
    Unreachable,
    /// Its requests wait for long: once.
    Suspected,
}

/// What the control side has to do with a backend's health.
#[derive(Default)]
pub(crate) struct Watched {
    /// Somebody sees to active checks and the comparison of latencies.
    pub(crate) kept: AtomicBool,
    /// Active checks that passed and that failed.
    pub(crate) checks: [AtomicU64; 2],
    /// Endpoints that were left out on the evidence of the control side.
    pub(crate) ejected: AtomicU64,
}

impl LiveBackend {
    /// Sees to what follows from a change of health on a core: who gets to know of it is told exactly once.
    pub(crate) fn note(
        self: &Arc<Self>,
        change: Option<Change>,
        index: EndpointIndex,
        backend: &CoreBackend,
    ) {
        let Some(change) = change else { return };
        let Some(endpoint) = backend.endpoint(index) else { return };
        match change {
            Change::Failing => backend.metrics.panicked(),
            Change::Ejected { .. } | Change::Unhealthy => backend.metrics.ejected(),
            Change::Ready | Change::Unreachable => {}
        }
        self.note_change(change, &endpoint);
    }

    /// The same on the control side.
    pub(crate) fn note_change(self: &Arc<Self>, change: Change, endpoint: &Arc<EndpointState>) {
        let (backend, address) = (&self.label, endpoint.address());
        let cause = endpoint.report(self.clock.now()).cause.text().unwrap_or_default();
        match change {
            Change::Ready => tracing::info!(%backend, %address, "endpoint is ready"),
            Change::Failing => {
                tracing::warn!(%backend, %address, %cause, "endpoint fails, but no more of the backend may be left out");
            }
            Change::Ejected { .. } => {
                tracing::warn!(%backend, %address, %cause, "endpoint fails and is left out for a while");
            }
            Change::Unhealthy => {
                tracing::warn!(%backend, %address, %cause, "endpoint fails its checks and is left out until they pass");
            }
            Change::Unreachable => {
                tracing::warn!(%backend, %address, %cause, "endpoint cannot be reached; trying it in the background");
                self.probe(endpoint, ProbeReason::Unreachable);
            }
        }
    }

    /// Has somebody connect to an endpoint.
    pub(crate) fn probe(self: &Arc<Self>, endpoint: &Arc<EndpointState>, reason: ProbeReason) {
        let (backend, endpoint) = (Arc::downgrade(self), Arc::downgrade(endpoint));
        // Failing means that the process ends.
        let _ = self.probes.send(ProbeRequest { backend, endpoint, reason });
    }
}
