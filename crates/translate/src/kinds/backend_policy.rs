//! Our `BackendPolicy`: how a backend's instances are chosen and treated.

mod affinity;
mod health_checks;
mod limits;
mod outliers;
mod retry;

pub use affinity::{HashFields, HashKeyFields, HashKeyName, LocalityName};
pub use health_checks::{
    BeforeFirstName, GrpcCheckFields, HealthCheckFields, HttpCheckFields, StatusRange, TcpCheckFields,
};
pub use limits::BackendLimitFields;
pub use outliers::{LatencyOutlierFields, SuccessRateFields};
pub use retry::{GrpcStatusName, RetryConditionName, RetryFields};

use super::{
    ConcurrencyFields, GatewayDuration, IRONGATE_GROUP, Kind, PolicyTargetReference, SessionPersistence,
};
use crate::checks::Checks;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::{Algorithm, ObjectName, ProxyProtocolVersion};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// A `BackendPolicy`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct BackendPolicy {
    /// What is wanted.
    pub spec: BackendPolicySpec,
}

/// How a backend's instances are chosen and treated. What is not written is left to less specific and younger
/// policies, and then has its default.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendPolicySpec {
    /// The Services and Backends that it is for; a Service's port by `sectionName`.
    pub target_refs: Vec<PolicyTargetReference>,
    /// How an instance is chosen.
    #[schemars(extend("default" = "PeakEwma"))]
    pub algorithm: Option<AlgorithmName>,
    /// What requests are told apart by, where the algorithm goes by a key.
    #[serde(default)]
    pub hash: HashFields,
    /// Which instances are preferred by their zone.
    #[schemars(extend("default" = "PreferLocal"))]
    pub locality: Option<LocalityName>,
    /// Requests of one session to one instance, where a route's rule does not say it.
    pub session_persistence: Option<Box<SessionPersistence>>,
    /// How long connecting may take. Not written: 1s while another instance is left to try, else 5s.
    pub connect_timeout: Option<GatewayDuration>,
    /// Connections to the instances begin with a PROXY header of this version, which tells the client's address. Over HTTP a
    /// connection is then used for one client only. Datagrams have none.
    pub proxy_protocol: Option<ProxyProtocolName>,
    /// Idle connections.
    #[serde(default)]
    pub pool: PoolFields,
    /// How the instances are checked, whether requests go there or not.
    pub health_checks: Option<HealthCheckFields>,
    /// When an instance that answers badly is left out for a while.
    #[serde(default)]
    pub ejection: EjectionFields,
    /// How much the instances are given at once.
    #[serde(default)]
    pub limits: BackendLimitFields,
    /// How many requests may be under way at once, counted together for all routes. How important they are says the
    /// `priority` of a TrafficPolicy.
    pub concurrency: Option<ConcurrencyFields>,
    /// What is tried again, where a route does not say it.
    pub retry: Option<RetryFields>,
    /// How many retries there may be.
    #[serde(default)]
    pub retry_budget: RetryBudgetFields,
}

/// How an instance is chosen.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum AlgorithmName {
    /// Power of two choices by peak EWMA of latency times load.
    PeakEwma,
    /// Power of two choices by requests under way.
    LeastRequest,
    /// In turn.
    RoundRobin,
    /// By chance.
    Random,
    /// By a key of the request, on a ring of hashes.
    RingHash,
    /// By a key of the request, in Maglev's table: shares are more even than a ring's.
    Maglev,
}

impl From<AlgorithmName> for Algorithm {
    fn from(name: AlgorithmName) -> Self {
        match name {
            AlgorithmName::PeakEwma => Self::PeakEwma,
            AlgorithmName::LeastRequest => Self::LeastRequest,
            AlgorithmName::RoundRobin => Self::RoundRobin,
            AlgorithmName::Random => Self::Random,
            AlgorithmName::RingHash => Self::RingHash,
            AlgorithmName::Maglev => Self::Maglev,
        }
    }
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum ProxyProtocolName {
    /// One line of text.
    V1,
    /// A binary header.
    V2,
}

impl From<ProxyProtocolName> for ProxyProtocolVersion {
    fn from(name: ProxyProtocolName) -> Self {
        match name {
            ProxyProtocolName::V1 => Self::V1,
            ProxyProtocolName::V2 => Self::V2,
        }
    }
}

/// What is kept of idle connections to the instances.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolFields {
    /// How long a connection may be idle.
    #[schemars(extend("default" = "4s"))]
    pub idle_timeout: Option<GatewayDuration>,
    /// How many idle ones are kept, an endpoint and core.
    #[schemars(extend("default" = 256))]
    pub max_idle: Option<u32>,
}

