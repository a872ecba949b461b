//! The fields of a `TrafficPolicy`, each by itself.

use super::super::precedence::{Field, set};
use super::Wanted;
use crate::kinds::TrafficPolicySpec;

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
    Field { name: "retry.attempts", set: |from, to| set(&mut to.retry().attempts, from.retry.attempts) },
    Field { name: "retry.codes", set: |from, to| set(&mut to.retry().codes, from.retry.codes.clone()) },
    Field {
        name: "retry.backoff",
        set: |from, to| set(&mut to.retry().backoff, from.retry.backoff.map(|time| Some(time.0))),
    },
];
