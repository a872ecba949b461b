//! How a backend is checked, limited and retried, as its policies say.

use super::seconds;
use irongate_config::{
    BackendLimits, BeforeFirstCheck, Concurrency, Ejection, HealthCheck, HealthChecks, LatencyOutlier,
    RetryPolicy, SuccessRate,
};
use serde_json::{Value, json};

pub(super) fn checks(checks: &HealthChecks) -> Value {
    json!({
        "intervalSeconds": seconds(checks.interval),
        "jitterPercent": checks.jitter_percent,
        "timeoutSeconds": seconds(checks.timeout),
        "unhealthyThreshold": checks.unhealthy_threshold,
        "healthyThreshold": checks.healthy_threshold,
        "port": checks.port,
        "beforeFirst": match checks.before_first {
            BeforeFirstCheck::Ready => "Ready",
            BeforeFirstCheck::Waiting => "Waiting",
        },
        "check": match &checks.check {
            HealthCheck::Http(http) => json!({
                "kind": "HTTP",
                "method": &*http.method,
                "path": &*http.path,
                "host": http.host.as_deref(),
                "statuses": http.statuses.iter().map(|range| [*range.start(), *range.end()]).collect::<Vec<_>>(),
                "body": http.body.as_deref(),
            }),
            HealthCheck::Grpc { service } => json!({ "kind": "gRPC", "service": &**service }),
            HealthCheck::Tcp { send, expect } => json!({
                "kind": "TCP",
                "send": String::from_utf8_lossy(send),
                "expect": String::from_utf8_lossy(expect),
            }),
        },
    })
}

/// `null`: any number.
pub(super) fn concurrency(concurrency: &Concurrency) -> Value {
    json!({
        "min": concurrency.min,
        "max": concurrency.max,
        "queue": concurrency.queue.map(|queue| json!({
            "size": queue.size,
            "timeoutSeconds": seconds(queue.timeout),
        })),
    })
}

pub(super) fn limits(limits: &BackendLimits) -> Value {
    json!({
        "maxConnections": limits.connections,
        "maxPending": limits.pending,
        "maxRequests": limits.requests,
        "maxRetries": limits.retries,
    })
}

pub(super) fn retry(retry: &RetryPolicy) -> Value {
    let on = &retry.conditions;
    let conditions = [
        ("ConnectFailure", on.connect_failure),
        ("RefusedStream", on.refused_stream),
        ("Reset", on.reset),
        ("Timeout", on.timeout),
    ];
    let conditions: Vec<&str> = conditions.into_iter().filter_map(|(name, on)| on.then_some(name)).collect();
    json!({
        "attempts": retry.attempts,
        "on": conditions,
        "statuses": retry.codes,
        "grpcStatuses": retry.grpc_codes,
        "perTryTimeoutSeconds": retry.attempt_timeout.map(seconds),
        "backoffSeconds": retry.backoff.map(seconds),
    })
}

pub(super) fn ejection(ejection: &Ejection) -> Value {
    json!({
        "consecutiveFailures": ejection.consecutive_failures,
        "successRate": ejection.success_rate.map(success_rate),
        "latency": ejection.latency.map(latency),
        "baseTimeSeconds": seconds(ejection.base_time),
        "maxTimeSeconds": seconds(ejection.max_time),
        "maxPercent": ejection.max_percent,
    })
}

fn success_rate(rate: SuccessRate) -> Value {
    json!({ "percent": rate.percent, "windowSeconds": seconds(rate.window), "minRequests": rate.min_requests })
}

fn latency(latency: LatencyOutlier) -> Value {
    json!({
        "factor": latency.factor,
        "atLeastSeconds": seconds(latency.at_least),
        "windowSeconds": seconds(latency.window),
        "minRequests": latency.min_requests,
    })
}