/// When an instance that answers badly is left out (ejected) for a while.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EjectionFields {
    /// How many failures in a row; 0 switches ejection off.
    #[schemars(extend("default" = 5))]
    pub consecutive_failures: Option<u32>,
    /// When too many of its requests fail, in a row or not. Not written: not looked at.
    pub success_rate: Option<SuccessRateFields>,
    /// When it is much slower than the others. Not written: not looked at.
    pub latency: Option<LatencyOutlierFields>,
    /// The first time out; doubles up to `maxTime` each time that it fails again soon after it came back.
    #[schemars(extend("default" = "1s"))]
    pub base_time: Option<GatewayDuration>,
    /// The longest time out.
    #[schemars(extend("default" = "60s"))]
    pub max_time: Option<GatewayDuration>,
    /// At most this share of a backend is out at once, in per cent.
    #[schemars(range(max = 100))]
    #[schemars(extend("default" = 50))]
    pub max_percent: Option<u8>,
}

/// How many retries a backend's requests may have together: in any interval, this share of the requests and so many
/// a second (GEP-3388).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryBudgetFields {
    /// Share of the requests, in per cent.
    #[schemars(range(max = 100))]
    #[schemars(extend("default" = 20))]
    pub percent: Option<u8>,
    /// Over how long.
    #[schemars(extend("default" = "10s"))]
    pub interval: Option<GatewayDuration>,
    /// Retries a second that are always allowed.
    #[schemars(extend("default" = 10))]
    pub min_per_second: Option<u32>,
}

impl Kind for BackendPolicy {
    const KIND: &'static str = "BackendPolicy";
    const GROUP: &'static str = IRONGATE_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1alpha1"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.backend_policies
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let spec = &self.spec;
        let at = at.field("spec");
        if spec.target_refs.is_empty() {
            checks.invalid(
                &at.field("targetRefs"),
                "is empty",
                "Name the Services and Backends that it is for.",
            );
        }
        let targets = at.field("targetRefs");
        checks.no_more_than(&targets, spec.target_refs.len(), 16);
        for (index, target) in spec.target_refs.iter().enumerate().take(16) {
            if spec.target_refs[..index].contains(target) {
                let message = "names the same target as an earlier one";
                checks.invalid(
                    &targets.index(index),
                    message,
                    "Remove one, or tell them apart by sectionName.",
                );
            }
        }
        spec.check_parts(&at, checks);
        if let (Some(base), Some(longest)) = (spec.ejection.base_time, spec.ejection.max_time)
            && base > longest
        {
            let message = "must not be longer than maxTime";
            checks.invalid(&at.field("ejection").field("baseTime"), message, "Raise maxTime.");
        }
        spec.hash.check(&at.field("hash"), checks);
        if let Some(persistence) = &spec.session_persistence {
            persistence.check(&at.field("sessionPersistence"), checks);
        }
        let positive = |value: Option<GatewayDuration>, at: &At<'_>, checks: &mut Checks| {
            if value.is_some_and(|value| value.0 == Duration::ZERO) {
                checks.invalid(at, "must be longer than nothing", "");
            }
        };
        positive(spec.connect_timeout, &at.field("connectTimeout"), checks);
        positive(spec.ejection.base_time, &at.field("ejection").field("baseTime"), checks);
        positive(spec.ejection.max_time, &at.field("ejection").field("maxTime"), checks);
        positive(spec.retry_budget.interval, &at.field("retryBudget").field("interval"), checks);
        let percent = |value: Option<u8>, at: &At<'_>, checks: &mut Checks| {
            if value.is_some_and(|value| value > 100) {
                checks.invalid(at, "must be from 0 to 100", "");
            }
        };
        percent(spec.ejection.max_percent, &at.field("ejection").field("maxPercent"), checks);
        percent(spec.retry_budget.percent, &at.field("retryBudget").field("percent"), checks);
    }
}

impl BackendPolicySpec {
    /// Checks the fields that have a type of their own.
    fn check_parts(&self, at: &At<'_>, checks: &mut Checks) {
        if let Some(health) = &self.health_checks {
            health.check(&at.field("healthChecks"), checks);
        }
        if let Some(rate) = &self.ejection.success_rate {
            rate.check(&at.field("ejection").field("successRate"), checks);
        }
        if let Some(latency) = &self.ejection.latency {
            latency.check(&at.field("ejection").field("latency"), checks);
        }
        if let Some(concurrency) = &self.concurrency {
            concurrency.check(&at.field("concurrency"), checks);
        }
        if let Some(retry) = &self.retry {
            retry.check(&at.field("retry"), checks);
        }
    }
}
