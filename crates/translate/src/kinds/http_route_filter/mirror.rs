//! `requestMirror`: copies of requests, sent elsewhere.

use crate::checks::Checks;
use crate::kinds::BackendObjectReference;
use crate::yaml::path::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// `requestMirror`: a copy of the request goes to another backend, whose answers are thrown away.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestMirror {
    /// Where the copies go.
    pub backend_ref: BackendObjectReference,
    /// Of a hundred requests, so many are copied.
    pub percent: Option<i32>,
    /// The same as a fraction. All requests are copied where neither is written.
    pub fraction: Option<Fraction>,
}

/// A share of requests.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub struct Fraction {
    /// So many…
    pub numerator: i32,
    /// … of so many.
    #[serde(default = "default_denominator")]
    pub denominator: i32,
}

fn default_denominator() -> i32 {
    100
}

impl RequestMirror {
    /// Of how many requests how many are copied: numerator and denominator.
    #[must_use]
    pub fn share(&self) -> (u32, u32) {
        let whole = |number: i32| u32::try_from(number).unwrap_or_default();
        match (self.percent, self.fraction) {
            (Some(percent), _) => (whole(percent), 100),
            (None, Some(fraction)) => (whole(fraction.numerator), whole(fraction.denominator).max(1)),
            (None, None) => (1, 1),
        }
    }
}

pub(super) fn check(mirror: &RequestMirror, at: &At<'_>, checks: &mut Checks) {
    mirror.backend_ref.check(&at.field("backendRef"), checks);
    if let Some(percent) = mirror.percent
        && !(0..=100).contains(&percent)
    {
        checks.invalid(&at.field("percent"), format!("{percent} is not from 0 to 100"), "");
    }
    if let Some(fraction) = mirror.fraction {
        if mirror.percent.is_some() {
            checks.invalid(&at.field("fraction"), "cannot stand beside percent", "Keep one of the two.");
        }
        let at = at.field("fraction");
        if fraction.numerator < 0 {
            checks.invalid(&at.field("numerator"), "may not be negative", "");
        }
        if fraction.denominator < 1 {
            checks.invalid(&at.field("denominator"), "must be at least 1", "");
        } else if fraction.numerator > fraction.denominator {
            checks.invalid(&at.field("numerator"), "may not be greater than the denominator", "");
        }
    }
}
