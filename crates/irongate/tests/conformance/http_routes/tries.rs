//! How long answers may take, and what is tried again.

use super::check;
use crate::cases::{Case, get};

/// A request whose backend behaves so: see [`Instance::start`](crate::echo::Instance::start).
fn behaving(target: &str, behaviours: &str) -> Case {
    get(target).field("X-Echo-Behave", behaviours)
}

#[test]
fn timeouts() {
    check(
        "HTTPRouteTimeoutRequest",
        [
            behaving("/request-timeout", "hang").status(504),
            get("/disable-request-timeout").to("infra-backend-v1"),
        ],
    );
    check("HTTPRouteTimeoutBackendRequest", [behaving("/backend-timeout", "hang").status(504)]);
}

#[test]
fn retries() {
    check(
        "HTTPRouteRetry",
        [
            behaving("/retry?two", "500,503,200").to("infra-backend-v3"),
            behaving("/retry?three", "500,500,503,200").status(503).to("infra-backend-v3"),
            behaving("/retry?another-status", "502,200").status(502).to("infra-backend-v3"),
        ],
    );
    check(
        "HTTPRouteRetryConnectionError",
        [
            behaving("/retry?two", "reset,reset,200").to("infra-backend-v3"),
            behaving("/retry?all", "reset").one_of(&[500, 502, 503]),
        ],
    );
    check(
        "HTTPRouteRetryWithTimeouts",
        [
            behaving("/backend-timeout?two", "hang,hang,200").to("infra-backend-v3"),
            behaving("/backend-timeout?all", "hang").status(504),
            behaving("/request-timeout?all", "hang").status(504),
        ],
    );
}
