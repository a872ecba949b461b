//! What policies ask of a rule's requests, ready to be asked; and what is kept of limits beside the snapshots.

mod shared;

pub(crate) use shared::{Asked, SharedLimits};

use super::{ConcurrencyLimits, ConcurrencyUse, PriorityPlan};
use crate::body::Pace;
use crate::live::Registry;
use irongate_config::{Bandwidth, Compression, ContentCoding, FaultAbort, RateLimit, TrafficOptions};
use irongate_message::{FieldName, Fields, Known};
use irongate_telemetry::{
    CompressionLabels, CompressionMetrics, FlowLabels, FlowMetrics, Registry as Metrics, Series,
};
use irongate_traffic::{ByteBucket, ByteRate, CompressionPlan, LimitState, RateLimiter};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// What policies ask of a rule's requests.
pub(crate) struct FlowPlan {
    pub(crate) limits: Box<[LimitUse]>,
    /// Those that stores count.
    pub(crate) shared: Box<[Arc<SharedLimits>]>,
    pub(crate) faults: Box<[FaultUse]>,
    /// How many may be under way at once.
    pub(crate) concurrency: Option<Arc<ConcurrencyUse>>,
    /// How important they are.
    pub(crate) priorities: PriorityPlan,
    /// A request that waits for so long is sent to another endpoint besides, if that does no harm.
    pub(crate) hedge_after: Option<Duration>,
    /// The longest body of a request, in bytes.
    pub(crate) max_request_body: Option<u64>,
    pub(crate) buffer: Option<BufferUse>,
    pub(crate) request_bandwidth: Option<BandwidthUse>,
    pub(crate) response_bandwidth: Option<BandwidthUse>,
    pub(crate) compression: Option<CompressionUse>,
}

/// Bodies of requests are read whole first.
#[derive(Clone)]
pub(crate) struct BufferUse {
    /// The longest that is taken, in bytes.
    pub(crate) most: u64,
    /// How long one may take to come.
    pub(crate) timeout: Duration,
    pub(crate) metrics: Arc<Series<FlowMetrics>>,
}

/// How fast bodies are passed on.
pub(crate) struct BandwidthUse {
    per_request: Option<ByteRate>,
    total: Option<(ByteRate, Arc<ByteBucket>)>,
    metrics: Arc<Series<FlowMetrics>>,
}

impl BandwidthUse {
    /// For one body.
    pub(crate) fn pace(&self, core: usize) -> Pace {
        Pace::new(self.per_request, self.total.clone(), self.metrics.core(core).clone())
    }
}

/// How answers are compressed.
pub(crate) struct CompressionUse {
    pub(crate) plan: CompressionPlan,
    /// For each coding that is offered.
    metrics: Box<[(ContentCoding, Arc<Series<CompressionMetrics>>)]>,
}

impl CompressionUse {
    fn new(compression: &Compression, metrics: &Metrics) -> Option<Self> {
        let plan = CompressionPlan::new(compression)?;
        let metrics = compression.codings.iter().map(|&(coding, _)| {
            let labels = CompressionLabels { scope: compression.scope.clone(), coding: coding.as_str() };
            (coding, metrics.compression(&labels))
        });
        Some(Self { plan, metrics: metrics.collect() })
    }

    /// What a core counts of a coding; `None` if it is not offered.
    pub(crate) fn metrics(&self, coding: ContentCoding, core: usize) -> Option<&Arc<CompressionMetrics>> {
        self.metrics.iter().find(|(one, _)| *one == coding).map(|(_, series)| series.core(core))
    }
}

/// A limit.
pub(crate) struct LimitUse {
    pub(crate) limiter: RateLimiter,
    pub(crate) is_dry_run: bool,
    pub(crate) metrics: Arc<Series<FlowMetrics>>,
    pub(crate) words: Arc<LimitWords>,
}

