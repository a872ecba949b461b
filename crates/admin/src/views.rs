//! What runs, as JSON. Documented in `docs/admin.md`: fields are added, never renamed.

mod backends;
mod limit_stores;
mod listeners;
mod routes;

pub(crate) use backends::backends;
pub(crate) use limit_stores::limit_stores;
pub(crate) use listeners::listeners;
pub(crate) use routes::routes;

use crate::Applied;
use irongate_config::{Certificate, Endpoints, Severity};
use irongate_telemetry::ConcurrencyReading;
use serde_json::{Value, json};
use std::time::{Duration, UNIX_EPOCH};

/// Items of one list that are shown at once.
pub(crate) const MOST: usize = 1000;

/// Which part of a list is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) offset: usize,
    pub(crate) limit: usize,
}

impl Page {
    /// That part of some items, in an object with the number of all of them.
    pub(crate) fn of(self, name: &str, items: impl ExactSizeIterator<Item = Value>) -> Value {
        let total = items.len();
        let shown: Vec<Value> = items.skip(self.offset).take(self.limit).collect();
        json!({ "total": total, "offset": self.offset, name: shown })
    }
}

/// The configuration at a glance; `unopened`: the number of addresses that could not be opened.
pub(crate) fn config(applied: &Applied, unopened: usize) -> Value {
    let config = &applied.config;
    let count = |severity| applied.problems.iter().filter(|problem| problem.severity == severity).count();
    let endpoints = config.backends.values().map(|backend| match &backend.endpoints {
        Endpoints::Static(endpoints) => endpoints.len(),
        Endpoints::Dns(_) | Endpoints::Consul(_) => 0,
    });
    json!({
        "version": applied.version,
        "appliedUnixSeconds": applied.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        "listeners": config.listeners.len(),
        "attachedRoutes": config.listeners.iter().map(|one| one.routes.len() + one.stream_routes.len()).sum::<usize>(),
        "backends": config.backends.len(),
        "endpoints": endpoints.sum::<usize>(),
        "errors": count(Severity::Error) + unopened,
        "warnings": count(Severity::Warning),
    })
}

/// A limit of what is under way, as it stands.
pub(crate) fn concurrency(limit: &ConcurrencyReading) -> Value {
    json!({
        "policy": &*limit.policy,
        "limit": limit.limit,
        "inFlight": limit.in_flight,
        "queued": limit.queued,
        "undisturbedMilliseconds":
            (limit.undisturbed_micros > 0).then_some(limit.undisturbed_micros as f64 / 1000.0),
    })
}

/// Whom a certificate is for, and until when; never its key.
fn certificate(certificate: &Certificate) -> Value {
    json!({
        "names": certificate.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "expiresUnixSeconds": certificate.expires,
    })
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
