//! The fields of a `BackendPolicy`, each by itself.

use super::super::precedence::{Field, set};
use crate::kinds::BackendPolicySpec;
use irongate_config::BackendOptions;
use std::sync::Arc;

/// All fields, in the order of the kind.
pub(super) const FIELDS: &[Field<BackendPolicySpec, BackendOptions>] = &[
    Field { name: "algorithm", set: |from, to| set(&mut to.algorithm, from.algorithm.map(Into::into)) },
    Field { name: "hash.keys", set: |from, to| set(&mut to.hashing.keys, from.hash.to_keys()) },
    Field {
        name: "hash.maxLoadPercent",
        set: |from, to| set(&mut to.hashing.max_load, from.hash.max_load_percent.map(Some)),
    },
    Field { name: "locality", set: |from, to| set(&mut to.locality, from.locality.map(Into::into)) },
    Field {
        name: "sessionPersistence",
        set: |from, to| {
            let session =
                from.session_persistence.as_ref().map(|session| session.to_config(None, String::new));
            set(&mut to.session, session.map(|session| Some(Arc::new(session))))
        },
    },
    Field {
        name: "connectTimeout",
        set: |from, to| set(&mut to.connect_timeout, from.connect_timeout.map(|time| Some(time.0))),
    },
    Field {
        name: "proxyProtocol",
        set: |from, to| set(&mut to.proxy_protocol, from.proxy_protocol.map(|version| Some(version.into()))),
    },
    Field {
        name: "pool.idleTimeout",
        set: |from, to| set(&mut to.pool.idle_timeout, from.pool.idle_timeout.map(|time| time.0)),
    },
    Field { name: "pool.maxIdle", set: |from, to| set(&mut to.pool.max_idle, from.pool.max_idle) },
    Field {
        name: "healthChecks",
        set: |from, to| {
            set(&mut to.health_checks, from.health_checks.as_ref().and_then(|it| it.meant()).map(Some))
        },
    },
    Field {
        name: "ejection.consecutiveFailures",
        set: |from, to| set(&mut to.ejection.consecutive_failures, from.ejection.consecutive_failures),
    },
    Field {
        name: "ejection.successRate",
        set: |from, to| {
            let rate = from.ejection.success_rate.as_ref();
            set(&mut to.ejection.success_rate, rate.map(|rate| Some(rate.meant())))
        },
    },
    Field {
        name: "ejection.latency",
        set: |from, to| {
            let latency = from.ejection.latency.as_ref();
            set(&mut to.ejection.latency, latency.map(|latency| Some(latency.meant())))
        },
    },
    Field {
        name: "ejection.baseTime",
        set: |from, to| set(&mut to.ejection.base_time, from.ejection.base_time.map(|time| time.0)),
    },
    Field {
        name: "ejection.maxTime",
        set: |from, to| set(&mut to.ejection.max_time, from.ejection.max_time.map(|time| time.0)),
    },
    Field {
        name: "ejection.maxPercent",
        set: |from, to| set(&mut to.ejection.max_percent, from.ejection.max_percent),
    },
    Field {
        name: "limits.maxConnections",
        set: |from, to| set(&mut to.limits.connections, from.limits.max_connections.map(Some)),
    },
    Field {
        name: "limits.maxPending",
        set: |from, to| set(&mut to.limits.pending, from.limits.max_pending.map(Some)),
    },
    Field {
        name: "limits.maxRequests",
        set: |from, to| set(&mut to.limits.requests, from.limits.max_requests.map(Some)),
    },
    Field {
        name: "limits.maxRetries",
        set: |from, to| set(&mut to.limits.retries, from.limits.max_retries.map(Some)),
    },
    Field {
        name: "concurrency",
        set: |from, to| {
            set(&mut to.concurrency, from.concurrency.as_ref().map(|concurrency| Some(concurrency.meaning())))
        },
    },
    Field {
        name: "retry",
        set: |from, to| set(&mut to.retry, from.retry.as_ref().map(|it| Some(it.meant()))),
    },
    Field {
        name: "retryBudget.percent",
        set: |from, to| set(&mut to.retry_budget.percent, from.retry_budget.percent),
    },
    Field {
        name: "retryBudget.interval",
        set: |from, to| set(&mut to.retry_budget.interval, from.retry_budget.interval.map(|time| time.0)),
    },
    Field {
        name: "retryBudget.minPerSecond",
        set: |from, to| set(&mut to.retry_budget.min_per_second, from.retry_budget.min_per_second),
    },
];