/// What clients are told of a limit (draft-ietf-httpapi-ratelimit-headers-10).
pub(crate) struct LimitWords {
    name: Arc<str>,
    /// `"name";q=100;w=60`. Empty: the numbers are not ours.
    policy: String,
}

impl LimitWords {
    fn new(limit: &RateLimit) -> Self {
        let seconds = limit.per.as_secs_f64().ceil().max(1.0);
        // The window has whole seconds: of a shorter one the quota is that of a second.
        let quota = f64::from(limit.requests) * seconds / limit.per.as_secs_f64();
        let policy = format!("\"{}\";q={quota:.0};w={seconds:.0}", limit.name);
        Self { name: limit.name.clone(), policy }
    }

    /// Those of a limit whose numbers somebody else knows.
    fn nameless() -> Self {
        Self { name: "".into(), policy: String::new() }
    }

    /// Says in an answer how long to wait.
    pub(crate) fn tell(&self, seconds: u64, fields: &mut Fields) {
        let left = format!("\"{}\";r=0;t={seconds}", self.name);
        let seconds = seconds.to_string();
        for (name, value) in
            [("retry-after", &seconds), ("ratelimit-policy", &self.policy), ("ratelimit", &left)]
        {
            if let Ok(name) = FieldName::new(name)
                && (!self.policy.is_empty() || name.known() == Known::RetryAfter)
            {
                fields.set(&name, value.as_bytes());
            }
        }
    }
}

/// Fields that a request has to have, with these values.
pub(super) type FieldValues = Box<[(FieldName, Box<[u8]>)]>;

/// Names that can be no field's are left out; reading the configuration has refused them.
pub(super) fn field_values(from: &[(Arc<str>, Arc<str>)]) -> FieldValues {
    let field =
        |(name, value): &(Arc<str>, Arc<str>)| Some((FieldName::new(name).ok()?, value.as_bytes().into()));
    from.iter().filter_map(field).collect()
}

/// Whether a request has all of them.
pub(super) fn have(fields: &Fields, wanted: &FieldValues) -> bool {
    wanted.iter().all(|(name, value)| fields.values(name).any(|one| *one == **value))
}

/// A fault.
pub(crate) struct FaultUse {
    millionths: u32,
    headers: FieldValues,
    delay: Option<(Duration, Duration)>,
    pub(crate) abort: Option<FaultAbort>,
    pub(crate) metrics: Arc<Series<FlowMetrics>>,
}

impl FaultUse {
    /// Whether it is this request's turn, by a random number.
    pub(crate) fn is_drawn(&self, fields: &Fields, random: u64) -> bool {
        let place = (u128::from(random) * 1_000_000) >> 64;
        place < u128::from(self.millionths) && have(fields, &self.headers)
    }

    /// How long the request waits first, by a random number.
    pub(crate) fn delay(&self, random: u64) -> Option<Duration> {
        let (least, most) = self.delay?;
        let spread = u64::try_from(most.saturating_sub(least).as_micros()).unwrap_or(u64::MAX);
        let more = (u128::from(random) * (u128::from(spread) + 1)) >> 64;
        Some(least + Duration::from_micros(u64::try_from(more).unwrap_or(spread)))
    }
}

/// A limit's scope and name.
type Named = (Arc<str>, Arc<str>);

/// What is kept of limits; it outlives snapshots.
pub(crate) struct Limits {
    states: Mutex<HashMap<Named, Kept>>,
    pub(crate) concurrency: ConcurrencyLimits,
    /// What is known of shared bandwidths, by scope and direction.
    buckets: Mutex<HashMap<Named, Weak<ByteBucket>>>,
    /// By which keys are hashed: clients must not know which keys meet.
    seed: u64,
}

struct Kept {
    state: Weak<LimitState>,
    /// How many keys there is room for; `None`: there are no keys.
    keys: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        // The standard library's hasher takes its keys from the system.
        Self {
            states: Mutex::default(),
            buckets: Mutex::default(),
            concurrency: ConcurrencyLimits::default(),
            seed: RandomState::new().hash_one(0_u8),
        }
    }
}

