//! Our `TrafficPolicy`: what is asked of the requests of Gateways, listeners, routes and rules.

mod bandwidth;
mod compression;
mod concurrency;
mod faults;
mod hedge;
mod rate_limits;
mod request_buffer;

pub use bandwidth::{BandwidthBounds, BandwidthFields};
pub use compression::{CodingName, CompressionFields, StrongEtagsName};
pub use concurrency::{
    ClaimFields, ConcurrencyFields, ConcurrencyQueueFields, PriorityFields, PriorityName, PriorityRuleFields,
};
pub use faults::{FaultAbortFields, FaultDelayFields, FaultFields};
pub use hedge::HedgeFields;
pub use rate_limits::{ClientKeyFields, RateLimitFields, RateLimitKeyFields, RateLimitStoreReference};
pub use request_buffer::RequestBufferFields;

use super::{Bytes, GatewayDuration, IRONGATE_GROUP, Kind, PolicyTargetReference};
use crate::checks::Checks;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::ObjectName;
use schemars::JsonSchema;
use serde::Deserialize;

/// A `TrafficPolicy`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct TrafficPolicy {
    /// What is wanted.
    pub spec: TrafficPolicySpec,
}

/// What is asked of the requests of its targets. What is not written is left to policies for less specific targets and
/// to younger ones, and then has its default.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPolicySpec {
    /// The Gateways (or one listener of a Gateway by `sectionName`), HTTPRoutes and GRPCRoutes (or one rule by
    /// `sectionName`, its name) that it is for.
    pub target_refs: Vec<PolicyTargetReference>,
    /// How long things may take, where the rule does not say so itself.
    #[serde(default)]
    pub timeouts: TrafficTimeouts,
    /// What is tried again, where the rule has no `retry` of its own.
    #[serde(default)]
    pub retry: RuleRetryFields,
    /// What is sent to another instance besides, before an answer has come. Not written: nothing is.
    pub hedge: Option<HedgeFields>,
    /// How many requests there may be. They are counted together for the target, and all limits of the list have to let a
    /// request pass, in this order.
    pub rate_limits: Option<Vec<RateLimitFields>>,
    /// What is asked of the bodies of requests.
    #[serde(default)]
    pub request_body: RequestBodyFields,
    /// How many requests may be under way at once, counted together for the target.
    pub concurrency: Option<ConcurrencyFields>,
    /// How important requests are to the limits of what is under way.
    #[serde(default)]
    pub priority: PriorityFields,
    /// Failures that are made on purpose; of each request the first that is drawn.
    pub faults: Option<Vec<FaultFields>>,
    /// Bodies of requests are read whole, and then sent to a backend, all at once and with their length.
    pub request_buffer: Option<RequestBufferFields>,
    /// How fast bodies are passed on. Not written: as fast as they come and are taken.
    #[serde(default)]
    pub bandwidth: BandwidthFields,
    /// How answers are compressed, for clients that ask for it. Not written: they are not.
    pub compression: Option<CompressionFields>,
}

/// What is asked of the bodies of requests.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestBodyFields {
    /// The longest that is taken: a longer one is refused with 413, before anything is passed on where its length is said.
    /// Not written: any.
    pub max_size: Option<Bytes>,
}

/// Timeouts of rules; zero switches one off.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TrafficTimeouts {
    /// For the whole exchange.
    pub request: Option<GatewayDuration>,
    /// For one try.
    pub backend_request: Option<GatewayDuration>,
}

/// What is tried again. Writing any of them asks for retries.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RuleRetryFields {
    /// How many more tries.
    #[schemars(extend("default" = 1))]
    pub attempts: Option<u32>,
    /// Statuses, 400 to 599.
    pub codes: Option<Vec<u16>>,
    /// The least wait before another.
    pub backoff: Option<GatewayDuration>,
}

impl Kind for TrafficPolicy {
    const KIND: &'static str = "TrafficPolicy";
    const GROUP: &'static str = IRONGATE_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1alpha1"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.traffic_policies
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let spec = &self.spec;
        let at = at.field("spec");
        check_targets(&spec.target_refs, &at.field("targetRefs"), checks);
        check_timeouts(&spec.timeouts, &at.field("timeouts"), checks);
        rate_limits::check(spec.rate_limits.as_deref().unwrap_or_default(), &at.field("rateLimits"), checks);
        spec.bandwidth.check(&at.field("bandwidth"), checks);
        if let Some(buffer) = &spec.request_buffer {
            buffer.check(&at.field("requestBuffer"), checks);
        }
        if let Some(compression) = &spec.compression {
            compression.check(&at.field("compression"), checks);
        }
        if let Some(concurrency) = &spec.concurrency {
            concurrency.check(&at.field("concurrency"), checks);
        }
        spec.priority.check(&at.field("priority"), checks);
        faults::check(spec.faults.as_deref().unwrap_or_default(), &at.field("faults"), checks);
        let codes = at.field("retry");
        let codes = codes.field("codes");
        for (place, code) in spec.retry.codes.iter().flatten().enumerate() {
            if !(400..=599).contains(code) {
                checks.invalid(&codes.index(place), "must be from 400 to 599", "");
            }
        }
    }
}

fn check_targets(targets: &[PolicyTargetReference], at: &At<'_>, checks: &mut Checks) {
    if targets.is_empty() {
        checks.invalid(at, "is empty", "Name the Gateways or routes that it is for.");
    }
    checks.no_more_than(at, targets.len(), 16);
    for (index, target) in targets.iter().enumerate().take(16) {
        if targets[..index].contains(target) {
            let message = "names the same target as an earlier one";
            let advice = "Remove one, or tell them apart by sectionName.";
            checks.invalid(&at.index(index), message, advice);
        }
    }
}

fn check_timeouts(timeouts: &TrafficTimeouts, at: &At<'_>, checks: &mut Checks) {
    if let (Some(request), Some(one)) = (timeouts.request, timeouts.backend_request)
        && !request.0.is_zero()
        && one > request
    {
        let message = "must not be longer than request";
        checks.invalid(&at.field("backendRequest"), message, "Raise request, or lower this.");
    }
}
