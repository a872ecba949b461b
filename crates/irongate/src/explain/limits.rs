//! Rate limits of a rule.

use super::describe;
use irongate_config::{LimitStoreKind, RateLimit, RateLimitKey, RouteRule, SharedLimit, StoreFailure};
use serde::Serialize;

/// A rate limit.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LimitView {
    pub(crate) name: String,
    /// What it allows, of what, and what it counts together.
    pub(crate) summary: String,
    pub(crate) dry_run: bool,
    /// Who counts for all replicas, if anybody does.
    pub(crate) store: Option<StoreView>,
}

/// A store of rate limits.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoreView {
    pub(crate) store: String,
    pub(crate) address: String,
    /// What becomes of requests while it does not answer.
    pub(crate) on_failure: &'static str,
}

/// The limits of a rule, in order.
pub(super) fn views(rule: &RouteRule) -> Vec<LimitView> {
    let limits = rule.traffic.as_ref().map_or(&[][..], |traffic| &traffic.rate_limits);
    limits.iter().map(view).collect()
}

fn view(limit: &RateLimit) -> LimitView {
    let is_of_service = limit
        .shared
        .as_ref()
        .is_some_and(|shared| matches!(shared.store.kind, LimitStoreKind::Service { .. }));
    let rate = if is_of_service {
        "as its service says".to_owned()
    } else {
        format!("{} in {}, {} at once", limit.requests, describe::duration(limit.per), limit.burst)
    };
    let key: Vec<_> = limit.key.iter().map(part).collect();
    let key = if key.is_empty() { "all together".to_owned() } else { format!("by {}", key.join(", ")) };
    LimitView {
        name: limit.name.to_string(),
        summary: format!("{rate}, {key}, for {}", limit.scope),
        dry_run: limit.dry_run,
        store: limit.shared.as_ref().map(store),
    }
}

fn part(part: &RateLimitKey) -> String {
    match part {
        RateLimitKey::Client { ipv4_bits, ipv6_bits } => format!("client /{ipv4_bits} and /{ipv6_bits}"),
        RateLimitKey::Header(name) => format!("header {name}"),
        RateLimitKey::Query(name) => format!("query {name}"),
        RateLimitKey::Path => "path".to_owned(),
        RateLimitKey::Method => "method".to_owned(),
        RateLimitKey::Constant(text) => format!("constant {text}"),
    }
}

fn store(shared: &SharedLimit) -> StoreView {
    StoreView {
        store: shared.store.name.to_string(),
        address: shared.store.to_string(),
        on_failure: match shared.on_failure {
            StoreFailure::Local => "Local",
            StoreFailure::Allow => "Allow",
            StoreFailure::Deny => "Deny",
        },
    }
}
