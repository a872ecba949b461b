//! Our `TrafficPolicy`: what is asked of the requests of Gateways, listeners, routes and rules.

use super::{GatewayDuration, IRONGATE_GROUP, Kind, PolicyTargetReference};
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
