//! What is known of the health of backends, and what their limits refused.

use super::Writer;
use crate::backend::LIMITS;
use crate::{BackendHealth, BackendMetrics, Registry, Series};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub(super) fn health(writer: &mut Writer<'_>, all: &[BackendHealth]) -> fmt::Result {
    let help = "Endpoints by state: ready, ejected (they answer badly), unreachable (connecting fails), unhealthy (active \
                checks say so), waiting (for their first check).";
    let counts = all.iter().flat_map(|health| {
        let states =
            [("ready", health.ready), ("ejected", health.ejected), ("unreachable", health.unreachable)];
        // Few backends have checks.
        let checked = [("unhealthy", health.unhealthy), ("waiting", health.waiting)];
        let has_checks = health.checks != [0; 2] || health.waiting > 0;
        let states = states.into_iter().chain(checked.into_iter().filter(move |_| has_checks));
        states.map(move |(state, count)| {
            ([("backend", health.backend.clone()), ("state", state.into())], count)
        })
    });
    writer.gauges("irongate_backend_endpoints", help, None, counts)?;
    let help = "Active checks of endpoints.";
    let checks = all.iter().flat_map(|health| {
        let results = [("passed", health.checks[0]), ("failed", health.checks[1])];
        let counted = results.into_iter().filter(|(_, count)| *count > 0);
        counted.map(move |(result, count)| {
            ([("backend", health.backend.clone()), ("result", result.into())], count)
        })
    });
    writer.counters("irongate_health_checks", help, None, checks)?;
    let help = "How much of a backend's limits is in use, where limits are set.";
    let in_use = all.iter().flat_map(|health| {
        let labels =
            move |limit: &'static str| [("backend", health.backend.clone()), ("limit", limit.into())];
        health.in_use.iter().map(move |(limit, count)| (labels(limit), u64::from(*count)))
    });
    writer.gauges("irongate_backend_limit_in_use", help, None, in_use)
}

pub(super) fn limited(writer: &mut Writer<'_>, all: &[Arc<Series<BackendMetrics>>]) -> fmt::Result {
    let help = "What was refused since a limit of the backend was reached: requests, requests that would have waited, the wait \
                for a connection, retries.";
    let counts = all.iter().flat_map(|series| {
        let counts = LIMITS.iter().enumerate().map(move |(place, limit)| {
            let sum = series.parts().map(|part| part.limited[place].value()).sum::<u64>();
            ([("backend", series.labels().clone()), ("limit", (*limit).into())], sum)
        });
        counts.filter(|(_, count)| *count > 0)
    });
    writer.counters("irongate_backend_limited", help, None, counts)
}

/// Attempts beside others. Few backends have any.
pub(super) fn hedges(writer: &mut Writer<'_>, all: &[Arc<Series<BackendMetrics>>]) -> fmt::Result {
    let counts = |count: fn(&BackendMetrics) -> u64| {
        let sum = move |series: &Series<BackendMetrics>| series.parts().map(count).sum::<u64>();
        let counted = all.iter().map(move |series| ([("backend", series.labels().clone())], sum(series)));
        counted.filter(|(_, count)| *count > 0)
    };
    let help = "Requests that were sent to another endpoint besides, since they waited for long.";
    writer.counters("irongate_backend_hedges", help, None, counts(|part| part.hedged.value()))?;
    let help = "Answers of that other endpoint that were the first good ones.";
    writer.counters("irongate_backend_hedges_won", help, None, counts(|part| part.hedges_won.value()))
}

pub(super) fn ejections(
    writer: &mut Writer<'_>,
    registry: &Registry,
    all: &[Arc<Series<BackendMetrics>>],
) -> fmt::Result {
    let help = "Endpoints left out because they answered badly.";
    let by_control: BTreeMap<_, _> =
        registry.backend_health().into_iter().map(|health| (health.backend, health.ejections)).collect();
    let ejections = all.iter().map(|series| {
        let sum = series.parts().map(|part| part.ejections.value()).sum::<u64>();
        ([("backend", series.labels().clone())], sum + by_control.get(series.labels()).copied().unwrap_or(0))
    });
    writer.counters("irongate_backend_ejections", help, None, ejections)
}