impl Limits {
    /// What was counted so far, where the limit is one that there is already.
    fn state(&self, limit: &RateLimit) -> Arc<LimitState> {
        let keys = (!limit.key.is_empty()).then_some(limit.max_keys);
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.retain(|_, kept| kept.state.strong_count() > 0);
        let place = (limit.scope.clone(), limit.name.clone());
        let known = states.get(&place).filter(|kept| kept.keys == keys);
        if let Some(state) = known.and_then(|kept| kept.state.upgrade()) {
            return state;
        }
        let state = Arc::new(LimitState::new(keys));
        states.insert(place, Kept { state: Arc::downgrade(&state), keys });
        state
    }

    /// How fast bodies that go in a direction are passed on.
    fn bandwidth(&self, asked: &Bandwidth, direction: &str, metrics: &Metrics) -> BandwidthUse {
        let place: Named = (asked.scope.clone(), direction.into());
        let total = asked.total.map(|total| {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            buckets.retain(|_, bucket| bucket.strong_count() > 0);
            let bucket = buckets.get(&place).and_then(Weak::upgrade).unwrap_or_default();
            buckets.insert(place.clone(), Arc::downgrade(&bucket));
            (ByteRate::new(total), bucket)
        });
        let (scope, limit) = place;
        let metrics = metrics.flow(&FlowLabels { scope, limit });
        BandwidthUse { per_request: asked.per_request.map(ByteRate::new), total, metrics }
    }

    /// Makes what is asked of a rule's requests ready.
    pub(crate) fn plan(&self, options: &TrafficOptions, registry: &Registry) -> Box<FlowPlan> {
        let series = |scope: &Arc<str>, limit: &str| series(&registry.metrics, scope, limit);
        let own = options.rate_limits.iter().filter(|limit| limit.shared.is_none());
        let limits = own.map(|limit| LimitUse {
            limiter: RateLimiter::new(limit, self.state(limit), self.seed),
            is_dry_run: limit.dry_run,
            metrics: series(&limit.scope, &limit.name),
            words: Arc::new(LimitWords::new(limit)),
        });
        let faults = options.faults.iter().map(|fault| FaultUse {
            millionths: fault.millionths,
            headers: field_values(&fault.headers),
            delay: fault.delay,
            abort: fault.abort,
            metrics: series(&fault.scope, ""),
        });
        let bandwidth = |asked: &Option<Bandwidth>, direction| {
            asked.as_ref().map(|asked| self.bandwidth(asked, direction, &registry.metrics))
        };
        Box::new(FlowPlan {
            limits: limits.collect(),
            shared: SharedLimits::of(&options.rate_limits, registry),
            faults: faults.collect(),
            concurrency: options
                .concurrency
                .as_ref()
                .map(|one| self.concurrency.plan(one, &registry.metrics)),
            priorities: PriorityPlan::new(&options.priorities),
            hedge_after: options.hedge_after,
            max_request_body: options.max_request_body,
            buffer: options.request_buffer.as_ref().map(|buffer| BufferUse {
                most: buffer.max_size.min(options.max_request_body.unwrap_or(u64::MAX)),
                timeout: buffer.timeout,
                metrics: series(&buffer.scope, ""),
            }),
            request_bandwidth: bandwidth(&options.request_bandwidth, "request"),
            response_bandwidth: bandwidth(&options.response_bandwidth, "response"),
            compression: options
                .compression
                .as_ref()
                .and_then(|one| CompressionUse::new(one, &registry.metrics)),
        })
    }
}

/// What is counted of a limit, or of a policy's faults.
fn series(metrics: &Metrics, scope: &Arc<str>, limit: &str) -> Arc<Series<FlowMetrics>> {
    metrics.flow(&FlowLabels { scope: scope.clone(), limit: limit.into() })
}
