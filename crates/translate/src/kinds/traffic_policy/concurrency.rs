//! `concurrency` and `priority` of a `TrafficPolicy`.

use crate::checks::{Checks, field_value, header_name};
use crate::kinds::{GatewayDuration, Header, Text};
use crate::yaml::path::At;
use irongate_config::{Concurrency, ConcurrencyQueue, Priority};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// The bounds of the limit where they are not written.
const BOUNDS: [u32; 2] = [4, 1000];
/// The queue where its parts are not written.
const QUEUE: ConcurrencyQueue = ConcurrencyQueue { size: 32, timeout: Duration::from_millis(50) };
/// More do not wait, and none waits longer.
const LARGEST_QUEUE: u32 = 100_000;
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How many requests may be under way at once: a limit that follows what those who serve them can do.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConcurrencyFields {
    /// The limit is never lower. Not written: 4, or `max` if that is less.
    #[schemars(range(min = 1))]
    pub min: Option<u32>,
    /// And never higher. Not written: 1000.
    #[schemars(range(min = 1))]
    pub max: Option<u32>,
    /// Where requests wait that find no room. Not written: they are refused at once.
    pub queue: Option<ConcurrencyQueueFields>,
}

/// Where requests wait that find no room: the more important first, of one priority the older.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConcurrencyQueueFields {
    /// How many may wait at once. Where all places are taken, a more important request gets that of a less important one. Not
    /// written: 32.
    #[schemars(range(min = 1, max = 100_000))]
    pub size: Option<u32>,
    /// How long one waits at most; 60s at most. Not written: 50ms.
    pub timeout: Option<GatewayDuration>,
}

/// How important requests are where not all can be served.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PriorityFields {
    /// Of those that no rule is for.
    #[schemars(extend("default" = "Normal"))]
    pub default: Option<PriorityName>,
    /// The first that is for a request counts.
    pub rules: Option<Vec<PriorityRuleFields>>,
}

/// Which requests are how important.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriorityRuleFields {
    /// Those that have all of these fields with these values.
    #[serde(default)]
    pub headers: Vec<Header>,
    /// Claims of who asks, with their values. Refused: nothing establishes who asks.
    #[serde(default)]
    pub claims: Vec<ClaimFields>,
    /// How important they are.
    pub priority: PriorityName,
}

/// A claim of who asks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimFields {
    /// Its name.
    pub name: Text,
    /// The value that it has to have.
    pub value: Text,
}

/// How important a request is where not all can be served.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum PriorityName {
    /// Let pass up to twice the limit.
    High,
    /// Up to the limit.
    Normal,
    /// Up to four fifths of the limit.
    Low,
}

impl From<PriorityName> for Priority {
    fn from(name: PriorityName) -> Self {
        match name {
            PriorityName::High => Self::High,
            PriorityName::Normal => Self::Normal,
            PriorityName::Low => Self::Low,
        }
    }
}

impl ConcurrencyFields {
    pub(crate) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        for (field, number) in [("min", self.min), ("max", self.max)] {
            if number == Some(0) {
                checks.invalid(&at.field(field), "must be at least 1", "");
            }
        }
        let [min, max] = self.bounds();
        if min > max {
            let advice = format!("Where max is not written, it is {}.", BOUNDS[1]);
            checks.invalid(&at.field("min"), "must not be more than max", advice);
        }
        let Some(queue) = &self.queue else { return };
        let at = at.field("queue");
        if !(1..=LARGEST_QUEUE).contains(&queue.size.unwrap_or(QUEUE.size)) {
            let message = format!("must be from 1 to {LARGEST_QUEUE}");
            checks.invalid(&at.field("size"), message, "Leave queue out where nobody shall wait.");
        }
        let timeout = queue.timeout.map_or(QUEUE.timeout, |time| time.0);
        if timeout.is_zero() || timeout > LONGEST_WAIT {
            checks.invalid(&at.field("timeout"), "must be longer than nothing and not longer than 60s", "");
        }
    }

    /// What it means, but for its scope.
    pub(crate) fn meaning(&self) -> Concurrency {
        let queue = self.queue.as_ref().map(|queue| ConcurrencyQueue {
            size: queue.size.unwrap_or(QUEUE.size),
            timeout: queue.timeout.map_or(QUEUE.timeout, |time| time.0),
        });
        let [min, max] = self.bounds();
        Concurrency { scope: "".into(), min, max, queue }
    }

    fn bounds(&self) -> [u32; 2] {
        let max = self.max.unwrap_or(BOUNDS[1]);
        [self.min.unwrap_or(BOUNDS[0].min(max)), max]
    }
}

impl PriorityFields {
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let at = at.field("rules");
        let rules = self.rules.as_deref().unwrap_or_default();
        checks.no_more_than(&at, rules.len(), 16);
        for (place, rule) in rules.iter().enumerate() {
            rule.check(&at.index(place), checks);
        }
    }
}

impl PriorityRuleFields {
    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        if !self.claims.is_empty() {
            let message = "cannot be told: nothing establishes who asks";
            checks.invalid(&at.field("claims"), message, "Tell requests apart by headers.");
        } else if self.headers.is_empty() {
            checks.invalid(&at.field("headers"), "is empty", "Say by `default` what is for all requests.");
        }
        let headers = at.field("headers");
        checks.no_more_than(&headers, self.headers.len(), 16);
        for (place, header) in self.headers.iter().enumerate() {
            let at = headers.index(place);
            header_name(&header.name, &at.field("name"), checks);
            field_value(&header.value, &at.field("value"), checks);
        }
    }
}
