//! The fields of a `TrafficPolicy`, each by itself.

mod answers;

use super::super::precedence::{Field, set};
use super::Wanted;
use crate::kinds::{
    BandwidthBounds, Bytes, FaultFields, Header, PriorityRuleFields, RateLimitFields, RateLimitKeyFields,
    RequestBufferFields, TrafficPolicySpec,
};
use irongate_config::{Bandwidth, Fault, FaultAbort, PriorityRule, RateLimit, RateLimitKey, RequestBuffer};
use std::sync::Arc;
use std::time::Duration;

/// All fields, in the order of the kind.
pub(super) const FIELDS: &[Field<TrafficPolicySpec, Wanted>] = &[
    Field {
        name: "timeouts.request",
        set: |from, to| set(&mut to.timeouts.request, from.timeouts.request.map(|time| Some(time.0))),
    },
    Field {
        name: "timeouts.backendRequest",
        set: |from, to| {
            set(&mut to.timeouts.backend_request, from.timeouts.backend_request.map(|time| Some(time.0)))
        },
    },
    Field {
        name: "retry.attempts",
        set: |from, to| to.set_retry(|to| set(&mut to.attempts, from.retry.attempts)),
    },
    Field {
        name: "retry.codes",
        set: |from, to| to.set_retry(|to| set(&mut to.codes, from.retry.codes.clone())),
    },
    Field {
        name: "retry.backoff",
        set: |from, to| to.set_retry(|to| set(&mut to.backoff, from.retry.backoff.map(|time| Some(time.0)))),
    },
    Field {
        name: "hedge",
        set: |from, to| {
            // Zero switches it off.
            let after = from.hedge.as_ref().map(|hedge| hedge.after.0);
            set(&mut to.options.hedge_after, after.map(|after| Some(after).filter(|after| !after.is_zero())))
        },
    },
    Field {
        name: "rateLimits",
        set: |from, to| {
            let limits = from.rate_limits.as_ref();
            set(&mut to.options.rate_limits, limits.map(|limits| limits.iter().map(rate_limit).collect()))
        },
    },
    Field {
        name: "requestBody.maxSize",
        set: |from, to| {
            set(&mut to.options.max_request_body, from.request_body.max_size.map(|size| Some(size.0)))
        },
    },
    Field {
        name: "concurrency",
        set: |from, to| {
            let concurrency = from.concurrency.as_ref();
            set(&mut to.options.concurrency, concurrency.map(|concurrency| Some(concurrency.meaning())))
        },
    },
    Field {
        name: "priority.default",
        set: |from, to| set(&mut to.options.priorities.default, from.priority.default.map(Into::into)),
    },
    Field {
        name: "priority.rules",
        set: |from, to| {
            let rules = from.priority.rules.as_ref();
            set(&mut to.options.priorities.rules, rules.map(|rules| rules.iter().map(priority).collect()))
        },
    },
    Field {
        name: "faults",
        set: |from, to| {
            let faults = from.faults.as_ref();
            set(&mut to.options.faults, faults.map(|faults| faults.iter().map(fault).collect()))
        },
    },
    Field {
        name: "requestBuffer",
        set: |from, to| {
            let buffer = from.request_buffer.as_ref();
            set(&mut to.options.request_buffer, buffer.map(request_buffer))
        },
    },
    Field {
        name: "bandwidth.request",
        set: |from, to| {
            let bounds = from.bandwidth.request.as_ref();
            set(&mut to.options.request_bandwidth, bounds.map(bandwidth))
        },
    },
    Field {
        name: "bandwidth.response",
        set: |from, to| {
            let bounds = from.bandwidth.response.as_ref();
            set(&mut to.options.response_bandwidth, bounds.map(bandwidth))
        },
    },
    Field {
        name: "compression",
        set: |from, to| {
            set(
                &mut to.options.compression,
                from.compression.as_ref().map(|it| Some(answers::compression(it))),
            )
        },
    },
];

/// A limit, but for its scope and its store.
fn rate_limit(from: &RateLimitFields) -> RateLimit {
    RateLimit {
        name: from.name.clone(),
        scope: "".into(),
        requests: from.requests.unwrap_or(u32::MAX),
        per: from.per.map_or(Duration::from_secs(1), |per| per.0),
        burst: from.burst.or(from.requests).unwrap_or(u32::MAX),
        key: from.key.iter().filter_map(key).collect(),
        max_keys: from.max_keys.unwrap_or(65_536),
        dry_run: from.dry_run,
        shared: None,
    }
}

/// A part of a key; what it says was checked on reading.
fn key(from: &RateLimitKeyFields) -> Option<RateLimitKey> {
    if let Some(client) = &from.client {
        let (ipv4_bits, ipv6_bits) = (client.ipv4_bits.unwrap_or(32), client.ipv6_bits.unwrap_or(64));
        return Some(RateLimitKey::Client { ipv4_bits, ipv6_bits });
    }
    let header = from.header.as_ref().map(|name| RateLimitKey::Header(name.to_ascii_lowercase().into()));
    let query = from.query.clone().map(RateLimitKey::Query);
    let path = (from.path == Some(true)).then_some(RateLimitKey::Path);
    let method = (from.method == Some(true)).then_some(RateLimitKey::Method);
    let constant = from.constant.clone().map(RateLimitKey::Constant);
    header.or(query).or(path).or(method).or(constant)
}

/// How bodies are read whole, but for the scope; a bound of 0 switches it off.
fn request_buffer(from: &RequestBufferFields) -> Option<RequestBuffer> {
    let timeout = from.timeout.map_or(Duration::from_secs(60), |timeout| timeout.0);
    let max_size = from.max_size.0;
    (max_size > 0).then(|| RequestBuffer { scope: "".into(), max_size, timeout })
}

/// How fast bodies are passed on, but for the scope; without a bound there is nothing to be done.
fn bandwidth(from: &BandwidthBounds) -> Option<Bandwidth> {
    let rate = |rate: Option<Bytes>| rate.map(|rate| rate.0);
    let (per_request, total) = (rate(from.per_request), rate(from.total));
    (per_request.is_some() || total.is_some()).then(|| Bandwidth { scope: "".into(), per_request, total })
}

/// A fault, but for its scope.
fn fault(from: &FaultFields) -> Fault {
    let delay = from
        .delay
        .as_ref()
        .map(|delay| (delay.time.0, delay.time.0 + delay.spread.map(|spread| spread.0).unwrap_or_default()));
    let abort = from.abort.as_ref().map(|abort| match (abort.status, abort.grpc_status) {
        (Some(status), _) => FaultAbort::Status(status),
        (None, Some(status)) => FaultAbort::Grpc(status),
        (None, None) => FaultAbort::Reset,
    });
    Fault {
        scope: "".into(),
        // It was checked on reading that it is from 0 to 100.
        millionths: (from.percent * 10_000.0).round().clamp(0.0, 1_000_000.0) as u32,
        headers: headers(&from.headers),
        delay,
        abort,
    }
}

/// Which requests are how important.
fn priority(from: &PriorityRuleFields) -> PriorityRule {
    PriorityRule { headers: headers(&from.headers), priority: from.priority.into() }
}

/// Fields and their values; the names in lower case.
fn headers(from: &[Header]) -> Vec<(Arc<str>, Arc<str>)> {
    from.iter().map(|one| (one.name.to_ascii_lowercase().into(), one.value.clone())).collect()
}
